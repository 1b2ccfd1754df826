"""Tables on a terminal, and whole lines in a pipe."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from store.fitted_table import fitted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def show(names: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table as wide as it needs, or as a terminal can show it."""
    table = Table(*names)
    for row in rows:
        # Text, not markup: a description may look like a style or a link.
        table.add_row(*(Text(cell) for cell in row))
    # A pipe has no width; what is cut off there cannot be read by anybody.
    in_terminal = sys.stdout.isatty()
    console = Console(width=None if in_terminal else 10_000, soft_wrap=not in_terminal)
    console.print(fitted(table, console) if in_terminal else table)
