"""Tables of assets: written in parts, published whole, read whole."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import select, update

from store.data_version import data_version
from store.errors import DamagedTable, InvalidTable, MissingTable, PublishConflict, PublishFailed
from store.locking import locked
from store.path_text import path_text
from store.publishing import make_folder, sync_folder
from store.tables import published_tables, table_pointers
from store.upserting import insert_new, upsert

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from sqlalchemy import Connection, Row

    from store.database import StateDatabase
    from store.home import Home

# A part is what a reader must hold to see any of it, and what a retry writes again.
ROWS_A_PART = 2000

_METADATA = b"imageworks"
_STAGING = ".staging-"
_LOCK = ".lock"
# In a folder until the database points at it: tells a dead try from a table that was once published.
_UNPUBLISHED = ".unpublished"
_ASSET = re.compile(r"[a-z0-9_]{1,64}(?:/[a-z0-9_]{1,64})*")
_SAFE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,119}")
_PHOTO_COLUMN = re.compile(r"photo_ids?(?:_.+)?|.+_photo_ids?")


@dataclass(frozen=True)
class TablePointer:
    """Where an asset's table of one run is.

    Attributes:
        asset: Asset key, such as `judge/critiques`.
        batch: The batch's name.
        run_id: The run that made it.
        rows: How many rows it has.
        data_version: What it says, as a digest; see `store.data_version`.
        path: Folder of its parts, absolute.
        moved_at: When it was published.
    """

    asset: str
    batch: str
    run_id: str
    rows: int
    data_version: str
    path: Path
    moved_at: datetime

    @property
    def parts(self) -> tuple[Path, ...]:
        """The Parquet files, in the order of their rows."""
        return _parts(self.path)


class TableStore:
    """Publishes and reads the tables of assets.

    A table is a folder of immutable Parquet files; the database says which is current. A reader sees one
    run's whole table or another's, never a mix.
    """

    def __init__(self, home: Home, database: StateDatabase) -> None:
        self._assets = home.assets
        self._database = database

    def publish(
        self,
        *,
        asset: str,
        batch: str,
        run_id: str,
        table: pa.Table,
        volatile: Collection[str] = (),
        expected: TablePointer | None,
        key: Sequence[str] = ("entry_id",),
    ) -> TablePointer:
        """Write `table` and make it the current one of its asset and batch.

        Parts of at most 2,000 rows are written beside their place, synced and read back; the folder is
        renamed; then the pointer moves if it still is where the caller saw it. A step that is tried again
        in the same run publishes over its own earlier try.

        Args:
            asset: Asset key, such as `judge/critiques`.
            batch: The batch's name.
            run_id: The run that made the rows.
            table: With `entry_id` and `photo_id`; `batch` and `run_id` are added when missing.
            volatile: Columns that do not enter the data version, such as times.
            expected: What `current` said before the rows were made; None when there was no table.
            key: Columns that together name a row.

        Returns:
            The new pointer, once it is committed.

        Raises:
            InvalidTable: A column is missing, or `key` is null or double somewhere.
            PublishConflict: Another run published in between; its table stays current.
            PublishFailed: It could not be written; the current table stays.
            DatabaseError: The pointer could not be moved; the current table stays.
        """
        folder = self._folder(asset, batch)
        _check_name("run id", run_id)
        table = _completed(table, asset, batch=batch, run_id=run_id, key=key)
        version = data_version(table, volatile=volatile, key=key)
        try:
            make_folder(folder)
            with locked(folder / _LOCK):
                self._sweep(folder, run_id)
                publication = _Publication(tuple(key), tuple(sorted(volatile)))
                place = _write_table(folder, run_id, table, publication)
                pointer = TablePointer(
                    asset, batch, run_id, table.num_rows, version, place, datetime.now(UTC)
                )
                try:
                    self._database.write(lambda connection: self._move(connection, pointer, expected))
                except PublishConflict:
                    shutil.rmtree(place)
                    raise
                (place / _UNPUBLISHED).unlink()
        except OSError as error:
            raise PublishFailed(
                f"The table {asset} of batch {batch!r} could not be written: {error.strerror or error}. "
                "Free space or fix permissions in the home folder, then materialize it again; "
                "what was published before is still current."
            ) from error
        return pointer

    def current(self, asset: str, batch: str) -> TablePointer | None:
        """The pointer to the current table, or None when none was published."""
        found = self._select(
            select(table_pointers).where(table_pointers.c.asset == asset, table_pointers.c.batch == batch)
        )
        return found[0] if found else None

    def pointers(self, asset: str | None = None) -> tuple[TablePointer, ...]:
        """The pointers to all current tables, or to those of one asset, by asset and batch."""
        query = select(table_pointers).order_by(table_pointers.c.asset, table_pointers.c.batch)
        if asset is not None:
            query = query.where(table_pointers.c.asset == asset)
        return self._select(query)

    def history(self, asset: str, batch: str) -> tuple[TablePointer, ...]:
        """The pointers to every run's table, the latest first."""
        one = published_tables
        query = select(one).where(one.c.asset == asset, one.c.batch == batch)
        return self._select(query.order_by(one.c.moved_at.desc()))

    def read(self, asset: str, batch: str, run_id: str | None = None) -> pa.Table:
        """The rows of the current table, or of the one that `run_id` published.

        Raises:
            MissingTable: It was never published; the message says what to materialize.
            DamagedTable: Files are missing or hold other rows than were published.
        """
        pointer = self._find(asset, batch, run_id)
        while True:
            try:
                return _read_table(pointer)
            except FileNotFoundError as error:
                # Forgetting photos rewrites a table elsewhere and removes the old one.
                moved = self._find(asset, batch, run_id)
                if moved.path == pointer.path:
                    raise DamagedTable(
                        f"Files of {asset} of batch {batch!r} are gone from {path_text(pointer.path)}. "
                        f"Materialize {asset} for it again."
                    ) from error
                pointer = moved

    def forget(self, photo_ids: Collection[str]) -> int:
        """Rewrite every table, current or older, without the rows of these photos.

        A row is of a photo when `photo_id`, or a column named like `photo_id_b`, `winner_photo_id` or
        `photo_ids` (a list), holds it.

        Args:
            photo_ids: Photos to forget.

        Returns:
            How many rows were removed, in all tables together.

        Raises:
            PublishFailed: A table could not be rewritten; doing it again goes on from there.
        """
        wanted = pa.array(sorted(set(photo_ids)), pa.string())
        if not len(wanted):
            return 0
        removed = 0
        try:
            for lock in sorted(self._assets.rglob(_LOCK)):
                with locked(lock):
                    self._sweep(lock.parent)
                    for place in sorted(_tables_in(lock.parent)):
                        removed += self._forget_in(place, wanted)
        except OSError as error:
            raise PublishFailed(
                f"A table could not be rewritten: {error.strerror or error} ({error.filename}). "
                "Free space or fix permissions in the home folder, then forget the photos again."
            ) from error
        return removed

    def _forget_in(self, place: Path, wanted: pa.Array) -> int:
        table = _concatenated(_parts(place))
        kept = table.filter(pc.invert(_rows_of(table, wanted)))
        gone: int = table.num_rows - kept.num_rows
        if not gone:
            return 0
        publication = _Publication.of(table)
        new = _write_table(place.parent, _run_of(place), kept, publication)
        old_path = self._relative(place)
        values = {
            "path": self._relative(new),
            "rows": kept.num_rows,
            "data_version": data_version(kept, volatile=publication.volatile, key=publication.key),
        }

        def work(connection: Connection) -> None:
            for one in (table_pointers, published_tables):
                connection.execute(update(one).where(one.c.path == old_path).values(values))

        self._database.write(work)
        (new / _UNPUBLISHED).unlink()
        shutil.rmtree(place)
        sync_folder(place.parent)
        return gone

    def _find(self, asset: str, batch: str, run_id: str | None) -> TablePointer:
        if run_id is None:
            pointer = self.current(asset, batch)
        else:
            one = published_tables
            found = self._select(
                select(one).where(one.c.asset == asset, one.c.batch == batch, one.c.run_id == run_id)
            )
            pointer = found[0] if found else None
        if pointer is None:
            of_run = f" by run {run_id}" if run_id is not None else ""
            raise MissingTable(
                f"There is no table {asset} of batch {batch!r}{of_run}. Materialize {asset} for the "
                f"partition {batch!r} first."
            )
        return pointer

    def _select(self, query: Any) -> tuple[TablePointer, ...]:
        with self._database.read() as connection:
            return tuple(self._pointer(row) for row in connection.execute(query))

    def _pointer(self, row: Row[Any]) -> TablePointer:
        return TablePointer(
            asset=row.asset,
            batch=row.batch,
            run_id=row.run_id,
            rows=row.rows,
            data_version=row.data_version,
            path=self._assets / row.path,
            moved_at=row.moved_at,
        )

    def _folder(self, asset: str, batch: str) -> Path:
        if _ASSET.fullmatch(asset) is None:
            raise InvalidTable(f"{asset!r} is no asset key: use words of a-z, 0-9 and _ with / between.")
        _check_name("batch", batch)
        return self._assets / asset / batch

    def _relative(self, place: Path) -> str:
        return place.relative_to(self._assets).as_posix()

    def _sweep(self, folder: Path, run_id: str | None = None) -> None:
        """Remove what killed publishers left in a table's folder, and older tries of `run_id`.

        The caller holds the folder's lock, so nobody is at work in it. A folder that was once published is
        never taken for a leftover, even when the database knows nothing of it.
        """
        with self._database.read() as connection:
            some = published_tables.c.path.startswith(f"{self._relative(folder)}/", autoescape=True)
            paths = connection.execute(select(published_tables.c.path).where(some)).scalars()
            listed = {self._assets / path for path in paths}
        for place in folder.iterdir():
            if place.name.startswith(_STAGING):
                shutil.rmtree(place)
            elif place in listed:
                (place / _UNPUBLISHED).unlink(missing_ok=True)
            elif (place / _UNPUBLISHED).exists() or _run_of(place) == run_id:
                shutil.rmtree(place)

    def _move(self, connection: Connection, pointer: TablePointer, expected: TablePointer | None) -> None:
        one = table_pointers
        here = (one.c.asset == pointer.asset, one.c.batch == pointer.batch)
        row = {
            "asset": pointer.asset,
            "batch": pointer.batch,
            "run_id": pointer.run_id,
            "rows": pointer.rows,
            "data_version": pointer.data_version,
            "path": self._relative(pointer.path),
            "moved_at": pointer.moved_at,
        }
        own = one.c.run_id == pointer.run_id
        seen = own if expected is None else own | (one.c.path == self._relative(expected.path))
        moved = connection.execute(update(one).where(*here, seen).values(row)).rowcount
        if not moved and expected is None:
            moved = insert_new(connection, one, [row])
        if not moved:
            winner = connection.execute(select(one.c.run_id).where(*here)).scalar_one_or_none()
            raise PublishConflict(
                f"While run {pointer.run_id} made {pointer.asset} of batch {pointer.batch!r}, run {winner} "
                f"published it. The table of run {winner} stays current; materialize {pointer.asset} again "
                "to build on it.",
                winner=winner,
            )
        upsert(connection, published_tables, [row])


