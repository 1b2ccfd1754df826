"""Discover a batch's folder and identify its photos; a file that has not changed is not read again."""

from __future__ import annotations

import os
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import select, update

from photos.discovery import FoundFile, Problem, discover
from photos.errors import PictureError
from photos.facts import PhotoFacts, read_facts
from photos.identity import file_sha256, photo_id
from store.path_text import path_text, text_path
from store.tables import photo_identities
from store.upserting import upsert

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import Connection, RowMapping, Update

    from imageworks_dagster.progress import StageProgress
    from store.database import StateDatabase

T = TypeVar("T")

CHUNK = 500


@dataclass(frozen=True)
class Identified:
    """A file of the batch: what it is, or why that cannot be told."""

    file: FoundFile
    photo_id: str | None
    file_sha256: str | None
    facts: PhotoFacts | None
    error_class: str | None = None
    error_message: str | None = None

    @property
    def entry_columns(self) -> dict[str, Any]:
        """The columns that every table of discovered files has."""
        facts = self.facts
        return {
            "photo_id": self.photo_id,
            "relative_path": self.file.relative,
            "file_name": path_text(self.file.path.name),
            "kind": self.file.kind,
            "file_size": self.file.size,
            "file_sha256": self.file_sha256,
            "format": str(facts.format) if facts else None,
            "width": facts.width if facts else None,
            "height": facts.height if facts else None,
            "color_space": facts.color_space if facts else None,
            "captured_at": facts.captured_at if facts else None,
            "error_class": self.error_class,
            "error_message": self.error_message,
        }


@dataclass(frozen=True)
class Folder:
    """All that a folder holds.

    Attributes:
        files: its files, in the order of their names.
        problems: what could not be looked into.
        moved_from: where a file lay before, by where it lies now below the folder, both as `path_text`.
        gone: how many files were there when it was last looked at, and are no longer.
    """

    files: tuple[Identified, ...]
    problems: tuple[Problem, ...]
    moved_from: Mapping[str, str]
    gone: int


def identify_folder(
    folder: Path, database: StateDatabase, progress: StageProgress, *, below: bool = True
) -> Folder:
    """Discover ``folder`` and identify every file in it.

    Files whose size and modification time are as they were are known from the state database. Those that are gone are
    marked there; a new one with the picture of one that is gone was moved. Those in a folder that cannot be read now,
    or that is empty all at once, as where a disk is not mounted, are not gone: the folder is among the problems.

    Args:
        folder: the batch's.
        database: the state database.
        progress: told of each file.
        below: whether the folders below it belong to the batch.

    Raises:
        photos.errors.FolderError: the folder holds no photo at all, or cannot be read.
    """
    discovery = discover(folder, below=below)
    known = known_files(database, (file.place for file in discovery.found))
    unread = [
        file
        for file in discovery.found
        if not is_as_known(known.get(path_text(file.place)), size=file.size, mtime_ns=file.mtime_ns)
    ]
    progress.expect(len(discovery.found))
    for _ in range(len(discovery.found) - len(unread)):
        progress.advance()
    read: dict[str, Identified] = {}
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for chunk in _chunks(unread):
            for identified in pool.map(_identify, chunk):
                read[identified.file.relative] = identified
                progress.advance(failed=identified.error_class is not None)
            progress.tick()
            remember(database, [read[file.relative] for file in chunk])
    files = tuple(
        read.get(file.relative) or _recalled(file, known[path_text(file.place)]) for file in discovery.found
    )
    there = {path_text(file.place) for file in discovery.found}
    moved_from = earlier_places(database, read.values())
    unreadable = [one.path_text for one in discovery.problems if one.error_class == "unreadable"]
    missing = missing_files(database, folder, there, below=below)
    moved = frozenset(moved_from.values())
    left = [path for path, was_gone in missing.items() if not was_gone and path not in moved]
    empty = [one for one in discovery.empty if any(_lies_in(path, folder, (one,)) for path in left)]
    kept = {path for path in left if _lies_in(path, folder, (*unreadable, *empty))}
    return Folder(
        files=files,
        problems=(*discovery.problems, *map(_emptied, empty)),
        moved_from=moved_from,
        gone=mark_gone(database, missing.keys() - kept, there),
    )


def _lies_in(path: str, folder: Path, places: Iterable[str]) -> bool:
    """Whether a file is one of the places below a folder, or lies in one; all as `path_text`."""
    root = path_text(folder).rstrip("/")
    return any(path == f"{root}/{place}" or path.startswith(f"{root}/{place}/") for place in places)


def _emptied(place: str) -> Problem:
    return Problem(
        place,
        "unreadable",
        "the folder is empty, and held photos when it was last looked at; mount its disk, or remove the folder if "
        "they were taken out; until then they are not counted as gone",
    )


