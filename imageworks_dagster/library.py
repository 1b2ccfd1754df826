"""A photo library: which of its batches have changed since they were tagged."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from imageworks.personal_tagger.cutting import cut
from imageworks_dagster.pipelines import TAGGER
from imageworks_dagster.tagging.written import as_before_our_writes
from photos.discovery import discover
from store.batches import batches, name_for, register
from store.path_text import path_text, text_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from imageworks.personal_tagger.cutting import Piece
    from imageworks_dagster.opened import OpenStore
    from photos.discovery import FoundFile, Problem
    from store.batches import Batch
    from store.pointers import TablePointer

Due = Literal["new", "changed", "unfinished"]


@dataclass(frozen=True)
class LibraryBatch:
    """A part of a library.

    Attributes:
        folder: Where its photos are, absolute.
        below: Whether those in folders below belong to it.
        photos: How many there are.
        digest: Of what is found there now.
        due: Why it is to be tagged; None if what was tagged is what is there.
        listed_by: The run that listed it last; None before the first.
    """

    folder: Path
    below: bool
    photos: int
    digest: str
    due: Due | None
    listed_by: str | None = None

    def registered(self, store: OpenStore) -> Batch:
        """It, as a batch of the tagger."""
        return register(
            store.database,
            pipeline="tagger",
            name=name_for(store.database, "tagger", self.folder),
            folder=self.folder,
            below=self.below,
        )


@dataclass(frozen=True)
class Library:
    """All of a library, in batches in the order of their folders."""

    batches: tuple[LibraryBatch, ...]
    problems: tuple[Problem, ...]

    @property
    def photos(self) -> int:
        """How many there are."""
        return sum(batch.photos for batch in self.batches)

    @property
    def due(self) -> tuple[LibraryBatch, ...]:
        """The batches that are to be tagged."""
        return tuple(batch for batch in self.batches if batch.due is not None)


def look_through(store: OpenStore, root: Path, *, most: int) -> Library:
    """Find what a library holds, and which of its batches changed since they were tagged. No photo is opened.

    Published batches are never due.

    Args:
        store: What is kept.
        root: The library's folder.
        most: Photos of a new batch at most.

    Raises:
        photos.errors.FolderError: It holds no photo, or cannot be read.
    """
    place = root.resolve()
    discovery = discover(place)
    known = {
        "" if one.folder == place else path_text(one.folder.relative_to(place)): one
        for one in batches(store.database, "tagger")
        if one.folder.is_relative_to(place)
    }
    tables = {(one.asset, one.batch): one for one in store.tables.pointers()}
    files: defaultdict[str, list[FoundFile]] = defaultdict(list)
    # What we wrote into photos makes no batch due.
    for file in as_before_our_writes(store.database, place, discovery.found):
        files[file.relative.rpartition("/")[0]].append(file)
    pieces = cut(
        Counter({folder: len(inside) for folder, inside in files.items()}),
        most=most,
        kept={folder: one.below for folder, one in known.items()},
    )
    digests = _digests(files, pieces)
    parts = []
    for piece in pieces:
        batch, digest = known.get(piece.folder), digests[piece.folder]
        parts.append(
            LibraryBatch(
                folder=place / text_path(piece.folder) if piece.folder else place,
                below=piece.below,
                photos=piece.photos,
                digest=digest,
                due=_due(batch, tables, digest),
                listed_by=batch.listed[0] if batch is not None and batch.listed is not None else None,
            )
        )
    return Library(tuple(parts), discovery.problems)


def listing_digest(found: Iterable[FoundFile], *, inside: str = "") -> str:
    """Digest of files by name below their folder, size and modification time.

    Args:
        found: In the order of their names, as they were before we wrote into them.
        inside: The folder's path within what they were found below, if it is not that.
    """
    digest = hashlib.sha256()
    skipped = len(inside) + 1 if inside else 0
    for file in found:
        digest.update(f"{file.relative[skipped:]}\0{file.size}\0{file.mtime_ns}\n".encode())
    return digest.hexdigest()[:32]


def _digests(files: Mapping[str, list[FoundFile]], pieces: Iterable[Piece]) -> dict[str, str]:
    owners = {piece.folder: piece for piece in pieces}
    owned: defaultdict[str, list[FoundFile]] = defaultdict(list)
    for folder, inside in files.items():
        owned[_owner(folder, owners)] += inside
    return {
        folder: listing_digest(sorted(inside, key=lambda file: file.relative), inside=folder)
        for folder, inside in owned.items()
    }


def _owner(folder: str, owners: Mapping[str, Piece]) -> str:
    """The piece that a folder's photos belong to."""
    above = folder
    while above not in owners or not (owners[above].below or above == folder):
        above = above.rpartition("/")[0]
    return above


def _due(batch: Batch | None, tables: Mapping[tuple[str, str], TablePointer], digest: str) -> Due | None:
    if batch is None or batch.listed is None:
        return "new"
    if batch.state == "published":
        return None
    first, last = (tables.get((TAGGER.stages[place].asset, batch.name)) for place in (0, -1))
    run_id, listed = batch.listed
    if first is None or first.run_id != run_id or listed != digest:
        return "changed"
    return "unfinished" if last is None or last.moved_at < first.moved_at else None
