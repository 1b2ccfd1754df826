"""Two runs of one batch, photo by photo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from store.tables import published_tables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from store.artifacts import TableStore
    from store.batches import Batch, Pipeline
    from store.database import StateDatabase

COMPARED: Final[Mapping[Pipeline, tuple[tuple[str, tuple[str, ...]], ...]]] = {
    "judge": (
        ("judge/critiques", ("score", "impact", "composition", "technique", "critique")),
        ("judge/results", ("place", "award")),
    ),
    "tagger": (
        ("tagger/captions", ("caption",)),
        ("tagger/keywords", ("keywords",)),
        ("tagger/descriptions", ("description",)),
    ),
}
"""What is put beside each other, by pipeline: tables with their columns."""


@dataclass(frozen=True, slots=True)
class Pair:
    """What two runs say of one entry.

    Attributes:
        entry_id: The entry.
        before: The first run's values by column; empty where it had no row of it.
        after: The second one's.
    """

    entry_id: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]

    @property
    def changed(self) -> tuple[str, ...]:
        """The columns in which they differ."""
        names = dict.fromkeys((*self.before, *self.after))
        return tuple(name for name in names if self.before.get(name) != self.after.get(name))

    @property
    def moved(self) -> float:
        """How far the mark has moved; nothing where one is missing."""
        first, second = self.before.get("score"), self.after.get("score")
        return 0.0 if first is None or second is None else float(second - first)


def runs_of(database: StateDatabase, batch: Batch) -> list[tuple[str, datetime]]:
    """The runs whose tables of a batch can be compared, the newest first, with when they published last."""
    assets = [asset for asset, _ in COMPARED[batch.pipeline]]
    table = published_tables
    chosen = select(table.c.run_id, table.c.moved_at).where(
        table.c.batch == batch.name, table.c.asset.in_(assets)
    )
    last: dict[str, datetime] = {}
    with database.read() as connection:
        for row in connection.execute(chosen.order_by(table.c.moved_at)):
            last[row.run_id] = row.moved_at
    return sorted(last.items(), key=lambda item: item[1], reverse=True)


def pairs(before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]) -> list[Pair]:
    """Both runs' values by entry; those whose mark has moved farthest first, then those that differ, then the rest."""
    entries = sorted({*before, *after})
    made = [Pair(entry_id, before.get(entry_id, {}), after.get(entry_id, {})) for entry_id in entries]
    return sorted(made, key=lambda pair: (-abs(pair.moved), not pair.changed, pair.entry_id))


def values_of(
    store: TableStore, database: StateDatabase, batch: Batch, run_id: str
) -> dict[str, dict[str, Any]]:
    """What a run says of each entry; of the tables that it published.

    Raises:
        StoreError: One of them cannot be read.
    """
    published = _published(database, batch, run_id)
    values: dict[str, dict[str, Any]] = {}
    for asset, columns in COMPARED[batch.pipeline]:
        if asset not in published:
            continue
        rows: Sequence[Mapping[str, Any]] = store.read(asset, batch.name, run_id).to_pylist()
        for row in rows:
            values.setdefault(row["entry_id"], {}).update({name: row.get(name) for name in columns})
    return values


def _published(database: StateDatabase, batch: Batch, run_id: str) -> frozenset[str]:
    table = published_tables
    chosen = select(table.c.asset).where(table.c.batch == batch.name, table.c.run_id == run_id)
    with database.read() as connection:
        return frozenset(connection.scalars(chosen))
