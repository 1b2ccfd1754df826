"""Discover a batch's folder and identify its photos; a file that has not changed is not read again."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import select

from photos.discovery import FoundFile, discover
from photos.errors import PictureError
from photos.facts import PhotoFacts, read_facts
from photos.identity import file_sha256, photo_id
from store.path_text import path_text
from store.tables import photo_identities
from store.upserting import upsert

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from sqlalchemy import RowMapping

    from imageworks_dagster.progress import StageProgress
    from photos.discovery import Problem
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
    """All that a folder holds: its files, and what could not be looked into."""

    files: tuple[Identified, ...]
    problems: tuple[Problem, ...]


def identify_folder(folder: Path, database: StateDatabase, progress: StageProgress) -> Folder:
    """Discover ``folder`` and identify every file in it.

    Files whose size and modification time are as they were are known from the state database.

    Raises:
        photos.errors.FolderError: the folder holds no photo at all, or cannot be read.
    """
    discovery = discover(folder)
    known = known_files(database, (file.path for file in discovery.found))
    unread = [
        file
        for file in discovery.found
        if not is_as_known(known.get(path_text(file.path)), size=file.size, mtime_ns=file.mtime_ns)
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
            _remember(database, [read[file.relative] for file in chunk])
    files = tuple(
        read.get(file.relative) or _recalled(file, known[path_text(file.path)]) for file in discovery.found
    )
    return Folder(files=files, problems=discovery.problems)


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


def known_files(database: StateDatabase, paths: Iterable[Path]) -> dict[str, RowMapping]:
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


def _recalled(file: FoundFile, row: RowMapping) -> Identified:
    return Identified(file, row["photo_id"], row["file_sha256"], PhotoFacts(**row["facts"]))


def _remember(database: StateDatabase, identified: Sequence[Identified]) -> None:
    # A file that could not be read is looked at again next time: it may have been half copied.
    rows = [
        {
            "path": path_text(one.file.path),
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
