"""Which table of an asset and batch is current, and where it is: rows of the state database as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import select, update

from store.errors import PublishConflict
from store.object_paths import ObjectPath
from store.table_files import part_count, part_name, parts_of
from store.tables import published_tables, table_pointers
from store.upserting import insert_new, upsert

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import Connection

    from store.object_paths import Place


@dataclass(frozen=True)
class TablePointer:
    """Where an asset's table of one run is.

    Attributes:
        asset: Asset key, such as `judge/critiques`.
        batch: The batch's name.
        run_id: The run that made it.
        rows: How many rows it has.
        data_version: What it says, as a digest; see `store.data_version`.
        path: Folder of its parts, absolute, or where they are in a store of objects.
        moved_at: When it was published.
    """

    asset: str
    batch: str
    run_id: str
    rows: int
    data_version: str
    path: Place
    moved_at: datetime

    @property
    def parts(self) -> tuple[Place, ...]:
        """The Parquet files, in the order of their rows."""
        return parts_of(self.path)

    @property
    def expected_parts(self) -> tuple[ObjectPath, ...]:
        """The objects of a table that is in a store of them, by its number of rows: a listing takes its time there."""
        if not isinstance(self.path, ObjectPath):
            raise TypeError(f"{self.path} is a folder: look into it")
        return tuple(self.path / part_name(number) for number in range(part_count(self.rows)))


def current_pointers(
    connection: Connection, assets: Place, *, asset: str | None = None, batch: str | None = None
) -> tuple[TablePointer, ...]:
    """The pointers to the current tables, by asset and batch.

    Args:
        connection: To the state database.
        assets: What holds all tables.
        asset: Only of this asset.
        batch: Only of this batch.
    """
    one = table_pointers
    query = select(one).order_by(one.c.asset, one.c.batch)
    if asset is not None:
        query = query.where(one.c.asset == asset)
    if batch is not None:
        query = query.where(one.c.batch == batch)
    return tuple(_pointer(row, assets) for row in connection.execute(query))


def published_pointer(
    connection: Connection, assets: Place, *, asset: str, batch: str, run_id: str
) -> TablePointer | None:
    """The pointer to the table that a run published, be it current or not; None when it published none."""
    one = published_tables
    here = (one.c.asset == asset, one.c.batch == batch, one.c.run_id == run_id)
    row = connection.execute(select(one).where(*here)).one_or_none()
    return None if row is None else _pointer(row, assets)


def move_pointer(
    connection: Connection, assets: Place, pointer: TablePointer, expected: TablePointer | None
) -> None:
    """Make `pointer` the current one, if the current one is `expected` or of the same run.

    Raises:
        PublishConflict: It is another one.
    """
    one = table_pointers
    here = (one.c.asset == pointer.asset, one.c.batch == pointer.batch)
    row = {
        "asset": pointer.asset,
        "batch": pointer.batch,
        "run_id": pointer.run_id,
        "rows": pointer.rows,
        "data_version": pointer.data_version,
        "path": stored_path(assets, pointer.path),
        "moved_at": pointer.moved_at,
    }
    own = one.c.run_id == pointer.run_id
    seen = own if expected is None else own | (one.c.path == stored_path(assets, expected.path))
    moved = connection.execute(update(one).where(*here, seen).values(row)).rowcount
    if not moved and expected is None:
        moved = insert_new(connection, one, [row])
    if not moved:
        winner = connection.execute(select(one.c.run_id).where(*here)).scalar_one_or_none()
        happened = (
            "the table that it was built on was removed: it was damaged when photos were forgotten"
            if winner is None
            else f"run {winner} published it. The table of run {winner} stays current"
        )
        raise PublishConflict(
            f"While run {pointer.run_id} made {pointer.asset} of batch {pointer.batch!r}, {happened}; "
            f"materialize {pointer.asset} again to build on what is there now.",
            winner=winner,
        )
    upsert(connection, published_tables, [row])


def stored_path(assets: Place, place: Place) -> str:
    """A table's folder as the state database has it, so that a home can be moved."""
    if isinstance(place, ObjectPath):
        return place.relative_to(cast("ObjectPath", assets)).as_posix()
    return place.relative_to(cast("Path", assets)).as_posix()


def _pointer(row: Any, assets: Place) -> TablePointer:
    return TablePointer(
        asset=row.asset,
        batch=row.batch,
        run_id=row.run_id,
        rows=row.rows,
        data_version=row.data_version,
        path=assets / row.path,
        moved_at=row.moved_at,
    )
