"""tagger/photos: every photo of the folder, the photographer's own words in it, and its measured signals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imageworks.personal_tagger.merging import OurTags, others_paths, photographers_own
from imageworks_dagster.identifying import identify_folder
from imageworks_dagster.library import listing_digest
from imageworks_dagster.measuring import SIGNALS_VERSION, measure_photos
from imageworks_dagster.picturing import PhotoFile, contact_sheet, thumbnails
from imageworks_dagster.stages import Outcome, usable
from imageworks_dagster.tagging.context import add_context
from imageworks_dagster.tagging.written import as_before_our_writes, settle_prepared, standing_writes
from photos.metadata.errors import MetadataError
from photos.metadata.writing import MetadataWriter
from store.batches import note_listed
from store.path_text import path_text

if TYPE_CHECKING:
    from pathlib import Path

    from imageworks_dagster.stages import Row, Stage

SHEET_PHOTOS = 18


def list_photos(stage: Stage) -> Outcome:
    """One row a file, and one a folder that cannot be looked into."""
    batch = stage.batch
    folder = identify_folder(batch.folder, stage.store.database, stage.progress, below=batch.below)
    rows: list[Row] = []
    for identified in folder.files:
        columns = identified.entry_columns
        entry = {"entry_id": stage.entry_id(columns["relative_path"]), "photo_id": columns.pop("photo_id")}
        moved_from = folder.moved_from.get(columns["relative_path"])
        rows.append(stage.row(entry, **columns, moved_from=moved_from))
    readable = usable(rows)
    photos = {row["entry_id"]: stage.photo_file(row) for row in readable}
    # A kill may have left writes untold: without this, our words would be taken for the photographer's.
    settle_prepared(stage.store.database, batch.name, photos.values())
    standing = standing_writes(stage.store.database, photos.values())
    with MetadataWriter(sidecar_names=stage.settings.sidecar_names) as metadata:
        for row in readable:
            path = photos[row["entry_id"]].path
            ours = standing[path].ours if path in standing else OurTags()
            _add_own_words(row, path, ours, metadata)
    _add_signals(stage, readable, list(photos.values()))
    add_context(stage, usable(readable))
    rows += [stage.problem_row(problem) for problem in folder.problems]
    shown = [photos[row["entry_id"]] for row in readable if not row["error_class"]][:SHEET_PHOTOS]
    files = (identified.file for identified in folder.files)
    listed = listing_digest(as_before_our_writes(stage.store.database, batch.folder, files))
    note_listed(stage.store.database, "tagger", batch.name, run_id=stage.run.run_id, digest=listed)
    sheet = contact_sheet(thumbnails(stage.store.home, stage.settings, shown))
    return Outcome(
        rows,
        metadata={
            "folder": path_text(batch.folder),
            "photos_moved_here": len(folder.moved_from),
            "photos_gone": folder.gone,
        },
        picture=sheet if shown else None,
        headline=("file_name", "format", "width", "height", "existing_keywords", "error_class"),
    )


def _add_own_words(row: Row, path: Path, ours: OurTags, metadata: MetadataWriter) -> None:
    """What the photographer wrote; what we wrote before is not taken for the photographer's own words."""
    try:
        said = metadata.read(path)
    except MetadataError as error:
        row.update(error_class=error.error_class, error_message=str(error))
        return
    row["existing_title"] = said.title if said.title != ours.caption else None
    row["existing_description"] = said.description if said.description != ours.description else None
    own = photographers_own(
        said.keywords, ours.keywords, others_paths(said.hierarchical_keywords, ours.paths)
    )
    row["existing_keywords"] = list(own)


def _add_signals(stage: Stage, rows: list[Row], photos: list[PhotoFile]) -> None:
    measured = measure_photos(
        photos,
        home=stage.store.home,
        settings=stage.settings,
        database=stage.store.database,
        progress=stage.progress,
    )
    for row in rows:
        one = measured[row["photo_id"]]
        if one.signals is None:
            row.update(error_class=one.error_class, error_message=one.error_message)
        else:
            columns: dict[str, Any] = {"signals_version": SIGNALS_VERSION, **one.signals}
            row.update(columns)
