"""Measure the signals of a batch's photos, once a photo and version of the measurements."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from imageworks_dagster.picturing import decoded, keep_thumbnail
from photos import signals
from photos.errors import PictureError
from store.tables import measurements
from store.upserting import insert_new

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imageworks_dagster.picturing import PhotoFile
    from imageworks_dagster.progress import StageProgress
    from store.database import StateDatabase
    from store.home import Home
    from store.settings import Settings

SIGNALS_VERSION = str(signals.SIGNALS_VERSION)
"""As tables and the state database have it."""

CHUNK = 500
WRITE_EVERY = 16


@dataclass(frozen=True)
class Measured:
    """A photo's signals by name, or why they could not be measured."""

    photo_id: str
    signals: dict[str, float] | None
    error_class: str | None = None
    error_message: str | None = None


def measure_photos(
    photos: Sequence[PhotoFile],
    *,
    home: Home,
    settings: Settings,
    database: StateDatabase,
    progress: StageProgress,
) -> dict[str, Measured]:
    """Signals of every photo, by photo id; those measured before are known from the state database.

    A photo's thumbnail is made in passing, while its picture is decoded.
    """
    distinct = list({photo.photo_id: photo for photo in photos}.values())
    measured = _known(database, distinct)
    unmeasured = [photo for photo in distinct if photo.photo_id not in measured]
    progress.begin_again(len(distinct))
    for _ in measured:
        progress.advance()

    def measure_one(photo: PhotoFile) -> Measured:
        try:
            with decoded(photo.path, settings) as picture:
                keep_thumbnail(home, photo.photo_id, picture)
                return Measured(photo.photo_id, signals.measure(picture.pixels).as_dict())
        except PictureError as error:
            return Measured(photo.photo_id, None, error.error_class, str(error))

    # OpenCV lets go of the interpreter's lock, so threads use all cores.
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for start in range(0, len(unmeasured), WRITE_EVERY):
            fresh = list(pool.map(measure_one, unmeasured[start : start + WRITE_EVERY]))
            remember_signals(database, fresh)
            for one in fresh:
                measured[one.photo_id] = one
                progress.advance(failed=one.signals is None)
            progress.tick()
    return measured


def _known(database: StateDatabase, photos: Sequence[PhotoFile]) -> dict[str, Measured]:
    known: dict[str, Measured] = {}
    with database.read() as connection:
        for start in range(0, len(photos), CHUNK):
            ids = [photo.photo_id for photo in photos[start : start + CHUNK]]
            statement = select(measurements.c.photo_id, measurements.c.signals).where(
                measurements.c.version == SIGNALS_VERSION, measurements.c.photo_id.in_(ids)
            )
            known.update(
                {row.photo_id: Measured(row.photo_id, row.signals) for row in connection.execute(statement)}
            )
    return known


def remember_signals(database: StateDatabase, measured: Sequence[Measured]) -> None:
    """Keep what was measured, once a photo and version."""
    rows = [
        {"photo_id": one.photo_id, "version": SIGNALS_VERSION, "signals": one.signals}
        for one in measured
        if one.signals is not None
    ]
    if rows:
        database.write(lambda connection: insert_new(connection, measurements, rows))