@dataclass(frozen=True)
class _Publication:
    """What a table must carry so that it can be rewritten: how its data version is made."""

    key: tuple[str, ...]
    volatile: tuple[str, ...]

    @classmethod
    def of(cls, table: pa.Table) -> _Publication:
        said = json.loads(table.schema.metadata[_METADATA])
        return cls(tuple(said["key"]), tuple(said["volatile"]))

    def onto(self, table: pa.Table) -> pa.Table:
        said = json.dumps({"key": self.key, "volatile": self.volatile}).encode()
        return table.replace_schema_metadata({**(table.schema.metadata or {}), _METADATA: said})


def _check_name(what: str, name: str) -> None:
    if _SAFE_NAME.fullmatch(name) is None:
        raise InvalidTable(
            f"{name!r} is no {what}: use letters, digits, _, - and, inside, dots; 120 at most."
        )


def _completed(table: pa.Table, asset: str, *, batch: str, run_id: str, key: Sequence[str]) -> pa.Table:
    missing = [
        name for name in dict.fromkeys(("entry_id", "photo_id", *key)) if name not in table.column_names
    ]
    if missing:
        raise InvalidTable(
            f"The table {asset} has no column {' and no '.join(missing)}; every table needs them."
        )
    for name, value in (("batch", batch), ("run_id", run_id)):
        if name not in table.column_names:
            table = table.append_column(name, pa.repeat(pa.scalar(value), table.num_rows))
        elif table.num_rows and pc.unique(table[name]).to_pylist() != [value]:
            raise InvalidTable(
                f"The table {asset} is published for {name} {value!r} and holds rows of others."
            )
    for name in key:
        if table[name].null_count:
            raise InvalidTable(f"The table {asset} has {table[name].null_count} rows without {name}.")
    counted = table.group_by(list(key)).aggregate([([], "count_all")])
    if counted.num_rows != table.num_rows:
        double = counted.filter(pc.greater(counted["count_all"], 1)).to_pylist()[0]
        shown = ", ".join(f"{name} {double[name]!r}" for name in key)
        raise InvalidTable(f"The table {asset} has {double['count_all']} rows of {shown}; one is right.")
    return table


