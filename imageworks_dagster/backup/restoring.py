"""Make a home of a backup: unpacked beside its place, held to what it says of itself, and then moved there at once."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from imageworks_dagster.backup.account import FILES, Head
from imageworks_dagster.backup.contents import (
    ASSETS,
    DUMP,
    HEAD,
    INDEX,
    STATE,
    Named,
    is_of_a_backup,
    is_whole,
    named_tables,
)
from imageworks_dagster.backup.databases import reading_copy
from imageworks_dagster.errors import BackupRefused
from store.archives import unpack
from store.batches import Batch, batches_in
from store.errors import DatabaseOlder
from store.home import Home
from store.migrating import check_revision
from store.object_paths import ObjectPath
from store.path_text import path_text
from store.publishing import make_folder, publish_file, sync_folder
from store.sqlite_copies import check_sqlite

if TYPE_CHECKING:
    from collections.abc import Callable

    from store.object_paths import Place

_FREE: Final = 64 * 1024 * 1024
"""Bytes of the disk that a restore leaves."""

_LARGEST_INDEX: Final = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Restored:
    """A home that was made.

    Attributes:
        home: The home.
        files: How many files it got.
        tables: How many tables its database names, all of them whole.
        batches: What is known in it; none where its database is a dump of PostgreSQL's.
        dump: That dump, if there is one.
    """

    home: Home
    files: int
    tables: int
    batches: tuple[Batch, ...]
    dump: Path | None

    @property
    def without_folder(self) -> tuple[Batch, ...]:
        """Batches whose photos are not here, where the home is now."""
        return tuple(one for one in self.batches if not one.has_folder)


def restore(
    file: Path, place: Path, moved: Callable[[int], None], *, artifacts_url: str | None = None
) -> Restored:
    """Make a home of a backup.

    Args:
        file: The archive.
        place: The new home; not there yet, or an empty folder.
        moved: Told how many more bytes of the archive were read.
        artifacts_url: Where the home's tables are to be, if not in the home. What is there stays as it is.

    Raises:
        BackupRefused: It is no backup of this program's, or not whole, or `place` holds something; or another table
            is where one of its tables was.
        ArtifactsUnreachable: The store of objects for the tables does not answer, or refuses.
        ArchiveRefused: It holds what no backup holds.
        DatabaseNewer: A later version of this program took it.
        DatabaseUnreachable: Its database is damaged.
    """
    place = place.expanduser().absolute()
    _check_free(place)
    try:
        make_folder(place.parent)
        staged = Path(mkdtemp(prefix=f".{place.name}.restoring-", dir=place.parent))
    except OSError as error:
        raise _unwritable(place, error) from error
    try:
        files = unpack(file, staged, allowed=is_of_a_backup, room=_Room(file), moved=moved)
        restored = _held_to_its_word(file, staged, files)
        for name in (HEAD, INDEX):
            (staged / name).unlink()
        # It may name code that Dagster would run: the next start writes ours.
        (staged / "dagster" / "dagster.yaml").unlink(missing_ok=True)
        home = Home(place, artifacts_url)
        if artifacts_url is not None:
            _move_out(file, staged / ASSETS, home.assets)
        # Over an empty folder this is one step; over one that was filled meanwhile it fails.
        staged.rename(place)
        sync_folder(place.parent)
    except OSError as error:
        shutil.rmtree(staged, ignore_errors=True)
        raise _unwritable(place, error) from error
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise
    dump = home.root / DUMP if restored.dump else None
    return Restored(home, len(files) - 2, restored.tables, restored.batches, dump)


class _Room:
    """How many bytes may come: as many as the backup's first file says, and as the disk has."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._first = True

    def __call__(self, written: Path) -> int:
        free = max(0, shutil.disk_usage(written.parent).free - _FREE)
        if written.name != HEAD:
            return free
        most = _head(self._file, written).most_bytes
        if most > free:
            raise BackupRefused(
                f"{path_text(self._file)} needs up to {most} bytes, and {free} are free. Restore it on a larger disk."
            )
        return most


def _check_free(place: Path) -> None:
    try:
        holds = place.exists() and (not place.is_dir() or any(place.iterdir()))
    except OSError as error:
        raise _unwritable(place, error) from error
    if holds or place.is_symlink():
        raise BackupRefused(
            f"{path_text(place)} holds something. Name a folder that is new or empty with --home."
        )


