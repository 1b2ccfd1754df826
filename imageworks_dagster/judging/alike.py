"""Which photos of a round show the same: each is compared with the others once, and what came of it is kept.

All pairs of ten thousand photos are fifty million: a run that changes nothing compares none of them, and a photo that
comes later is compared alone. Of two of which one was there before, that one stands first.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import delete, select

from imageworks.judge_vision.seen import AlikePhotos
from imageworks_dagster.comparing import Comparable, alike_among, alike_to_earlier
from imageworks_dagster.judging.kept_hashes import keep_hashes, kept_hashes
from imageworks_dagster.picturing import thumbnail
from photos.likeness import LIKENESS_VERSION, Alike
from store.tables import alike_photos, batches, compared_photos
from store.upserting import insert_new

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import Connection

    from imageworks_dagster.opened import OpenStore
    from imageworks_dagster.picturing import PhotoFile
    from store.batches import Batch
    from store.database import StateDatabase
    from store.settings import Settings

_CHUNK = 500
_VERSION = str(LIKENESS_VERSION)


def alike_in_round(
    store: OpenStore, batch: Batch, photos: Collection[PhotoFile], *, settings: Settings
) -> list[AlikePhotos]:
    """Pairs of different photos of a round that show the same, in order.

    Args:
        store: Keeps what was found.
        batch: The round.
        photos: Those of its photos that can be decoded.
        settings: For what has to be decoded again.
    """
    present = {photo.photo_id for photo in photos}
    compared, pairs = _kept(store.database, batch)
    hashes = kept_hashes(store.database, sorted(present & compared))
    fresh = [photo for photo in photos if photo.photo_id not in hashes]
    if fresh:
        own = Comparable(fresh, home=store.home, settings=settings)
        there = {photo.photo_id: photo for photo in photos}
        found = [
            *alike_among(own),
            *alike_to_earlier(own, hashes, lambda photo_id: thumbnail(store.home, settings, there[photo_id])),
        ]
        hashed = dict(zip(own.ids, own.hashes, strict=True))
        _keep(store.database, batch, found, hashed, compared=compared, present=present)
        pairs = [*pairs, *found]
    of_these = {
        (pair.second, pair.first): pair for pair in pairs if pair.first in present and pair.second in present
    }
    return [of_these[key] for key in sorted(of_these)]


def _kept(database: StateDatabase, batch: Batch) -> tuple[frozenset[str], list[AlikePhotos]]:
    """The photos that were compared with one another, and the pairs that were found among them."""
    with database.read() as connection:
        pairs = connection.execute(
            select(alike_photos).where(alike_photos.c.batch == batch.name, alike_photos.c.version == _VERSION)
        ).all()
        return _compared(connection, batch), [
            AlikePhotos(row.first, row.second, _from_json(row.found)) for row in pairs
        ]


def _compared(connection: Connection, batch: Batch) -> frozenset[str]:
    statement = select(compared_photos.c.photo_id).where(
        compared_photos.c.batch == batch.name, compared_photos.c.version == _VERSION
    )
    return frozenset(connection.execute(statement).scalars())


def _keep(
    database: StateDatabase,
    batch: Batch,
    found: Sequence[AlikePhotos],
    hashes: Mapping[str, Any],
    *,
    compared: frozenset[str],
    present: Collection[str],
) -> None:
    """Keep what was found, unless others were compared meanwhile that these were not compared with."""

    def work(connection: Connection) -> None:
        # Of two runs of one round the second waits here for the first.
        connection.execute(
            select(batches.c.name)
            .where(batches.c.pipeline == "judge", batches.c.name == batch.name)
            .with_for_update()
        )
        if _compared(connection, batch) != compared:
            return
        for table in (compared_photos, alike_photos):
            connection.execute(delete(table).where(table.c.batch == batch.name, table.c.version != _VERSION))
        # These were compared with nothing that was there without them: if they come back, they are new.
        gone = sorted(compared.difference(present))
        for start in range(0, len(gone), _CHUNK):
            some = gone[start : start + _CHUNK]
            for column in (compared_photos.c.photo_id, alike_photos.c.first, alike_photos.c.second):
                connection.execute(
                    delete(column.table).where(column.table.c.batch == batch.name, column.in_(some))
                )
        keep_hashes(connection, hashes)
        ours = {"batch": batch.name, "version": _VERSION}
        insert_new(connection, compared_photos, [{**ours, "photo_id": photo_id} for photo_id in hashes])
        pairs = [
            {**ours, "first": pair.first, "second": pair.second, "found": _as_json(pair.alike)}
            for pair in found
        ]
        insert_new(connection, alike_photos, pairs)

    database.write(work)


def _as_json(alike: Alike) -> dict[str, Any]:
    return {**asdict(alike), "onto": alike.onto.tolist()}


def _from_json(kept: Mapping[str, Any]) -> Alike:
    return Alike(**{**kept, "onto": np.array(kept["onto"], np.float64)})