def _write_table(folder: Path, run_id: str, table: pa.Table, publication: _Publication) -> Path:
    """Write the parts into a hidden folder, prove them, and give it its name."""
    table = publication.onto(table)
    staging = folder / f"{_STAGING}{uuid4().hex}"
    staging.mkdir()
    try:
        for number, start in enumerate(range(0, max(1, table.num_rows), ROWS_A_PART)):
            _write_part(staging / f"part-{number:05d}.parquet", table.slice(start, ROWS_A_PART), publication)
        (staging / _UNPUBLISHED).touch()
        sync_folder(staging)
        # Immutable: a run's first table has its plain name, a further try of the run a number.
        place = next(place for place in _names(folder, run_id) if not place.exists())
        staging.rename(place)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    sync_folder(folder)
    return place


def _write_part(part: Path, rows: pa.Table, publication: _Publication) -> None:
    with part.open("xb") as file:
        pq.write_table(rows, file, compression="zstd")
        file.flush()
        os.fsync(file.fileno())
    written = _concatenated((part,))
    if data_version(written, key=publication.key) != data_version(rows, key=publication.key):
        raise PublishFailed(f"{path_text(part)} reads back other rows than were written: look at its disk.")


def _names(folder: Path, run_id: str) -> Iterator[Path]:
    yield folder / run_id
    number = 2
    while True:
        yield folder / f"{run_id}~{number}"
        number += 1


