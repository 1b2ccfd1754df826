"""What runs while a template renders: filters, loops, printing; and the budget that all of their work is counted on.

A template is bound by its text, but what it does with a value is not: one that is long, changed or compared in a loop,
takes minutes. So whatever looks at all of a value pays for its length first.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from jinja2 import Undefined, pass_context

from prompt_hub.errors import RenderLimit
from prompt_hub.quoting import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jinja2.runtime import Context

MAX_OUTPUT_CHARACTERS = 256 * 1024
MAX_LOOP_TURNS = 5_000
# A step is one part of a loop's body, once, or one character or item that is printed, compared or changed.
MAX_STEPS = 1_000_000

# No variable can have a name like these, so no template can reach them.
BUDGET = "_budget"
COUNTED = "_counted"
COMPARED = "_compared"


class Budget:
    """Counts the work of one rendering."""

    def __init__(self) -> None:
        self._turns = MAX_LOOP_TURNS
        self._steps = MAX_STEPS

    def turn(self, parts: int) -> None:
        """Count one turn of a loop whose body has so many parts.

        Raises:
            RenderLimit: there have been too many.
        """
        self._turns -= 1
        if self._turns < 0:
            raise RenderLimit(f"its loops take more than {MAX_LOOP_TURNS:,} turns")
        self.take(parts)

    def take(self, steps: int) -> None:
        """Count steps.

        Raises:
            RenderLimit: there have been too many.
        """
        self._steps -= steps
        if self._steps < 0:
            raise RenderLimit(f"it takes more than {MAX_STEPS:,} steps; look at less, or less often")


@pass_context
def printed(context: Context, value: Any) -> Any:
    """What `{{ value }}` prints: text, quoted, or a number.

    Raises:
        TypeError: it is neither; a prompt with "None" or "['sea']" in it is a mistake.
    """
    if isinstance(value, str):
        context[BUDGET].take(len(value))
        return quoted(value)
    if isinstance(value, Undefined):
        return value  # Jinja2 turns it to text next, and it refuses by name.
    if isinstance(value, bool) or not isinstance(value, int | float):
        kind = {bool: "true or false", type(None): "null", list: "a list", dict: "a mapping"}
        raise TypeError(
            f"it prints {kind.get(type(value), type(value).__name__)}; print texts and numbers, "
            "ask about the rest with {% if %}, {% for %} or the filter join"
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise TypeError("it prints a number that is not finite")
    return str(value)


@pass_context
def counted(context: Context, value: Any, parts: int) -> Any:
    """The list of a loop, whose turns are counted.

    Raises:
        TypeError: it is no list.
    """
    if isinstance(value, Undefined):
        return value
    if not isinstance(value, list):
        raise TypeError(f"it loops over {type(value).__name__}, which is no list")
    return _turns(value, context[BUDGET], parts)


@pass_context
def compared(context: Context, value: Any) -> Any:
    """The side of a comparison, paid for."""
    context[BUDGET].take(_size(value))
    return value


def _turns(values: list[Any], budget: Budget, parts: int) -> Iterator[Any]:
    for value in values:
        budget.turn(parts)
        yield value


def _size(value: Any) -> int:
    """Characters and items, as deep as they go; rendering has bounded how deep that is."""
    if isinstance(value, str):
        return 1 + len(value)
    if isinstance(value, list):
        return 1 + sum(map(_size, value))
    if isinstance(value, dict):
        return 1 + sum(1 + len(key) + _size(item) for key, item in value.items())
    return 1


@pass_context
def _join(context: Context, value: Any, between: str = "") -> str:
    if isinstance(value, Undefined) or not isinstance(value, list):
        raise TypeError("the filter join needs a list")
    context[BUDGET].take(_size(value))
    for item in value:
        if isinstance(item, bool) or not isinstance(item, str | int | float):
            raise TypeError("the filter join needs a list of texts and numbers")
    texts = [str(item) for item in value]
    if sum(map(len, texts)) + len(texts) * len(between) > MAX_OUTPUT_CHARACTERS:
        raise RenderLimit(f"the filter join makes more than {MAX_OUTPUT_CHARACTERS:,} characters")
    return between.join(texts)


def _length(value: Any) -> int:
    if not isinstance(value, str | list | dict):
        raise TypeError("the filter length needs a text, a list or a mapping")
    return len(value)


def _item(value: Any, index: int) -> Any:
    if not isinstance(value, list) or not value:
        raise TypeError("the filters first and last need a list that is not empty")
    return value[index]


def _default(value: Any, instead: Any = "") -> Any:
    return instead if isinstance(value, Undefined) else value


def _text_filter(change: Callable[[str], str]) -> Callable[[Context, Any], str]:
    @pass_context
    def changed(context: Context, value: Any) -> str:
        if not isinstance(value, str):
            raise TypeError("the filters lower, upper and trim need a text")
        context[BUDGET].take(len(value))
        return change(value)

    return changed


# Jinja2 calls filters without the sandbox's checks, so these are ours and take plain JSON alone.
FILTERS: dict[str, Callable[..., Any]] = {
    "default": _default,
    "first": lambda value: _item(value, 0),
    "join": _join,
    "last": lambda value: _item(value, -1),
    "length": _length,
    "lower": _text_filter(str.lower),
    "trim": _text_filter(str.strip),
    "upper": _text_filter(str.upper),
}
