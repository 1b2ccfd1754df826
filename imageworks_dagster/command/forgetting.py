"""Remove all that is known of some photos."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from sqlalchemy import or_, select

from imageworks.counting import counted
from imageworks_dagster.errors import NothingKnown
from imageworks_dagster.opened import open_store
from imageworks_dagster.picturing import thumbnail_path
from imageworks_dagster.pipelines import PIPELINES
from photos.discovery import discover
from photos.errors import NoPhotos
from photos.identity import photo_id
from store.errors import DamagedTable
from store.forgetting import forget_photos
from store.path_text import path_text
from store.tables import photo_identities, published_tables

if TYPE_CHECKING:
    from pathlib import Path

    from imageworks_dagster.opened import OpenStore
    from store.artifacts import RemovedTable
    from store.settings import Settings

_WHAT_STAYS = (
    "Their files are as they were. Telemetry still has their names and ids, and Dagster's run history may show small "
    "pictures of them: delete those runs in the web UI."
)
_LOG_IN_USE = (
    "Another program has the state database open, so copies may stay in its log (state.db-wal) until every run and "
    "web UI of this home has ended."
)


def forget_path(settings: Settings, path: Path) -> str:
    """Remove the photos at ``path`` from every table, kept answer, report and thumbnail.

    Photos are those that are there now and those that were seen there before, so that a file which was deleted or
    replaced can be forgotten too. A report of a batch that held one of them is removed as a whole; the batch's next
    run makes it anew.

    Returns:
        Sentences on what was removed.

    Raises:
        NothingKnown: no photo is there, and none was ever seen there.
        photos.errors.PhotoError: a file or folder that is there cannot be read.
        store.errors.PublishFailed: a table could not be rewritten; doing it again goes on from there.
    """
    store = open_store(settings)
    ids = _photos_now(path) | _photos_before(store, path)
    if not ids:
        raise NothingKnown(f"No photo is at {path_text(path)}, and none was seen there; nothing was removed.")
    reports = _reports_with(store, ids)
    # Before the tables: once those are rewritten, nothing tells any more which reports held the photos.
    for report in reports:
        shutil.rmtree(report)
    for identity in ids:
        thumbnail_path(store.home, identity).unlink(missing_ok=True)
    forgotten = forget_photos(store.database, store.tables, ids)
    removed = [f"{count} {name.replace('_', ' ')}" for name, count in forgotten.counts.items() if count]
    removed += [f"the report of {report.parent.name} {report.name}" for report in reports]
    return " ".join(
        [
            f"{counted(len(ids), 'photo')} forgotten: {', '.join(removed) or 'nothing more was kept of them'}.",
            *map(_removed, forgotten.unreadable),
            *([] if forgotten.log_emptied else [_LOG_IN_USE]),
            _WHAT_STAYS,
        ]
    )


def _removed(table: RemovedTable) -> str:
    again = f" Materialize {table.asset} again." if table.was_current else ""
    return (
        f"The table {table.asset} of batch {table.batch!r} by run {table.run_id} could not be read and may have held "
        f"them, so it was removed.{again}"
    )


def _photos_now(path: Path) -> set[str]:
    if not path.exists():
        return set()
    if not path.is_dir():
        return {photo_id(path)}
    try:
        return {photo_id(file.path) for file in discover(path).found}
    except NoPhotos:
        return set()


def _photos_before(store: OpenStore, path: Path) -> set[str]:
    place = path_text(path.resolve())
    seen = photo_identities.c.path
    here = or_(seen == place, seen.startswith(f"{place.rstrip('/')}/", autoescape=True))
    with store.database.read() as connection:
        return set(connection.execute(select(photo_identities.c.photo_id).where(here)).scalars())


def _reports_with(store: OpenStore, ids: set[str]) -> list[Path]:
    """Folders of the reports of all batches one of whose tables, current or older, held one of the photos."""
    found = []
    for pipeline in PIPELINES.values():
        first = pipeline.stages[0].asset
        for folder in sorted((store.home.reports / pipeline.name).glob("*/")):
            tables = select(published_tables.c.run_id).where(
                published_tables.c.asset == first, published_tables.c.batch == folder.name
            )
            with store.database.read() as connection:
                runs = connection.execute(tables).scalars().all()
            if any(_holds(store, first, folder.name, run, ids) for run in runs):
                found.append(folder)
    return found


def _holds(store: OpenStore, asset: str, batch: str, run_id: str, ids: set[str]) -> bool:
    try:
        table = store.tables.read(asset, batch, run_id)
    except DamagedTable:  # what cannot be read cannot speak for the report
        return True
    return not ids.isdisjoint(table["photo_id"].to_pylist())
