"""The inbox: which of its folders have been quiet for long enough to be run."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select

from photos.discovery import discover
from photos.errors import PhotoError
from store.batches import batches, name_for, register
from store.path_text import path_text
from store.tables import inbox_folders
from store.upserting import upsert

if TYPE_CHECKING:
    import logging

    from imageworks_dagster.pipelines import PipelineName
    from store.database import StateDatabase

FOLDERS: dict[str, PipelineName] = {"judge": "judge", "tag": "tagger"}
"""Pipeline by folder of the inbox."""

RULES_FILE = "competition.toml"


@dataclass(frozen=True)
class ReadyFolder:
    """A folder that has been quiet.

    Attributes:
        pipeline: the pipeline that it is for.
        batch: the batch that it is registered as.
        fingerprint: digest of what it holds.
        quiet_since: when it was first seen to hold that.
    """

    pipeline: PipelineName
    batch: str
    fingerprint: str
    quiet_since: datetime

    @property
    def run_key(self) -> str:
        """Names the run that is due: what the folder holds, and since when.

        A photo that is added and taken out again gives the old fingerprint at a new time: it has to run once more,
        or the tables would go on holding that photo.
        """
        return f"{self.pipeline}:{self.batch}:{self.fingerprint}:{self.quiet_since.isoformat()}"


def ready_folders(
    database: StateDatabase,
    inbox: Path,
    *,
    quiet_s: float,
    log: logging.Logger,
    now: datetime | None = None,
) -> list[ReadyFolder]:
    """The inbox's folders that have not changed for ``quiet_s`` seconds, registered as batches.

    A folder whose batch was published, or that holds no photo yet, is left alone.

    Args:
        database: the state database.
        inbox: the folder with ``judge`` and ``tag`` in it.
        quiet_s: seconds without a change.
        log: told about folders that are left alone for what they hold.
        now: the present; by default the clock's.
    """
    now = now or datetime.now(UTC)
    ready = []
    for name, pipeline in FOLDERS.items():
        published = {batch.folder for batch in batches(database, pipeline) if batch.state == "published"}
        for folder in _folders_in(inbox / name):
            if folder.resolve() in published:
                continue
            try:
                fingerprint = folder_fingerprint(folder)
            except PhotoError as error:
                log.info("%s is left alone: %s", path_text(folder), error)
                continue
            since = _seen(database, pipeline, folder, fingerprint, now)
            if now - since < timedelta(seconds=quiet_s):
                continue
            rules = folder / RULES_FILE
            batch = register(
                database,
                pipeline=pipeline,
                name=name_for(database, pipeline, folder),
                folder=folder,
                rules=rules if rules.is_file() else None,
            )
            ready.append(ReadyFolder(pipeline, batch.name, fingerprint, since))
    return ready


def folder_fingerprint(folder: Path) -> str:
    """Digest of the photos in a folder by name, size and modification time, and of its rules.

    Raises:
        photos.errors.PhotoError: there is no photo in it, or it cannot be read.
    """
    digest = hashlib.sha256()
    for file in discover(folder).found:
        digest.update(f"{file.relative}\0{file.size}\0{file.mtime_ns}\n".encode())
    rules = folder / RULES_FILE
    if rules.is_file():
        found = rules.stat()
        digest.update(f"\0rules\0{found.st_size}\0{found.st_mtime_ns}".encode())
    return digest.hexdigest()[:32]


def _folders_in(place: Path) -> list[Path]:
    if not place.is_dir():
        return []
    with os.scandir(place) as entries:
        return sorted(
            Path(entry.path) for entry in entries if entry.is_dir() and not entry.name.startswith(".")
        )


def _seen(database: StateDatabase, pipeline: str, folder: Path, fingerprint: str, now: datetime) -> datetime:
    """Remember what the folder holds, and tell since when it has held that."""
    # By its own name, not the batch's: two names may give one slug, and the batch is not registered yet.
    name = path_text(folder.name)
    where = (inbox_folders.c.pipeline == pipeline, inbox_folders.c.name == name)
    with database.read() as connection:
        known = connection.execute(select(inbox_folders).where(*where)).one_or_none()
    if known is not None and known.fingerprint == fingerprint:
        since: datetime = known.quiet_since
        return since
    row = {"pipeline": pipeline, "name": name, "fingerprint": fingerprint, "quiet_since": now}
    database.write(lambda connection: upsert(connection, inbox_folders, [row]))
    return now
