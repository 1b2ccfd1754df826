"""judge/signals: what can be measured about each photo, once a photo and version of the measurements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageworks_dagster.measuring import SIGNALS_VERSION, measure_photos
from imageworks_dagster.picturing import contact_sheet, thumbnails
from imageworks_dagster.scoring import score_entries
from imageworks_dagster.stages import Outcome, inherited_error, usable
from imageworks_dagster.tables import IQA

if TYPE_CHECKING:
    from imageworks_dagster.stages import Row, Stage

SHEET_PHOTOS = 18


def measure_entries(stage: Stage) -> Outcome:
    """One row an entry; a photo that cannot be decoded says so here."""
    entries = stage.entries("judge/entries")
    # First: a model that cannot be reached fails the step at once.
    scored = score_entries(stage, usable(entries))
    photos = [stage.photo_file(entry) for entry in usable(entries)]
    measured = measure_photos(
        photos,
        home=stage.store.home,
        settings=stage.settings,
        database=stage.store.database,
        progress=stage.progress,
    )
    rows: list[Row] = [*stage.gathered]
    for entry in entries:
        if entry["error_class"]:
            rows.append(stage.row(entry, **inherited_error(entry)))
            continue
        one = measured[entry["photo_id"]]
        scores = scored.get(entry["entry_id"], {})
        if one.signals is None:
            failed = {"error_class": one.error_class, "error_message": one.error_message}
            rows.append(stage.row(entry, **failed, **scores))
        else:
            rows.append(stage.row(entry, signals_version=SIGNALS_VERSION, **one.signals, **scores))
    good = {row["entry_id"] for row in rows if not row.get("error_class")}
    shown = [stage.photo_file(entry) for entry in stage.read("judge/entries") if entry["entry_id"] in good][
        :SHEET_PHOTOS
    ]
    sheet = contact_sheet(thumbnails(stage.store.home, stage.settings, shown))
    return Outcome(
        rows,
        metadata={"signals_version": SIGNALS_VERSION, **_scoring_metadata(stage, rows)},
        picture=sheet if shown else None,
        headline=("entry_id", *_headline(rows), "error_class"),
    )


def _headline(rows: list[Row]) -> tuple[str, ...]:
    """The few signals that say most, and the metrics that the chosen model gave."""
    given = tuple(column.name for column in IQA if any(row.get(column.name) is not None for row in rows))
    return ("sharpness", "noise", "contrast", "clipped_highlights", *given)


def _scoring_metadata(stage: Stage, rows: list[Row]) -> dict[str, int]:
    if stage.scorer is None:
        return {}
    return {"entries_with_iqa_errors": sum(1 for row in rows if row.get("iqa_error"))}
