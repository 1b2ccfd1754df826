"""Other files that hold the same picture, and what takes back the tags that stand in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from imageworks_dagster.tagging.written import places_of, writes_into
from photos.errors import PictureError
from photos.identity import file_sha256, photo_id
from store.path_text import text_path
from store.tables import metadata_writes, photo_identities

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from imageworks_dagster.tagging.written import RecordedWrite
    from store.database import StateDatabase

CHUNK = 500


def files_with(database: StateDatabase, ids: Collection[str], *, outside: Path) -> dict[Path, str]:
    """Known files outside a path that are there and hold one of these pictures, with the picture's id.

    A file that cannot be read counts as one: it may hold the picture still.
    """
    place = outside.resolve()
    return {
        file: identity
        for file, identity in known_files(database, sorted(ids))
        if not file.is_relative_to(place) and file.exists() and _may_hold(file, identity)
    }


def known_files(database: StateDatabase, ids: Sequence[str]) -> Iterator[tuple[Path, str]]:
    """Files that held these pictures when they were seen or written into, some twice, with the picture's id."""
    for start in range(0, len(ids), CHUNK):
        some = ids[start : start + CHUNK]
        for table in (photo_identities, metadata_writes):
            query = select(table.c.path, table.c.photo_id).where(table.c.photo_id.in_(some))
            with database.read() as connection:
                rows = connection.execute(query).all()
            yield from ((text_path(path), identity) for path, identity in rows)


def undo_to_keep(database: StateDatabase, files: Mapping[Path, str]) -> dict[Path, frozenset[str]]:
    """By file in which, or in whose sidecar, a write of ours stands, the ids of those that take all back."""
    kept = {
        file: frozenset(
            write for place in places_of(file) for write in _standing(place, writes_into(database, identity))
        )
        for file, identity in files.items()
    }
    return {file: writes for file, writes in kept.items() if writes}


def _may_hold(file: Path, identity: str) -> bool:
    try:
        return photo_id(file) == identity
    except PictureError:
        return True


def _standing(file: Path, newest_first: list[RecordedWrite]) -> Iterator[str]:
    """The file's own writes, and those of a file that it is a copy of, back to the first."""
    try:
        digest = file_sha256(file)
    except PictureError:
        digest = ""
    for write in newest_first:
        made_it = write.after_sha256 == digest
        if made_it:
            digest = write.before_sha256
        if made_it or (write.path == file and write.state != "undone"):
            yield write.write_id
