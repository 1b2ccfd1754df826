"""Remove all that is known of some photos."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from imageworks_dagster.opened import open_store
from imageworks_dagster.picturing import thumbnail_path
from photos.discovery import discover
from photos.errors import NoPhotos
from photos.identity import photo_id
from store.forgetting import forget_photos

if TYPE_CHECKING:
    from pathlib import Path

    from store.settings import Settings


def forget_path(settings: Settings, path: Path) -> str:
    """Remove the photos at ``path`` from every table, kept answer, report and thumbnail.

    Returns:
        One sentence on what was removed.
    """
    store = open_store(settings)
    if path.is_dir():
        try:
            files = [file.path for file in discover(path).found]
        except NoPhotos:
            files = []
    else:
        files = [path]
    ids = {photo_id(file) for file in files}
    forgotten = forget_photos(store.database, store.tables, ids)
    for identity in ids:
        thumbnail_path(store.home, identity).unlink(missing_ok=True)
    # A report holds thumbnails and critiques of all its entries: the next run makes it anew without these.
    shutil.rmtree(store.home.reports, ignore_errors=True)
    return f"{len(ids)} photos forgotten: {forgotten}"