def _run_of(place: Path) -> str:
    return place.name.partition("~")[0]


def _tables_in(folder: Path) -> Iterable[Path]:
    return (place for place in folder.iterdir() if place.is_dir() and _parts(place))


def _parts(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(folder.glob("part-*.parquet")))


def _read_table(pointer: TablePointer) -> pa.Table:
    parts = pointer.parts
    if not parts:
        raise FileNotFoundError(pointer.path)
    table = _concatenated(parts)
    if table.num_rows != pointer.rows:
        raise DamagedTable(
            f"{pointer.asset} of batch {pointer.batch!r} has {table.num_rows} rows in "
            f"{path_text(pointer.path)} and was published with {pointer.rows}. Materialize it again."
        )
    return table


def _concatenated(parts: Iterable[Path]) -> pa.Table:
    tables = []
    for part in parts:
        # Opened here, not by Arrow: a home may have any name, UTF-8 or not.
        with part.open("rb") as file:
            try:
                tables.append(pq.ParquetFile(file).read())
            except pa.ArrowException as error:
                raise DamagedTable(
                    f"{path_text(part)} is no readable Parquet file: {error}. Materialize its asset again."
                ) from error
    return pa.concat_tables(tables)


def _rows_of(table: pa.Table, wanted: pa.Array) -> pa.ChunkedArray | pa.Array:
    """A mask, one bool a row: does any photo column of the row hold a wanted photo."""
    mask = pa.repeat(pa.scalar(False), table.num_rows)
    for name in table.column_names:
        if _PHOTO_COLUMN.fullmatch(name) is None:
            continue
        column = table[name].combine_chunks()
        if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
            hits = pc.is_in(column.flatten().cast(pa.string()), value_set=wanted)
            rows = pc.list_parent_indices(column).filter(hits)
            mask = pc.or_(mask, pc.is_in(pa.array(range(table.num_rows), rows.type), value_set=rows))
        elif not pa.types.is_null(column.type):
            mask = pc.or_(mask, pc.is_in(column.cast(pa.string()), value_set=wanted))
    return mask
