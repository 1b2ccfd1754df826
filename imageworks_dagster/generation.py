"""Look for signs of a generator in a batch's files; each file is read once a version of the finder.

They stand in the metadata, which change while the picture does not: what is found is kept by the file's digest.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import TYPE_CHECKING

from sqlalchemy import select

from photos.provenance import PROVENANCE_VERSION, Provenance, find_generation
from store.tables import measurements
from store.upserting import insert_new

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imageworks_dagster.picturing import PhotoFile
    from store.database import StateDatabase
    from store.settings import Settings

_CHUNK = 500
_WRITE_EVERY = 16


def find_generations(
    photos: Mapping[str, PhotoFile],
    digests: Mapping[str, str],
    *,
    settings: Settings,
    database: StateDatabase,
) -> dict[str, Provenance]:
    """What each file says about its being made by a generator.

    Args:
        photos: the files, by any key.
        digests: SHA-256 of each file's bytes when it was identified, by the same keys.
        settings: the settings in force.
        database: where findings are kept.

    Raises:
        photos.errors.PictureError: a file cannot be read any more.
    """
    found = _known(database, photos, digests)
    unread = [key for key in photos if key not in found]
    for start in range(0, len(unread), _WRITE_EVERY):
        fresh = {}
        for key in unread[start : start + _WRITE_EVERY]:
            digest = hashlib.sha256()
            found[key] = find_generation(
                photos[key].path, max_file_bytes=settings.max_file_bytes, feed=digest.update
            )
            # A file that has changed since it was identified is not the one that its digest stands for.
            if digest.hexdigest() == digests[key]:
                fresh[photos[key].photo_id, _version(digests[key])] = found[key]
        _remember(database, fresh)
    return found


def _version(digest: str) -> str:
    """Of what is kept of a photo: of the same picture, each file may say something else."""
    return f"provenance {PROVENANCE_VERSION} {digest}"


def _known(
    database: StateDatabase, photos: Mapping[str, PhotoFile], digests: Mapping[str, str]
) -> dict[str, Provenance]:
    keys = list(photos)
    known: dict[str, Provenance] = {}
    one = measurements.c
    with database.read() as connection:
        for start in range(0, len(keys), _CHUNK):
            some = {
                key: (photos[key].photo_id, _version(digests[key])) for key in keys[start : start + _CHUNK]
            }
            ids, versions = zip(*some.values(), strict=True)
            statement = select(one.photo_id, one.version, one.signals).where(
                one.photo_id.in_(ids), one.version.in_(versions)
            )
            kept = {(row.photo_id, row.version): row.signals for row in connection.execute(statement)}
            known |= {key: Provenance(**kept[file]) for key, file in some.items() if file in kept}
    return known


def _remember(database: StateDatabase, found: Mapping[tuple[str, str], Provenance]) -> None:
    rows = [
        {"photo_id": photo_id, "version": version, "signals": asdict(provenance)}
        for (photo_id, version), provenance in found.items()
    ]
    if rows:
        database.write(lambda connection: insert_new(connection, measurements, rows))
