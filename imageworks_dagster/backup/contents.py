"""Which files a backup holds, and how each is read while others go on writing."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import select

from store.sqlite_copies import is_sqlite
from store.table_files import parts_of
from store.tables import published_tables, table_pointers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO

    from sqlalchemy import Connection

    from store.home import Home
    from store.object_paths import Place

STATE: Final = "state.db"
DUMP: Final = "state.pgdump"
HEAD: Final = "backup.json"
INDEX: Final = "files.json"
ASSETS: Final = "assets"
FOLDERS: Final = (ASSETS, "manifests", "telemetry", "prompts", "reports", "dagster")
REGISTRY: Final = "registry.yaml"

# Of programs at work: locks, logs of SQLite's, and files that are not whole yet.
_PASSING: Final = (".lock", "-wal", "-shm", "-journal", ".publishing", ".tmp")
_STAGING: Final = "_staging"
_CHUNK: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Named:
    """A table that a snapshot of the state database names.

    Attributes:
        path: Folder of its parts, relative to assets.
        rows: How many rows it was published with.
        current: Whether it is its asset's and batch's current one.
    """

    path: str
    rows: int
    current: bool


def named_tables(connection: Connection) -> list[Named]:
    """Every table that the database names, current or not, by path."""
    named: dict[str, Named] = {}
    for table, current in ((published_tables, False), (table_pointers, True)):
        for row in connection.execute(select(table.c.path, table.c.rows)):
            named[row.path] = Named(row.path, row.rows, current)
    return sorted(named.values(), key=lambda one: one.path)


def is_whole(assets: Place, table: Named) -> bool:
    """Whether the table's parts are there and have its rows, by their footers.

    Raises:
        ArtifactsUnreachable: The store of objects that they are in does not answer, or refuses.
    """
    try:
        counts = [_rows(part) for part in parts_of(assets / table.path)]
    except (pa.ArrowException, OSError):
        return False
    return bool(counts) and sum(counts) == table.rows


def _rows(part: Place) -> int:
    with part.open("rb") as file:
        rows: int = pq.read_metadata(file).num_rows
    return rows


def files_beside(home: Home) -> Iterator[tuple[str, Path]]:
    """Name in the archive, and path, of every file that no database names: prompts, registry, manifests, reports."""
    if home.registry.is_file():
        yield REGISTRY, home.registry
    for folder in (home.manifests, home.prompts, home.reports):
        yield from _below(home.root, folder)


def telemetry_files(home: Home) -> Iterator[tuple[str, Path]]:
    """Of telemetry's; the caller holds its compaction's lock."""
    yield from _below(home.root, home.telemetry)


def dagster_files(home: Home) -> Iterator[tuple[str, Path, bool]]:
    """Of Dagster's home, and whether each is a database of SQLite."""
    for name, path in _below(home.root, home.dagster):
        # Dagster removes files of its own while runs go on.
        with contextlib.suppress(FileNotFoundError):
            yield name, path, is_sqlite(path)


def whole_lines(file: IO[bytes]) -> int:
    """The size of a spool file up to its last whole line."""
    size = end = file.seek(0, os.SEEK_END)
    while end > 0:
        start = max(0, end - _CHUNK)
        file.seek(start)
        place = file.read(end - start).rfind(b"\n")
        if place >= 0:
            size = start + place + 1
            break
        end = start
    else:
        size = 0
    file.seek(0)
    return size


def is_of_a_backup(name: str) -> bool:
    """Whether a backup may hold a file of this name."""
    first, slash, _ = name.partition("/")
    return first in FOLDERS if slash else first in {STATE, DUMP, HEAD, INDEX, REGISTRY}


def _below(root: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    for place, folders, files in os.walk(folder, onerror=_unless_gone):
        folders[:] = sorted(one for one in folders if not one.startswith(".") and one != _STAGING)
        for file in sorted(files):
            path = folder.__class__(place) / file
            if not file.startswith(".") and not file.endswith(_PASSING) and path.is_file():
                yield path.relative_to(root).as_posix(), path


def _unless_gone(error: OSError) -> None:
    """What cannot be looked into is no empty folder: a backup without it would look whole."""
    if not isinstance(error, FileNotFoundError):
        raise error
