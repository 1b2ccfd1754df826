"""A look through a library of 200,000 files, all of it tagged, after one of them changed."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from bench.result import Result
from imageworks_dagster.library import look_through
from imageworks_dagster.opened import close_stores, open_store
from imageworks_dagster.pipelines import TAGGER
from imageworks_dagster.tables import SHAPES
from store.batches import note_listed
from store.settings import Settings

YEARS, WALKS, PHOTOS = 20, 50, 200
MOST = 1000


def run() -> list[Result]:
    """Make the library, say of all of it that it was tagged, change one file, and look."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "Pictures"
        _make(root)
        store = open_store(Settings(home=Path(place) / "home"))
        try:
            for part in look_through(store, root, most=MOST).due:
                batch = part.registered(store).name
                note_listed(store.database, "tagger", batch, run_id="first", digest=part.digest)
                for asset in (TAGGER.stages[0].asset, TAGGER.stages[-1].asset):
                    store.tables.publish(
                        asset=asset, batch=batch, run_id="first", table=SHAPES[asset].build([]), expected=None
                    )
            (root / "2005" / "walk 03" / "img_0017.jpg").write_bytes(b"changed")
            began = time.perf_counter()
            found = look_through(store, root, most=MOST)
            seconds = time.perf_counter() - began
        finally:
            close_stores()
    if len(found.due) != 1:
        raise AssertionError(f"{len(found.due)} batches are due after one file changed")
    return [Result("library_200000_files_after_one_change", seconds, "s", 5.0)]


def _make(root: Path) -> None:
    for year in range(YEARS):
        for walk in range(WALKS):
            folder = root / str(2000 + year) / f"walk {walk:02d}"
            folder.mkdir(parents=True)
            for number in range(PHOTOS):
                (folder / f"img_{number:04d}.jpg").touch()
