"""Python's format strings as templates: `{name}` prints a variable, and nothing else of them is carried."""

from __future__ import annotations

from string import Formatter
from typing import TYPE_CHECKING

from prompt_hub.errors import TemplateRefused
from prompt_hub.exchange.jinja_text import literal

if TYPE_CHECKING:
    from collections.abc import Mapping


def from_f_string(text: str, constants: Mapping[str, str]) -> str:
    """The same template in Jinja2.

    Args:
        text: A format string; it is read by Python's own parser, and never formatted.
        constants: Texts that stand for some of its names.

    Raises:
        TemplateRefused: It is none, or reaches into its values, or gives them a format.
    """
    pieces: list[str] = []
    try:
        for before, name, form, conversion in Formatter().parse(text):
            pieces.append(literal(before))
            if name is None:
                continue
            if not name.isidentifier():
                raise TemplateRefused(
                    f"prints {{{name}}}; a name alone can be printed, no attribute, index or position"
                )
            if form or conversion:
                raise TemplateRefused(f"gives {{{name}}} a format; work it out in the code and pass it in")
            pieces.append(literal(constants[name]) if name in constants else f"{{{{ {name} }}}}")
    except ValueError as error:
        if isinstance(error, TemplateRefused):
            raise
        raise TemplateRefused(f"is no format string: {error}") from error
    return "".join(pieces)
