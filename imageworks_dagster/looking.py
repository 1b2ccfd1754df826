"""Run the detectors over a batch's photos; what depends on the picture alone is kept, once a photo and version.

The picture is decoded once: its signals are measured and kept in passing, so that judge/signals need not.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from imageworks.judge_vision.seen import Seen
from imageworks_dagster.generation import find_generations
from imageworks_dagster.measuring import Measured, remember_signals
from imageworks_dagster.picturing import decoded, keep_thumbnail
from photos.borders import BORDERS_VERSION, Borders, find_borders
from photos.errors import PictureError, ReaderFailed
from photos.likeness import LIKENESS_VERSION
from photos.monochrome import MONOCHROME_VERSION, Monochrome, find_monochrome
from photos.overlay_text import (
    NO_TEXT,
    OVERLAY_TEXT_VERSION,
    OverlayText,
    find_text,
    installed_tesseract,
)
from photos.provenance import PROVENANCE_VERSION
from photos.signals import measure
from store.tables import measurements
from store.upserting import insert_new

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from imageworks_dagster.picturing import PhotoFile
    from imageworks_dagster.progress import StageProgress
    from store.database import StateDatabase
    from store.home import Home
    from store.settings import Settings

DETECTORS_VERSION = (
    f"{BORDERS_VERSION}.{MONOCHROME_VERSION}.{LIKENESS_VERSION}.{PROVENANCE_VERSION}.{OVERLAY_TEXT_VERSION}"
)
"""As tables have it: another version makes another table, even where it finds the same."""

_CHUNK = 500
_WRITE_EVERY = 16

_Looks = tuple[Borders, Monochrome, OverlayText]


def _kept_version(tesseract: Path | None) -> str:
    """Of what is kept: a program that reads finds more."""
    reader = "shapes" if tesseract is None else "tesseract"
    return f"looks {BORDERS_VERSION}.{MONOCHROME_VERSION}.{OVERLAY_TEXT_VERSION} {reader}"


def look_at(
    photos: Mapping[str, PhotoFile],
    digests: Mapping[str, str],
    *,
    home: Home,
    settings: Settings,
    database: StateDatabase,
    progress: StageProgress,
) -> dict[str, Seen]:
    """What the detectors see in each photo, by the key given; nothing of one that cannot be decoded.

    ``digests`` are those of the files' bytes, by the same keys: what depends on the metadata is kept by them.

    Where tesseract fails, `Seen.text_unknown` says why. Nothing is kept of that: another run looks again.
    """
    tesseract = installed_tesseract()
    version = _kept_version(tesseract)
    distinct = {photo.photo_id: photo for photo in photos.values()}
    looks = _known(database, list(distinct), version)
    fresh = [photo for photo_id, photo in distinct.items() if photo_id not in looks]
    progress.begin_again(len(distinct))
    for _ in range(len(distinct) - len(fresh)):
        progress.advance()

    unknown: dict[str, str] = {}

    def look(photo: PhotoFile) -> tuple[_Looks, Measured] | None:
        try:
            with decoded(photo.path, settings) as picture:
                keep_thumbnail(home, photo.photo_id, picture)
                signals = measure(picture.pixels).as_dict()
                borders, monochrome = find_borders(picture.pixels), find_monochrome(picture.pixels)
                try:
                    text = find_text(picture.pixels, tesseract=tesseract)
                except ReaderFailed as error:
                    text, unknown[photo.photo_id] = NO_TEXT, str(error)
                return (borders, monochrome, text), Measured(photo.photo_id, signals)
        except PictureError:
            # judge/signals decodes it too, and says there why it cannot be.
            return None

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for start in range(0, len(fresh), _WRITE_EVERY):
            some = fresh[start : start + _WRITE_EVERY]
            found = {
                photo.photo_id: seen
                for photo, seen in zip(some, pool.map(look, some), strict=True)
                if seen is not None
            }
            whole = {photo_id: seen for photo_id, (seen, _) in found.items() if photo_id not in unknown}
            _remember(database, whole, version)
            remember_signals(database, [measured for _, measured in found.values()])
            looks |= {photo_id: seen for photo_id, (seen, _) in found.items()}
            for _ in some:
                progress.advance()
            progress.tick()
    opened = {key: photo for key, photo in photos.items() if photo.photo_id in looks}
    generations = find_generations(opened, digests, settings=settings, database=database)
    seen: dict[str, Seen] = {}
    for key, photo in opened.items():
        borders, monochrome, text = looks[photo.photo_id]
        seen[key] = Seen(borders, monochrome, generations[key], text, unknown.get(photo.photo_id, ""))
    return seen


def _known(database: StateDatabase, photo_ids: Sequence[str], version: str) -> dict[str, _Looks]:
    known: dict[str, _Looks] = {}
    with database.read() as connection:
        for start in range(0, len(photo_ids), _CHUNK):
            statement = select(measurements.c.photo_id, measurements.c.signals).where(
                measurements.c.version == version,
                measurements.c.photo_id.in_(photo_ids[start : start + _CHUNK]),
            )
            known.update({row.photo_id: _from_json(row.signals) for row in connection.execute(statement)})
    return known


def _remember(database: StateDatabase, found: Mapping[str, _Looks], version: str) -> None:
    rows = [
        {
            "photo_id": photo_id,
            "version": version,
            "signals": {"borders": asdict(borders), "monochrome": asdict(monochrome), "text": asdict(text)},
        }
        for photo_id, (borders, monochrome, text) in found.items()
    ]
    if rows:
        database.write(lambda connection: insert_new(connection, measurements, rows))


def _from_json(kept: Mapping[str, Any]) -> _Looks:
    borders = dict(kept["borders"])
    top, right, bottom, left = borders.pop("widths")
    color = borders.pop("color")
    return (
        Borders(**borders, widths=(top, right, bottom, left), color=tuple(color) if color else None),
        Monochrome(**kept["monochrome"]),
        OverlayText(**{**kept["text"], "box": tuple(kept["text"]["box"]) if kept["text"]["box"] else None}),
    )
