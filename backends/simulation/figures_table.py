"""Figures of several policies side by side, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from backends.showing import cell

if TYPE_CHECKING:
    from collections.abc import Iterable

    from backends.simulation.figures import Figures


def figures_table(rows: Iterable[tuple[str, Figures]]) -> Table:
    """A row a policy."""
    table = Table(
        "policy",
        "makespan",
        "switches",
        "busy",
        "switching",
        "chats wait p50",
        "p95",
        "longest",
        "batches wait p95",
        "longest",
    )
    for name, one in rows:
        told = (
            name,
            _seconds(one.makespan_s),
            one.switches,
            f"{one.busy:.0%}",
            f"{one.switching:.0%}",
            _seconds(one.interactive.p50_s),
            _seconds(one.interactive.p95_s),
            _seconds(one.interactive.longest_s),
            _seconds(one.batch.p95_s),
            _seconds(one.batch.longest_s),
        )
        table.add_row(*map(cell, told))
    return table


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.0f} s"
