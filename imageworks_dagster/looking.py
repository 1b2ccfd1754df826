"""Run the detectors over a batch's photos; what depends on the picture alone is kept, once a photo and version."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from sqlalchemy import select

from imageworks.judge_vision.seen import AlikePhotos, Seen
from imageworks_dagster.picturing import decoded, keep_thumbnail, thumbnail
from photos.borders import BORDERS_VERSION, Borders, find_borders
from photos.errors import PictureError
from photos.likeness import LIKENESS_VERSION, Likeness, describe, find_alike
from photos.monochrome import MONOCHROME_VERSION, Monochrome, find_monochrome
from photos.provenance import PROVENANCE_VERSION, find_generation
from store.tables import measurements
from store.upserting import insert_new

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imageworks_dagster.picturing import PhotoFile
    from imageworks_dagster.progress import StageProgress
    from store.database import StateDatabase
    from store.home import Home
    from store.settings import Settings

DETECTORS_VERSION = f"{BORDERS_VERSION}.{MONOCHROME_VERSION}.{LIKENESS_VERSION}.{PROVENANCE_VERSION}"
"""As tables have it: another version makes another table, even where it finds the same."""

_KEPT_VERSION = f"looks {BORDERS_VERSION}.{MONOCHROME_VERSION}"
_CHUNK = 500
_WRITE_EVERY = 16

_Looks = tuple[Borders, Monochrome]


def look_at(
    photos: Mapping[str, PhotoFile],
    *,
    home: Home,
    settings: Settings,
    database: StateDatabase,
    progress: StageProgress,
) -> dict[str, Seen]:
    """What the detectors see in each photo, by the key given; nothing of one that cannot be decoded."""
    distinct = {photo.photo_id: photo for photo in photos.values()}
    looks = _known(database, list(distinct))
    fresh = [photo for photo_id, photo in distinct.items() if photo_id not in looks]

    def look(photo: PhotoFile) -> _Looks | None:
        try:
            with decoded(photo.path, settings) as picture:
                keep_thumbnail(home, photo.photo_id, picture)
                return find_borders(picture.pixels), find_monochrome(picture.pixels)
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
            _remember(database, found)
            looks |= found
            progress.tick()
    seen: dict[str, Seen] = {}
    for key, photo in photos.items():
        if photo.photo_id in looks:
            provenance = find_generation(photo.path, max_file_bytes=settings.max_file_bytes)
            seen[key] = Seen(*looks[photo.photo_id], provenance)
    return seen


def look_for_alike(photos: Sequence[PhotoFile], *, home: Home, settings: Settings) -> list[AlikePhotos]:
    """Pairs of different photos that show the same, by their thumbnails; of photos that can be decoded."""
    distinct = sorted({photo.photo_id: photo for photo in photos}.items())

    def of_thumbnail(photo: PhotoFile) -> Likeness:
        encoded = np.frombuffer(thumbnail(home, settings, photo), np.uint8)
        pixels = cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB)
        assert pixels is not None  # noqa: S101 - we encoded it
        return describe(np.asarray(pixels, np.uint8))

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        described = list(pool.map(of_thumbnail, (photo for _, photo in distinct)))
    return [
        AlikePhotos(distinct[alike.first][0], distinct[alike.second][0], alike)
        for alike in find_alike(described)
    ]


def _known(database: StateDatabase, photo_ids: Sequence[str]) -> dict[str, _Looks]:
    known: dict[str, _Looks] = {}
    with database.read() as connection:
        for start in range(0, len(photo_ids), _CHUNK):
            statement = select(measurements.c.photo_id, measurements.c.signals).where(
                measurements.c.version == _KEPT_VERSION,
                measurements.c.photo_id.in_(photo_ids[start : start + _CHUNK]),
            )
            known.update({row.photo_id: _from_json(row.signals) for row in connection.execute(statement)})
    return known


def _remember(database: StateDatabase, found: Mapping[str, _Looks]) -> None:
    rows = [
        {
            "photo_id": photo_id,
            "version": _KEPT_VERSION,
            "signals": {"borders": asdict(borders), "monochrome": asdict(monochrome)},
        }
        for photo_id, (borders, monochrome) in found.items()
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
    )
