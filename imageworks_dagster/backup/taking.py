"""Take a backup while runs go on: the state database first, then the immutable files that this state names."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from imageworks_dagster.backup.account import FILES, FORMAT, Head
from imageworks_dagster.backup.contents import (
    ASSETS,
    HEAD,
    INDEX,
    Named,
    dagster_files,
    files_beside,
    is_whole,
    named_tables,
    telemetry_files,
    whole_lines,
)
from imageworks_dagster.backup.databases import snapshot
from imageworks_dagster.errors import BackupFailed
from imageworks_dagster.opened import has_home, which_home
from store.archives import Archive, is_member_name, written_archive
from store.home import Home
from store.locking import locked
from store.object_paths import ObjectPath
from store.path_text import path_text
from store.reading import reading
from store.sqlite_copies import copy_sqlite
from store.table_files import parts_of
from telemetry.spool_reading import spool_files

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from store.settings import Settings

_TRIES: Final = 3
_ENDINGS: Final = (".tar", ".tar.gz", ".tgz", ".tar.zst")
# What grows while a backup is taken, such as spools and reports: a restore takes no more than was foreseen and this.
_SPARE_BYTES: Final = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Taken:
    """A backup that was taken.

    Attributes:
        file: The archive.
        files: How many files are in it.
        size: Their bytes.
        damaged: Tables that the database names and that are not whole in the home either.
    """

    file: Path
    files: int
    size: int
    damaged: tuple[Named, ...]


@dataclass(frozen=True, slots=True)
class Telling:
    """Whom to tell how far it is.

    Attributes:
        copied: Pages of databases copied, and all of them.
        foreseen: Bytes that will go into the archive, about.
        moved: How many more did.
    """

    copied: Callable[[int, int], None]
    foreseen: Callable[[int], None]
    moved: Callable[[int], None]


class _Gone(Exception):
    """A file that the snapshot names was removed since."""


def take_backup(settings: Settings, file: Path, telling: Telling, *, database: bool = True) -> Taken:
    """Write an archive with all that the home keeps.

    Args:
        settings: Of the home.
        file: The archive; what is there is replaced once the new one is whole.
        telling: Told how far it is.
        database: Whether the state database is to be in it.

    Raises:
        BackupFailed: There is no home, or it could not be taken; there is no archive then.
        DatabaseUnreachable: The state database cannot be read, or a database of Dagster's.
        ArtifactsUnreachable: The store of objects that holds the tables does not answer, or refuses.
    """
    home = Home.of(settings)
    if not has_home(settings):
        raise BackupFailed(f"There is nothing to back up. {which_home(settings)}")
    if not file.name.endswith(_ENDINGS):
        raise BackupFailed(
            f"{path_text(file)} does not say how it is to be packed. End its name in .tar, .tar.gz or .tar.zst."
        )
    if file.absolute().is_relative_to(home.root):
        raise BackupFailed(
            f"{path_text(file)} is within the home, and would be lost with it. Name another place."
        )
    try:
        with TemporaryDirectory(prefix=".imageworks-backup-", dir=file.absolute().parent) as scratch:
            for _ in range(_TRIES):
                try:
                    return _take(settings, home, file, Path(scratch), telling, database=database)
                except _Gone:
                    continue
    except OSError as error:
        raise BackupFailed(
            f"The backup {path_text(file)} could not be written: {error.strerror or error} "
            f"({error.filename or file}). Free space, or fix permissions, and take it again."
        ) from error
    raise BackupFailed(
        f"Tables were removed while the backup was taken, {_TRIES} times: photos are being forgotten. "
        "Take it again later."
    )


def _take(
    settings: Settings, home: Home, file: Path, scratch: Path, telling: Telling, *, database: bool
) -> Taken:
    if database:
        with snapshot(settings, home, scratch, telling.copied) as (state, connection):
            tables = named_tables(connection)
    else:
        state = None
        with reading(settings) as connection:
            tables = named_tables(connection)
    damaged = tuple(one for one in tables if not is_whole(home.assets, one))
    if damaged and {one.path for one in damaged} - _paths_named_now(settings):
        raise _Gone
    whole = [one for one in tables if one not in damaged]
    beside = list(files_beside(home))
    bytes_foreseen = _table_bytes(home, whole) + (state.stat().st_size if state else 0)
    bytes_foreseen += sum(_size(path) for _, path in beside)
    bytes_foreseen += sum(_size(path) for path in (*home.telemetry.rglob("*"), *home.dagster.rglob("*")))
    telling.foreseen(bytes_foreseen)
    with written_archive(file.absolute(), telling.moved) as archive:
        _add_said(archive, HEAD, _head(bytes_foreseen, whole, damaged).model_dump_json().encode())
        if state is not None:
            _add(archive, state.name, state)
        _add_tables(archive, home, whole)
        _add_telemetry(archive, home)
        for name, path in beside:
            _add(archive, name, path, may_be_gone=True)
        _add_dagster(archive, home, scratch, telling)
        files = dict(archive.files)
        _add_said(archive, INDEX, FILES.dump_json(files))
    return Taken(file, len(files), sum(size for size, _ in files.values()), damaged)


def _paths_named_now(settings: Settings) -> set[str]:
    with reading(settings) as connection:
        return {one.path for one in named_tables(connection)}


def _head(foreseen: int, whole: Sequence[Named], damaged: Sequence[Named]) -> Head:
    return Head(
        format=FORMAT,
        imageworks=version("imageworks-dagster"),
        taken_at=datetime.now(UTC).isoformat(timespec="seconds"),
        most_bytes=foreseen + foreseen // 4 + _SPARE_BYTES,
        tables=tuple((one.path, one.rows) for one in whole),
        damaged=tuple(one.path for one in damaged),
    )


def _table_bytes(home: Home, tables: Sequence[Named]) -> int:
    """What the parts take; where they are in a store of objects, its listing says so."""
    places = [home.assets / one.path for one in tables]
    return sum(
        sum(one.size for one in place.below())
        if isinstance(place, ObjectPath)
        else sum(part.stat().st_size for part in parts_of(place))
        for place in places
    )


def _add_tables(archive: Archive, home: Home, tables: Sequence[Named]) -> None:
    for table in tables:
        try:
            for part in parts_of(home.assets / table.path):
                name = f"{ASSETS}/{table.path}/{part.name}"
                if isinstance(part, ObjectPath):
                    _add_said(archive, name, part.read_bytes())
                else:
                    _add(archive, name, part)
        except FileNotFoundError as error:
            raise _Gone from error
        if not is_whole(home.assets, table):
            raise _Gone


def _add_telemetry(archive: Archive, home: Home) -> None:
    if not home.telemetry.is_dir():
        # A restored home that nobody has used, of one in which nothing had happened.
        return
    # Compaction moves records from one file to another: none may be missed on the way.
    with locked(home.telemetry_lock):
        spools = set(spool_files(home.spool))
        for name, path in telemetry_files(home):
            _add(archive, name, path, lines=path in spools)


def _add_dagster(archive: Archive, home: Home, scratch: Path, telling: Telling) -> None:
    for name, path, is_database in dagster_files(home):
        if not is_database:
            _add(archive, name, path, may_be_gone=True)
            continue
        copy = scratch / "dagster.db"
        copy.unlink(missing_ok=True)
        copy_sqlite(path, copy, copied=telling.copied)
        _add(archive, name, copy)


def _add(archive: Archive, name: str, path: Path, *, lines: bool = False, may_be_gone: bool = False) -> None:
    if not is_member_name(name):
        raise BackupFailed(
            f"The home holds {name!r}, and nobody could restore a file of that name. Rename it, without control "
            "characters and backslashes, or move it out of the home; then take the backup again."
        )
    try:
        file = path.open("rb")
    except FileNotFoundError:
        if may_be_gone:
            return
        raise
    with file:
        size = whole_lines(file) if lines else file.seek(0, io.SEEK_END)
        file.seek(0)
        archive.add(name, file, size, mtime=os.fstat(file.fileno()).st_mtime)


def _add_said(archive: Archive, name: str, data: bytes) -> None:
    archive.add(name, io.BytesIO(data), len(data))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:
        return 0
