"""What prompts are told about each photo of a batch besides its picture, by the settings, as tagger/photos keeps it.

Kept in the table, so that every stage of a run tells the same, and that what was told can be looked up.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from imageworks.personal_tagger.bursts import Frame, find_bursts, leads
from imageworks.personal_tagger.context import (
    LONGEST_NOTES,
    NOTES,
    PhotoContext,
    capture_words,
    neighbor_words,
    notes_words,
)
from imageworks.personal_tagger.keywords import file_words, folder_words
from imageworks_dagster.comparing import Comparable, alike_among
from imageworks_dagster.stages import canonical
from photos.errors import PictureError
from photos.location import read_location

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from imageworks.personal_tagger.bursts import Burst
    from imageworks_dagster.stages import Row, Stage

_NOTES_BYTES: Final = 8 * LONGEST_NOTES
"""As much of the file as is read: what is told is shorter than that in any script."""


def add_context(stage: Stage, rows: Sequence[Row]) -> None:
    """Put into rows of tagger/photos what is told about them, and which frame's answer each of a burst carries.

    Args:
        stage: the stage; its settings say what is told.
        rows: of photos that can be tagged.
    """
    settings, kinds = stage.settings, stage.settings.tag_context_kinds
    frames = [
        Frame(row["entry_id"], row["relative_path"], row["captured_at"], row["sharpness"]) for row in rows
    ]
    bursts = find_bursts(frames, gap_s=settings.burst_gap_s)
    neighbors = _neighbors(bursts) if "neighbors" in kinds else {}
    carried = _carried(stage, bursts, rows) if settings.share_bursts else {}
    notes = _Notes(stage.batch.folder)
    for row in rows:
        path = stage.path(row)
        told: PhotoContext = {
            "captured": capture_words(row["captured_at"]) if "time" in kinds else "",
            "file_words": list(file_words(row["relative_path"])) if "files" in kinds else [],
            "notes": notes.about(path) if "notes" in kinds else "",
            "place": _place(path) if "places" in kinds else "",
            "neighbors": neighbors.get(row["entry_id"], ""),
        }
        own = {
            "existing_keywords": list(row["existing_keywords"] or ()) if "keywords" in kinds else [],
            "folder_words": list(folder_words(row["relative_path"])) if "folders" in kinds else [],
        }
        row["context"] = canonical({name: said for name, said in {**own, **told}.items() if said})
        row["carries_answer_of"] = carried.get(row["entry_id"])


def _neighbors(bursts: Iterable[Burst]) -> dict[str, str]:
    return {
        frame.entry_id: neighbor_words(number, len(burst.frames), burst.seconds)
        for burst in bursts
        for number, frame in enumerate(burst.frames, 1)
    }


def _carried(stage: Stage, bursts: Iterable[Burst], rows: Iterable[Row]) -> dict[str, str]:
    by_entry = {row["entry_id"]: row for row in rows}
    carried: dict[str, str] = {}
    for burst in bursts:
        carried |= leads(burst, _alike(stage, [by_entry[frame.entry_id] for frame in burst.frames]))
    return carried


def _alike(stage: Stage, rows: Sequence[Row]) -> set[frozenset[str]]:
    """Pairs of entries that show the same: one picture, or two frames of one scene."""
    photos = [stage.photo_file(row) for row in rows]
    found = alike_among(Comparable(photos, home=stage.store.home, settings=stage.settings))
    pictures = {frozenset({pair.first, pair.second}) for pair in found}
    return {
        frozenset({one["entry_id"], other["entry_id"]})
        for number, one in enumerate(rows)
        for other in rows[:number]
        if one["photo_id"] == other["photo_id"] or frozenset({one["photo_id"], other["photo_id"]}) in pictures
    }


def _place(path: Path) -> str:
    # GeoNames' towns take a second to load, and most people do not ask for them.
    from imageworks.personal_tagger.places import place_words  # noqa: PLC0415 - see above

    try:
        location = read_location(path)
    except PictureError:  # the stage has read this file before, and tells of what became of it since
        return ""
    return place_words(*location) if location is not None else ""


class _Notes:
    """The notes of a batch, each file read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, str] = {}

    def about(self, photo: Path) -> str:
        """The notes next to a photo: in its folder, or in the nearest above it, up to the batch's own."""
        for folder in (photo.parent, *photo.parent.parents):
            if folder not in self._read:
                self._read[folder] = notes_words(_text(folder / NOTES))
            if self._read[folder] or folder == self._folder:
                return self._read[folder]
        return ""


def _text(path: Path) -> str:
    """The beginning of a file; empty where there is none, or no plain one.

    A link is not followed: it could lead anywhere, and what it leads to would be told to a model.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ""
    try:
        # A folder, a pipe or a device of that name is no notes.
        plain = stat.S_ISREG(os.fstat(descriptor).st_mode)
        return os.read(descriptor, _NOTES_BYTES).decode("utf-8-sig", "replace") if plain else ""
    finally:
        os.close(descriptor)