def _head(file: Path, path: Path) -> Head:
    try:
        return Head.model_validate_json(_said(file, path))
    except ValidationError as error:
        raise BackupRefused(
            f"{path_text(file)} is no backup that this version reads: {_first(error)}."
        ) from error


def _index(file: Path, path: Path) -> dict[str, tuple[int, str]]:
    try:
        return FILES.validate_json(_said(file, path))
    except ValidationError as error:
        raise BackupRefused(f"{path_text(file)} has no list of its files: {_first(error)}.") from error


def _said(file: Path, path: Path) -> bytes:
    try:
        if path.stat().st_size <= _LARGEST_INDEX:
            return path.read_bytes()
    except FileNotFoundError as error:
        raise BackupRefused(
            f"{path_text(file)} has no {path.name}: it is no backup, or it is cut off."
        ) from error
    raise BackupRefused(f"{path_text(file)} has a {path.name} that is too large for one of ours.")


def _first(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, found['loc']))}: {found['msg']}"[:200]


def _held_to_its_word(file: Path, staged: Path, files: dict[str, tuple[int, str]]) -> Restored:
    """Hold each file to its digest, and what the database names to what is there."""
    head = _head(file, staged / HEAD)
    said = _index(file, staged / INDEX)
    there = {name: facts for name, facts in files.items() if name != INDEX}
    if said != there:
        wrong = sorted(name for name in said.keys() | there.keys() if said.get(name) != there.get(name))
        raise BackupRefused(
            f"{path_text(file)} is not what was written: {len(wrong)} files are missing or changed, such as "
            f"{wrong[0]!r}."
        )
    home = Home(staged)
    if STATE not in files:
        tables = [Named(path, rows, current=True) for path, rows in head.tables]
        _check_inside(file, tables)
        _check_whole(file, home, tables)
        return Restored(home, 0, len(tables), (), staged / DUMP if DUMP in files else None)
    check_sqlite(home.state_db)
    try:
        with reading_copy(home.state_db) as connection:
            try:
                check_revision(connection)
            except DatabaseOlder:
                # It is brought up to date when it is used; its own tables may lack what is asked for here.
                tables = [Named(path, rows, current=True) for path, rows in head.tables]
                _check_inside(file, tables)
                _check_whole(file, home, tables)
                return Restored(home, 0, len(head.tables), (), None)
            named = named_tables(connection)
            known = batches_in(connection)
    except (SQLAlchemyError, ValueError) as error:
        raise BackupRefused(
            f"{path_text(file)} has a state database that cannot be read: {error}."
        ) from error
    _check_inside(file, named)
    tables = [one for one in named if one.path not in head.damaged]
    _check_whole(file, home, tables)
    return Restored(home, 0, len(tables), known, None)


def _check_inside(file: Path, tables: list[Named]) -> None:
    for one in tables:
        if one.path.startswith("/") or ".." in one.path.split("/"):
            raise BackupRefused(f"{path_text(file)} names a table outside of its home: {one.path[:80]!r}.")


def _check_whole(file: Path, home: Home, tables: list[Named]) -> None:
    missing = [one.path for one in tables if not is_whole(home.assets, one)]
    if missing:
        raise BackupRefused(
            f"{path_text(file)} lacks {len(missing)} tables that its database names, such as {missing[0]}."
        )


def _move_out(file: Path, tables: Path, assets: Place) -> None:
    """Put the tables where the home has them, and keep no copy that nobody would forget photos in."""
    for part in sorted(tables.rglob("part-*.parquet")):
        place = assets
        for step in part.relative_to(tables).parts:
            place = place / step
        content = part.read_bytes()
        try:
            there = place.read_bytes()
        except FileNotFoundError:
            if isinstance(place, ObjectPath):
                place.write(content)
            else:
                publish_file(place, content)
            there = place.read_bytes()
        if there != content:
            raise BackupRefused(
                f"{place} holds another table than {path_text(file)}. Name an empty place in "
                "IMAGEWORKS_ARTIFACTS_URL, or none, to restore into the home alone."
            )
    shutil.rmtree(tables, ignore_errors=True)
    tables.mkdir(exist_ok=True)


def _unwritable(place: Path, error: OSError) -> BackupRefused:
    return BackupRefused(
        f"The home {path_text(place)} could not be made: {error.strerror or error} ({error.filename or place}). "
        "Free space, or fix permissions, and restore again; nothing was left there."
    )
