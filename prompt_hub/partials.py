"""Partials: named pieces of template text, put in where `{% include "name" %}` stands, before anything is hashed.

They are put in as text, so that an effective template stands alone: a run can pin it, and its hash holds all of it.
The tag's line keeps its line end, and `{%-` and `-%}` take away the space beside the tag, as elsewhere.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from prompt_hub.errors import ProfileCycle, TemplateRefused
from prompt_hub.schema import MAX_TEMPLATE_BYTES, template_text

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_DEPTH = 16

_OPENING = re.compile(r"\{[#%]")
_RAW = re.compile(r"\{%[-+]?\s*raw\s*[-+]?%\}")
_END_OF_RAW = re.compile(r"\{%[-+]?\s*endraw\s*[-+]?%\}")
_INCLUDE = re.compile(
    r"""\{%(?P<left>[-+]?)\s*include\s+(?P<quote>["'])(?P<name>[^"'\n]*)(?P=quote)\s*(?P<right>[-+]?)%\}"""
)


def with_partials(text: str, partials: Mapping[str, str]) -> str:
    """The text with every partial that it includes put in, and theirs.

    Args:
        text: a template.
        partials: the partials' texts by name.

    Raises:
        ProfileCycle: partials include one another; names the circle.
        TemplateRefused: a partial does not exist, or the whole grows too large or too deep.
    """
    return _Inlining(partials).text(text, ())


def included(text: str) -> tuple[str, ...]:
    """The names of the partials that a text itself includes, each once."""
    return tuple(dict.fromkeys(name for _, name in _includes(text)))


def at_fault(text: str, partials: Mapping[str, str], error: TemplateRefused) -> str | None:
    """The partial in which what `with_partials` refused is written; None if it is in the text itself."""
    for name in included(text):
        if name in partials:
            try:
                with_partials(template_text(partials[name]), partials)
            except TemplateRefused as inner:
                if inner.problem == error.problem:
                    return at_fault(partials[name], partials, error) or name
    return None


class _Inlining:
    """One template's; each partial is worked out once, so that partials of partials cannot explode."""

    def __init__(self, partials: Mapping[str, str]) -> None:
        self._partials = partials
        self._done: dict[str, str] = {}

    def text(self, text: str, inside: tuple[str, ...]) -> str:
        pieces: list[str] = []
        size = 0
        start = 0
        for include, name in _includes(text):
            before = text[start : include.start()]
            lead = before.rstrip() if include["left"] == "-" else _without_indent(before, include["left"])
            piece = lead + self._partial(name, inside)
            pieces.append(piece)
            size += len(piece)
            if size > MAX_TEMPLATE_BYTES:
                raise TemplateRefused(
                    f"is larger than {MAX_TEMPLATE_BYTES // 1024} KiB with the partials that it includes, "
                    "the limit of a template"
                )
            start = include.end()
            if include["right"] == "-":
                start += len(text[start:]) - len(text[start:].lstrip())
        return "".join((*pieces, text[start:]))

    def _partial(self, name: str, inside: tuple[str, ...]) -> str:
        if name in inside:
            raise ProfileCycle(
                "Partials include one another in a circle", (*inside[inside.index(name) :], name)
            )
        if name in self._done:
            return self._done[name]
        if name not in self._partials:
            nearest = difflib.get_close_matches(name, self._partials, n=1)
            known = f"did you mean {nearest[0]!r}?" if nearest else f"there are {_listed(self._partials)}"
            raise TemplateRefused(f"includes {name!r}, but there is no such partial; {known}")
        if len(inside) >= MAX_DEPTH:
            raise TemplateRefused(f"includes partials more than {MAX_DEPTH} deep, at {name!r}")
        text = self.text(template_text(self._partials[name]), (*inside, name))
        self._done[name] = text
        return text


def _includes(text: str) -> list[tuple[re.Match[str], str]]:
    """The include tags of a text, without those in comments and raw blocks."""
    found = []
    place = 0
    while (opening := _OPENING.search(text, place)) is not None:
        place = opening.end()
        if opening.group() == "{#":
            end = text.find("#}", place)
            # What is never closed is for the parser to refuse.
            place = len(text) if end < 0 else end
        elif (raw := _RAW.match(text, opening.start())) is not None:
            closing = _END_OF_RAW.search(text, raw.end())
            place = len(text) if closing is None else closing.end()
        elif (include := _INCLUDE.match(text, opening.start())) is not None:
            found.append((include, include["name"]))
            place = include.end()
    return found


def _without_indent(before: str, sign: str) -> str:
    line = before.rpartition("\n")[2]
    return before[: len(before) - len(line)] if line.isspace() and sign != "+" else before


def _listed(names: Mapping[str, str]) -> str:
    return ", ".join(sorted(names)) or "none"
