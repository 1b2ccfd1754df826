"""judge/signals: what can be measured about each photo, once a photo and version of the measurements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageworks_dagster.measuring import SIGNALS_VERSION, measure_photos
from imageworks_dagster.picturing import contact_sheet, thumbnails
from imageworks_dagster.stages import Outcome, inherited_error, usable

if TYPE_CHECKING:
    from imageworks_dagster.stages import Row, Stage

SHEET_PHOTOS = 18


def measure_entries(stage: Stage) -> Outcome:
    """One row an entry; a photo that cannot be decoded says so here."""
    entries = stage.read("judge/entries")
    photos = [stage.photo_file(entry) for entry in usable(entries)]
    measured = measure_photos(
        photos,
        home=stage.store.home,
        settings=stage.settings,
        database=stage.store.database,
        progress=stage.progress,
    )
    rows: list[Row] = []
    for entry in entries:
        if entry["error_class"]:
            rows.append(stage.row(entry, **inherited_error(entry)))
            continue
        one = measured[entry["photo_id"]]
        if one.signals is None:
            rows.append(stage.row(entry, error_class=one.error_class, error_message=one.error_message))
        else:
            rows.append(stage.row(entry, signals_version=SIGNALS_VERSION, **one.signals))
    shown = [photo for photo in photos if measured[photo.photo_id].signals is not None][:SHEET_PHOTOS]
    sheet = contact_sheet(thumbnails(stage.store.home, stage.settings, shown))
    return Outcome(
        rows,
        metadata={"signals_version": SIGNALS_VERSION},
        picture=sheet if shown else None,
        headline=("entry_id", "sharpness", "noise", "contrast", "clipped_highlights", "error_class"),
    )