def _identify(file: FoundFile) -> Identified:
    digest = identity = None
    try:
        digest, identity = file_sha256(file.path), photo_id(file.path)
        facts = read_facts(file.path)
    except PictureError as error:
        return Identified(file, identity, digest, None, error.error_class, str(error))
    except OSError as error:
        reason = f"{file.relative} cannot be read: {error.strerror}; check its permissions and the disk"
        return Identified(file, identity, digest, None, "unreadable", reason)
    return Identified(file, identity, digest, facts)


def known_files(database: StateDatabase, paths: Iterable[str | Path]) -> dict[str, RowMapping]:
    """What is remembered of these files, by `path_text`: size, modification time, identity, facts."""
    known: dict[str, RowMapping] = {}
    texts = [path_text(path) for path in paths]
    with database.read() as connection:
        for chunk in _chunks(texts):
            statement = select(photo_identities).where(photo_identities.c.path.in_(chunk))
            known.update({row["path"]: row for row in connection.execute(statement).mappings()})
    return known


def is_as_known(row: RowMapping | None, *, size: int, mtime_ns: int) -> bool:
    """Whether a file with this size and modification time is the one remembered."""
    return row is not None and (row["size"], row["mtime_ns"]) == (size, mtime_ns)


def earlier_places(database: StateDatabase, fresh: Iterable[Identified]) -> dict[str, str]:
    """Where files that are new here lay before, by their path below the folder, both as `path_text`.

    It is another path that held the same picture and at which there is nothing now.
    """
    new = [one for one in fresh if one.photo_id is not None]
    held: defaultdict[str, list[str]] = defaultdict(list)
    with database.read() as connection:
        for chunk in _chunks(sorted({one.photo_id for one in new if one.photo_id is not None})):
            statement = (
                select(photo_identities.c.photo_id, photo_identities.c.path)
                .where(photo_identities.c.photo_id.in_(chunk))
                .order_by(photo_identities.c.seen_at.desc(), photo_identities.c.path)
            )
            for photo_id, path in connection.execute(statement):
                held[photo_id].append(path)
    moved: dict[str, str] = {}
    for one in new:
        here = path_text(one.file.place)
        for path in held[one.photo_id or ""]:
            if path != here and not os.path.lexists(text_path(path)):
                moved[one.file.relative] = path
                break
    return moved


def missing_files(
    database: StateDatabase, folder: Path, there: Collection[str], *, below: bool
) -> dict[str, bool]:
    """The files that were known of a folder and are not found now, as `path_text`; whether they were marked before.

    Args:
        database: the state database.
        folder: the batch's.
        there: what is there, absolute, as `path_text`.
        below: whether the folders below it belong to the batch.
    """
    before = f"{path_text(folder).rstrip('/')}/"
    one = photo_identities.c
    with database.read() as connection:
        within = select(one.path, one.gone_at).where(one.path.startswith(before, autoescape=True))
        return {
            path: gone_at is not None
            for path, gone_at in connection.execute(within)
            # SQLite takes a and A for the same here.
            if path.startswith(before) and (below or "/" not in path[len(before) :]) and path not in there
        }


def mark_gone(database: StateDatabase, missed: Collection[str], there: Collection[str]) -> int:
    """Mark files that are gone, and those that came back; how many are gone.

    Args:
        database: the state database.
        missed: what is gone, as `path_text`.
        there: what is there, likewise.
    """
    one = photo_identities.c
    for paths, marked, gone_at in (
        (sorted(missed), one.gone_at.is_(None), datetime.now(UTC)),
        (sorted(there), one.gone_at.is_not(None), None),
    ):
        for chunk in _chunks(paths):
            with database.read() as connection:
                chosen = select(one.path).where(one.path.in_(chunk), marked)
                to_mark = list(connection.execute(chosen).scalars())
            if to_mark:
                statement = update(photo_identities).where(one.path.in_(to_mark)).values(gone_at=gone_at)
                database.write(partial(_execute, statement))
    return len(missed)


def _execute(statement: Update, connection: Connection) -> None:
    connection.execute(statement)


def _recalled(file: FoundFile, row: RowMapping) -> Identified:
    return Identified(file, row["photo_id"], row["file_sha256"], PhotoFacts(**row["facts"]))


def remember(database: StateDatabase, identified: Sequence[Identified]) -> None:
    """Note what files are, so that those that stay as they are need not be read again; only those with facts."""
    # A file that could not be read is looked at again next time: it may have been half copied.
    rows = [
        {
            "path": path_text(one.file.place),
            "size": one.file.size,
            "mtime_ns": one.file.mtime_ns,
            "photo_id": one.photo_id,
            "file_sha256": one.file_sha256,
            "facts": one.facts.as_dict(),
            "seen_at": datetime.now(UTC),
        }
        for one in identified
        if one.facts is not None
    ]
    if rows:
        database.write(lambda connection: upsert(connection, photo_identities, rows))


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]
