"""Tables of assets: written in parts, published whole, read whole."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import delete, select, update

from store.data_version import data_version
from store.errors import DamagedTable, InvalidTable, MissingTable, PublishFailed
from store.folder_shelf import FolderShelf
from store.object_paths import ObjectPath
from store.object_shelf import ObjectShelf
from store.pointers import TablePointer, current_pointers, move_pointer, published_pointer, stored_path
from store.table_files import (
    Publication,
    parts_of,
    place_text,
    read_parts,
    run_of,
)
from store.table_rows import completed, rows_of_photos
from store.tables import published_tables, table_pointers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection

    from store.database import StateDatabase
    from store.home import Home
    from store.object_paths import Place

_ASSET = re.compile(r"[a-z0-9_]{1,64}(?:/[a-z0-9_]{1,64})*")
_SAFE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,119}")


class Unmention(Protocol):
    """Takes what is said of forgotten photos out of the rows of others."""

    def __call__(self, asset: str, others: pa.Table, forgotten: pa.Table, /) -> pa.Table:
        """The others without it: fewer rows, or other values. The same object where nothing was said."""


@dataclass(frozen=True)
class RemovedTable:
    """A table that could not be read when photos were forgotten, and was removed because it may have held them.

    Attributes:
        asset: Asset key.
        batch: The batch's name.
        run_id: The run that made it.
        was_current: Whether it was its asset's current one.
    """

    asset: str
    batch: str
    run_id: str
    was_current: bool


@dataclass(frozen=True)
class ForgottenRows:
    """What forgetting photos took from the tables.

    Attributes:
        count: Rows that were removed.
        unreadable: Tables that were removed whole.
        unfinished: Uploads to a store of objects that may be under way, and were not looked at.
    """

    count: int
    unreadable: tuple[RemovedTable, ...]
    unfinished: int = 0


class Shelf(Protocol):
    """Where tables are put: `store.folder_shelf` or `store.object_shelf`, each with places of its own kind."""

    @property
    def unfinished(self) -> int:
        """Tables that may be under way, and were not told."""

    def written(
        self, below: str, run_id: str, table: pa.Table, publication: Publication
    ) -> AbstractContextManager[Place]:
        """Write a table and have the body publish it."""

    def tables(self) -> Iterator[Any]:
        """Every table."""

    def rewrite(self, place: Any, table: pa.Table, publication: Publication) -> Place:
        """Write other rows of a table beside it."""

    def mark_published(self, place: Any) -> None:
        """Tell a table that the database points at from a dead try."""

    def remove(self, place: Any) -> None:
        """Remove a table."""


class TableStore:
    """Publishes and reads the tables of assets.

    A table is a folder of immutable Parquet files; the database says which is current. A reader sees one
    run's whole table or another's, never a mix.
    """

    def __init__(self, home: Home, database: StateDatabase) -> None:
        self._assets = home.assets
        self._database = database
        self._shelf: Shelf = (
            ObjectShelf(self._assets, self._listed)
            if isinstance(self._assets, ObjectPath)
            else FolderShelf(self._assets, self._listed)
        )

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
        beside: Callable[[Connection], object] = lambda _: None,
    ) -> TablePointer:
        """Write `table` and make it the current one of its asset and batch.

        Parts of at most 2,000 rows are written beside their place, synced and read back; the folder is
        renamed; then the pointer moves if it still is where the caller saw it. In a store of objects they are
        uploaded under a name of their own and read back, and the pointer alone publishes them. A step that is
        tried again in the same run publishes over its own earlier try.

        Args:
            asset: Asset key, such as `judge/critiques`.
            batch: The batch's name.
            run_id: The run that made the rows.
            table: With `entry_id` and `photo_id`; `batch` and `run_id` are added when missing.
            volatile: Columns that do not enter the data version, such as times.
            expected: What `current` said before the rows were made; None when there was no table.
            key: Columns that together name a row.
            beside: Called in the transaction that moves the pointer, first; what it raises leaves everything as it was.

        Returns:
            The new pointer, once it is committed.

        Raises:
            InvalidTable: A column is missing, or `key` is null or double somewhere.
            PublishConflict: Another run published in between; its table stays current.
            PublishFailed: It could not be written; the current table stays.
            ArtifactsUnreachable: The store of objects does not answer, or refuses; the current table stays.
            DatabaseError: The pointer could not be moved; the current table stays.
        """
        below = _below(asset, batch)
        _check_name("run id", run_id)
        table = completed(table, asset, batch=batch, run_id=run_id, key=key)
        version = data_version(table, volatile=volatile, key=key)
        publication = Publication(tuple(key), tuple(sorted(volatile)))
        try:
            with self._shelf.written(below, run_id, table, publication) as place:
                pointer = TablePointer(
                    asset, batch, run_id, table.num_rows, version, place, datetime.now(UTC)
                )
                self._database.write(partial(self._move, pointer, expected, beside))
        except OSError as error:
            raise PublishFailed(
                f"The table {asset} of batch {batch!r} could not be written: {error.strerror or error}. "
                "Free space or fix permissions in the home folder, then materialize it again; "
                "what was published before is still current."
            ) from error
        return pointer

    def _move(
        self,
        pointer: TablePointer,
        expected: TablePointer | None,
        beside: Callable[[Connection], object],
        connection: Connection,
    ) -> None:
        beside(connection)
        move_pointer(connection, self._assets, pointer, expected)

    def current(self, asset: str, batch: str) -> TablePointer | None:
        """The pointer to the current table, or None when none was published."""
        with self._database.read() as connection:
            found = current_pointers(connection, self._assets, asset=asset, batch=batch)
        return found[0] if found else None

    def pointers(self, asset: str | None = None, *, batch: str | None = None) -> tuple[TablePointer, ...]:
        """The pointers to all current tables, or to those of one asset or batch, by asset and batch."""
        with self._database.read() as connection:
            return current_pointers(connection, self._assets, asset=asset, batch=batch)

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
            except DamagedTable:
                # Forgetting photos rewrites a table elsewhere and removes the old one, a part after the other.
                moved = self._find(asset, batch, run_id)
                if moved.path == pointer.path:
                    raise
                pointer = moved

    def forget(self, photo_ids: Collection[str], *, unmention: Unmention | None = None) -> ForgottenRows:
        """Rewrite every table, current or older, without the rows of these photos.

        A row is of a photo when `photo_id`, or a column named like `photo_id_b`, `winner_photo_id` or
        `photo_ids` (a list), holds it. A table that cannot be read may hold any photo, and nobody can use it:
        it is removed.

        Args:
            photo_ids: Photos to forget.
            unmention: Takes what the rows of other photos say of these out of them.

        Returns:
            What was removed.

        Raises:
            PublishFailed: A table could not be rewritten; doing it again goes on from there.
            ArtifactsUnreachable: The store of objects does not answer, or refuses; as above.
        """
        wanted = pa.array(sorted(set(photo_ids)), pa.string())
        if not len(wanted):
            return ForgottenRows(0, ())
        count = 0
        unreadable = []
        try:
            for place in self._shelf.tables():
                try:
                    count += self._forget_in(place, wanted, unmention)
                except DamagedTable:
                    unreadable.append(self._remove(place))
        except OSError as error:
            raise PublishFailed(
                f"A table could not be rewritten: {error.strerror or error} ({error.filename}). "
                "Free space or fix permissions in the home folder, then forget the photos again."
            ) from error
        return ForgottenRows(count, tuple(unreadable), self._shelf.unfinished)

    def _forget_in(self, place: Place, wanted: pa.Array, unmention: Unmention | None) -> int:
        table = read_parts(parts_of(place))
        of_photos = rows_of_photos(table, wanted)
        others = table.filter(pc.invert(of_photos))
        kept = others
        if unmention is not None:
            asset = stored_path(self._assets, place.parent.parent)
            kept = unmention(asset, others, table.filter(of_photos))
        gone: int = table.num_rows - kept.num_rows
        if not gone and kept is others:
            return 0
        publication = Publication.of(table)
        new = self._shelf.rewrite(place, kept, publication)
        old_path = stored_path(self._assets, place)
        values = {
            "path": stored_path(self._assets, new),
            "data_version": data_version(kept, volatile=publication.volatile, key=publication.key),
        }

        def work(connection: Connection) -> None:
            for one in (table_pointers, published_tables):
                # Counted from what was published: a part that was lost before must stay missing.
                rewritten = update(one).where(one.c.path == old_path).values(rows=one.c.rows - gone, **values)
                connection.execute(rewritten)

        self._database.write(work)
        self._shelf.mark_published(new)
        self._shelf.remove(place)
        return gone

    def _remove(self, place: Place) -> RemovedTable:
        path = stored_path(self._assets, place)

        def work(connection: Connection) -> bool:
            connection.execute(delete(published_tables).where(published_tables.c.path == path))
            current = connection.execute(delete(table_pointers).where(table_pointers.c.path == path))
            return bool(current.rowcount)

        was_current = self._database.write(work)
        self._shelf.remove(place)
        folder = place.parent
        return RemovedTable(stored_path(self._assets, folder.parent), folder.name, run_of(place), was_current)

    def _find(self, asset: str, batch: str, run_id: str | None) -> TablePointer:
        if run_id is None:
            pointer = self.current(asset, batch)
        else:
            with self._database.read() as connection:
                pointer = published_pointer(connection, self._assets, asset=asset, batch=batch, run_id=run_id)
        if pointer is None:
            of_run = f" by run {run_id}" if run_id is not None else ""
            raise MissingTable(
                f"There is no table {asset} of batch {batch!r}{of_run}. Materialize {asset} for the "
                f"partition {batch!r} first."
            )
        return pointer

    def _listed(self, below: str) -> set[str]:
        """The paths of the tables that the database names below a path, or of all."""
        query = select(published_tables.c.path)
        if below:
            query = query.where(published_tables.c.path.startswith(f"{below}/", autoescape=True))
        with self._database.read() as connection:
            return set(connection.execute(query).scalars())


def _below(asset: str, batch: str) -> str:
    if _ASSET.fullmatch(asset) is None:
        raise InvalidTable(f"{asset!r} is no asset key: use words of a-z, 0-9 and _ with / between.")
    _check_name("batch", batch)
    return f"{asset}/{batch}"


def _check_name(what: str, name: str) -> None:
    if _SAFE_NAME.fullmatch(name) is None:
        raise InvalidTable(
            f"{name!r} is no {what}: use letters, digits, _, - and, inside, dots; 120 at most."
        )


def _read_table(pointer: TablePointer) -> pa.Table:
    try:
        parts = pointer.parts
        table = read_parts(parts) if parts else None
    except FileNotFoundError:
        table = None
    if table is None:
        raise DamagedTable(
            f"Files of {pointer.asset} of batch {pointer.batch!r} are gone from {place_text(pointer.path)}. "
            f"Materialize {pointer.asset} for it again."
        )
    if table.num_rows != pointer.rows:
        raise DamagedTable(
            f"{pointer.asset} of batch {pointer.batch!r} has {table.num_rows} rows in "
            f"{place_text(pointer.path)} and was published with {pointer.rows}. Materialize it again."
        )
    return table
