"""The hashes that photos are compared by, as they stand: kept once a photo and version."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import select

from photos.hashing import UPRIGHT_SHAPE, upright
from photos.likeness import LIKENESS_VERSION
from store.tables import measurements
from store.upserting import insert_new

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from sqlalchemy import Connection

    from store.database import StateDatabase

_VERSION = f"hashes {LIKENESS_VERSION}"
_CHUNK = 500


def kept_hashes(database: StateDatabase, photo_ids: Sequence[str]) -> dict[str, NDArray[np.uint64]]:
    """The upright hashes of those photos of which they are kept."""
    kept: dict[str, NDArray[np.uint64]] = {}
    with database.read() as connection:
        for start in range(0, len(photo_ids), _CHUNK):
            statement = select(measurements.c.photo_id, measurements.c.signals).where(
                measurements.c.version == _VERSION,
                measurements.c.photo_id.in_(photo_ids[start : start + _CHUNK]),
            )
            for row in connection.execute(statement):
                packed = bytes.fromhex(row.signals["hashes"])
                kept[row.photo_id] = np.frombuffer(packed, "<u8").astype(np.uint64).reshape(UPRIGHT_SHAPE)
    return kept


def keep_hashes(connection: Connection, hashes: Mapping[str, NDArray[np.uint64]]) -> None:
    """Keep the upright ones of photos' hashes."""
    rows = [
        {
            "photo_id": photo_id,
            "version": _VERSION,
            "signals": {"hashes": upright(one).astype("<u8").tobytes().hex()},
        }
        for photo_id, one in hashes.items()
    ]
    insert_new(connection, measurements, rows)
