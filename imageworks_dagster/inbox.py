"""The inbox: which of its folders have been quiet for long enough to be run."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from photos.discovery import discover
from photos.errors import PhotoError
from store.batches import batch as registered_batch
from store.batches import name_for, register
from store.path_text import path_text
from store.tables import inbox_folders
from store.upserting import upsert

if TYPE_CHECKING:
    from pathlib import Path

    from imageworks_dagster.pipelines import PipelineName
    from store.database import StateDatabase

FOLDERS: dict[str, PipelineName] = {"judge": "judge", "tag": "tagger"}
"""Pipeline by folder of the inbox."""

RULES_FILE = "competition.toml"


@dataclass(frozen=True)
class ReadyFolder:
    """A folder that has been quiet: its pipeline, its batch, and what it holds as a digest."""

    pipeline: PipelineName
    batch: str
    fingerprint: str


def quiet_folders(
    database: StateDatabase, inbox: Path, *, quiet_s: float, log: Any, now: datetime | None = None
) -> list[ReadyFolder]:
    """The inbox's folders whose photos have not changed for ``quiet_s`` seconds, registered as batches.

    A folder that was published, or that holds no photo yet, is left alone.

    Args:
        database: the state database.
        inbox: the folder with ``judge`` and ``tag`` in it.
        quiet_s: seconds without a change.
        log: told about folders that cannot be looked into.
        now: the present, for tests.
    """
    now = now or datetime.now(UTC)
    ready = []
    for name, pipeline in FOLDERS.items():
        place = inbox / name
        if not place.is_dir():
            continue
        for entry in sorted(os.scandir(place), key=lambda entry: entry.name):
            if not entry.is_dir() or entry.name.startswith("."):
                continue
            folder = place / entry.name
            try:
                fingerprint = folder_fingerprint(folder)
            except PhotoError as error:
                log.info("%s is left alone: %s", path_text(folder), error)
                continue
            batch = name_for(database, pipeline, folder)
            if not _is_quiet(database, pipeline, batch, fingerprint, now=now, quiet_s=quiet_s):
                continue
            rules = folder / RULES_FILE
            register(
                database,
                pipeline=pipeline,
                name=batch,
                folder=folder,
                rules=rules if rules.is_file() else None,
            )
            if registered_batch(database, pipeline, batch).state == "open":
                ready.append(ReadyFolder(pipeline, batch, fingerprint))
    return ready


def folder_fingerprint(folder: Path) -> str:
    """Digest of the photos in a folder by name, size and modification time.

    Raises:
        photos.errors.NoPhotos: there is no photo in it.
    """
    digest = hashlib.sha256()
    for file in discover(folder).found:
        digest.update(f"{file.relative}\0{file.size}\0{file.mtime_ns}\n".encode())
    return digest.hexdigest()[:32]


def _is_quiet(
    database: StateDatabase, pipeline: str, batch: str, fingerprint: str, *, now: datetime, quiet_s: float
) -> bool:
    where = (inbox_folders.c.pipeline == pipeline, inbox_folders.c.name == batch)
    with database.read() as connection:
        known = connection.execute(select(inbox_folders).where(*where)).mappings().first()
    if known is not None and known["fingerprint"] == fingerprint:
        return bool(now - known["quiet_since"] >= timedelta(seconds=quiet_s))
    row = {"pipeline": pipeline, "name": batch, "fingerprint": fingerprint, "quiet_since": now}
    database.write(lambda connection: upsert(connection, inbox_folders, [row]))
    return quiet_s <= 0
