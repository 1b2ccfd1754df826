"""A table as a narrow terminal can show it: where a cell would be cut, a block of lines a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console, RenderableType

UNBOUNDED = 10_000


def fitted(table: Table, console: Console) -> RenderableType:
    """The table, or a block a row where it needs more columns than the console has.

    What is cut cannot be read, and an id that is cut cannot be given to the next command.
    """
    needs = Measurement.get(console, console.options.update(width=UNBOUNDED), table).maximum
    if needs <= console.width:
        return table
    headings = [column.header for column in table.columns]
    rows = zip(*(column.cells for column in table.columns), strict=True)
    blocks = [_block(headings, row) for row in rows]
    ends = [Text(str(words)) for words in (table.caption,) if words]
    begins = [Text(str(words)) for words in (table.title,) if words]
    return Group(*begins, *blocks, *ends)


def _block(headings: Sequence[RenderableType], cells: Sequence[RenderableType]) -> Table:
    block = Table.grid(padding=(0, 2, 0, 0))
    block.add_column(style="dim", no_wrap=True)
    block.add_column(overflow="fold")
    for heading, cell in zip(headings, cells, strict=True):
        if str(cell):
            block.add_row(heading, cell)
    block.add_row("", "")
    return block
