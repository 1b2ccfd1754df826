"""The inbox: which of its folders have been quiet for long enough to be run."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select

from imageworks.personal_tagger.context import NOTES
from imageworks_dagster.tagging.written import as_before_our_writes
from photos.discovery import discover
from photos.errors import NoPhotos, PhotoError
from store.batches import batches, name_for, register, without_rules
from store.errors import BatchError
from store.path_text import path_text
from store.tables import inbox_activity, inbox_folders
from store.upserting import upsert

if TYPE_CHECKING:
    import logging

    from sqlalchemy import Table

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
        fingerprint: digest of what it holds for a run.
        since: when it was first seen to hold that.
    """

    pipeline: PipelineName
    batch: str
    fingerprint: str
    since: datetime

    @property
    def run_key(self) -> str:
        """Names the run that is due: what the folder holds, and since when.

        A photo that is added and taken out again gives the old fingerprint at a new time: it has to run once more,
        or the tables would go on holding that photo.
        """
        return f"{self.pipeline}:{self.batch}:{self.fingerprint}:{self.since.isoformat()}"


def ready_folders(
    database: StateDatabase,
    inbox: Path,
    *,
    quiet_s: float,
    log: logging.Logger,
    now: datetime | None = None,
) -> list[ReadyFolder]:
    """The inbox's folders in which nothing has changed for ``quiet_s`` seconds, registered as batches.

    A folder whose batch was published, or that holds no photo yet, is left alone. So is one that cannot be handled;
    the others do not suffer from it.

    Args:
        database: the state database.
        inbox: the folder with ``judge`` and ``tag`` in it.
        quiet_s: seconds without a change.
        log: told about what is left alone, and why.
        now: the present; by default the clock's.
    """
    now = now or datetime.now(UTC)
    ready = []
    for name, pipeline in FOLDERS.items():
        published = {batch.folder for batch in batches(database, pipeline) if batch.state == "published"}
        for folder in _folders_in(inbox / name, log):
            try:
                if folder.resolve() in published:
                    continue
                found = _looked_at(database, pipeline, folder, quiet_s=quiet_s, now=now)
            except NoPhotos as error:
                log.info("%s is left alone: %s", path_text(folder), error)
            except (PhotoError, BatchError) as error:
                log.warning("%s is left alone: %s", path_text(folder), error)
            except OSError as error:
                log.warning("%s is left alone: it cannot be looked at: %s", path_text(folder), error.strerror)
            else:
                ready += [found] if found is not None else []
    return ready


def folder_fingerprint(database: StateDatabase, folder: Path, *, with_notes: bool = False) -> str:
    """Digest of the photos in a folder by name, size and modification time, and of its rules.

    What we wrote into a photo does not count: it changes the size alone, which then is taken from before.

    Args:
        database: the state database.
        folder: of photos.
        with_notes: whether the photographer's notes count too, which taggers are told.

    Raises:
        photos.errors.PhotoError: there is no photo in it, or it cannot be read.
        OSError: its rules or notes cannot be looked at.
    """
    digest = hashlib.sha256()
    place = folder.resolve()  # as writes are recorded
    for file in as_before_our_writes(database, place, discover(place).found):
        digest.update(f"{file.relative}\0{file.size}\0{file.mtime_ns}\n".encode())
    for what, name in (("rules", RULES_FILE), *([("notes", NOTES)] if with_notes else [])):
        beside = folder / name
        if beside.is_file():
            found = beside.stat()
            digest.update(f"\0{what}\0{found.st_size}\0{found.st_mtime_ns}".encode())
    return digest.hexdigest()[:32]


def _looked_at(
    database: StateDatabase, pipeline: PipelineName, folder: Path, *, quiet_s: float, now: datetime
) -> ReadyFolder | None:
    fingerprint = folder_fingerprint(database, folder, with_notes=pipeline == "tagger")
    where = (pipeline, path_text(folder.name))
    since = _seen(database, inbox_folders, where, fingerprint, now)
    quiet_since = _seen(database, inbox_activity, where, _activity(folder), now)
    if now - quiet_since < timedelta(seconds=quiet_s):
        return None
    rules = folder / RULES_FILE
    has_rules = rules.is_file()
    batch = register(
        database,
        pipeline=pipeline,
        name=name_for(database, pipeline, folder),
        folder=folder,
        rules=rules if has_rules else None,
    )
    if not has_rules and batch.rules == batch.folder / RULES_FILE:
        batch = without_rules(database, pipeline, batch.name)
    return ReadyFolder(pipeline, batch.name, fingerprint, since)


def _activity(folder: Path) -> str:
    """Digest of every file below a folder, also of those that are no photos yet: `a.jpg.part` is one on its way."""
    digest = hashlib.sha256()
    for place, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            path = Path(place, name)
            try:
                found = path.lstat()
            except FileNotFoundError:  # renamed or removed just now, which the next look will see
                continue
            digest.update(f"{path_text(path)}\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:32]


def _folders_in(place: Path, log: logging.Logger) -> list[Path]:
    folders = []
    try:
        with os.scandir(place) as entries:
            listed = sorted(entries, key=lambda entry: os.fsencode(entry.name))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        log.warning("%s cannot be looked into: %s; check who may read it", path_text(place), error.strerror)
        return []
    for entry in listed:
        try:
            if not entry.name.startswith(".") and entry.is_dir():
                folders.append(Path(entry.path))
        except OSError as error:
            where = path_text(Path(entry.path))
            log.warning("%s is left alone: it cannot be looked at: %s", where, error.strerror)
    return folders


def _seen(
    database: StateDatabase, table: Table, where: tuple[str, str], fingerprint: str, now: datetime
) -> datetime:
    """Remember in ``table`` what was found in a folder, and tell since when it has been that.

    Args:
        database: the state database.
        table: one of the inbox's.
        where: the pipeline, and the folder's own name: two names may give one slug, and there is no batch yet.
        fingerprint: of what was found.
        now: the present.
    """
    pipeline, name = where
    with database.read() as connection:
        known = connection.execute(
            select(table).where(table.c.pipeline == pipeline, table.c.name == name)
        ).one_or_none()
    if known is not None and known.fingerprint == fingerprint:
        since: datetime = known.quiet_since
        return since
    row = {"pipeline": pipeline, "name": name, "fingerprint": fingerprint, "quiet_since": now}
    database.write(lambda connection: upsert(connection, table, [row]))
    return now
