"""Values on a terminal: nothing that moves its cursor, whole words in a pipe, and times as people say them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

from store.fitted_table import fitted

if TYPE_CHECKING:
    from rich.table import Table

# Wide enough for a table that goes into a file or a pipe.
_PIPE_WIDTH: Final = 400
_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400


def show(table: Table) -> None:
    """Print a table as wide as it needs, or as a terminal can show it."""
    in_terminal = sys.stdout.isatty()
    console = Console(width=None if in_terminal else _PIPE_WIDTH)
    console.print(fitted(table, console) if in_terminal else table)


def cell(words: object) -> Text:
    """A table's cell; None is empty.

    Text, not markup, and nothing that moves the cursor: a driver's or a server's words are none of ours.
    """
    return Text("" if words is None else printable(str(words)))


def printable(words: str) -> str:
    """The words with a question mark for whatever would move the cursor; lines stay lines."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in words)


def duration(seconds: float) -> str:
    """Seconds as people say them, in the two largest units; no less than none."""
    whole = max(0, round(seconds))
    for name, size, smaller_name, smaller in (
        ("d", _DAY, "h", _HOUR),
        ("h", _HOUR, "min", _MINUTE),
        ("min", _MINUTE, "s", 1),
    ):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {name} {rest} {smaller_name}" if rest else f"{whole // size} {name}"
    return f"{whole} s"
