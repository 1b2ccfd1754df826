"""Take back what we wrote into photos: whatever stands in a file, wherever it lies now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageworks.counting import counted
from imageworks_dagster.tagging.written import places_of, record_state, writes_into
from photos.errors import PhotoError
from photos.identity import file_sha256
from photos.metadata.undo import undo

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from imageworks_dagster.picturing import PhotoFile
    from imageworks_dagster.stages import Row
    from imageworks_dagster.tagging.written import RecordedWrite
    from store.database import StateDatabase


def take_back(database: StateDatabase, photo: PhotoFile) -> str | None:
    """Take back every write of ours that stands in a file or in its sidecar, the newest first.

    A write is known by the picture and by the hash that the file had after it: neither changes when the folder is
    moved, renamed or handled as another batch. A sidecar that we made goes again.

    Returns:
        The id of the last write that was taken back; None when no write of ours stands in the file.

    Raises:
        photos.errors.PhotoError: a write of ours is in the file and cannot be taken back, such as after somebody
            edited the file; the message says why.
        OSError: the file's folder cannot be read.
    """
    writes = writes_into(database, photo.photo_id)
    if not writes:
        return None
    path = photo.path.resolve()
    taken = [
        _take_back_from(database, place, [write for write in writes if write.is_beside == (place != path)])
        for place in places_of(path)
    ]
    return next(filter(None, taken), None)


def _take_back_from(database: StateDatabase, place: Path, left: list[RecordedWrite]) -> str | None:
    if not left:
        return None
    digest, taken = file_sha256(place), None
    while (write := _last_write(left, place, digest)) is not None:
        left.remove(write)
        digest, taken = undo(place, write.undo).sha256, write.write_id
        if not _stands_elsewhere(write, place):
            record_state(database, write.write_id, "undone")
        if not place.exists():
            return taken
    edited = next((write for write in left if _was_into(place, digest, write)), None)
    if taken is None and edited is not None:
        undo(place, edited.undo)  # refuses, unless somebody has put the old file back
        record_state(database, edited.write_id, "undone")
        return edited.write_id
    return taken


def undo_words(rows: Iterable[Row]) -> str:
    """What an undo came to, in words, from the rows of tagger/metadata."""
    states = [row["state"] for row in rows]
    undone, refused = states.count("undone"), states.count("refused")
    if not undone and not refused:
        return (
            f"Nothing was taken back: {counted(len(states), 'photo')} looked at, and no write that this home has "
            "recorded stands in any."
        )
    left = f" {counted(refused, 'photo')} left alone: the report says why." if refused else ""
    return f"Taken back in {counted(undone, 'photo')}, byte for byte.{left}"


def _last_write(writes: Sequence[RecordedWrite], place: Path, digest: str) -> RecordedWrite | None:
    """The write that made the file what it is now; of several, the file's own, then one that was not taken back."""
    made_it = [write for write in writes if write.after_sha256 == digest]
    return min(made_it, key=lambda write: (write.path != place, write.state == "undone"), default=None)


def _stands_elsewhere(write: RecordedWrite, place: Path) -> bool:
    """Whether the file that was written still holds the write, and the one at ``place`` is a copy of it."""
    if write.path == place or not write.path.exists():
        return False
    try:
        return file_sha256(write.path) == write.after_sha256
    except PhotoError:  # what cannot be read cannot be taken back either
        return False


def _was_into(place: Path, digest: str, write: RecordedWrite) -> bool:
    """Whether a write that is not what made the file may be in it: the file lay here then, or was moved and edited."""
    if write.state == "undone":
        return False
    if write.path == place:
        return True
    # Beside a photo there may be a sidecar that another program made, under another name.
    moved = not write.path.exists() and (not write.is_beside or write.path.name == place.name)
    return moved and digest != write.before_sha256
