"""tagger/metadata: what would be written into each photo; written, or taken back, only when asked for."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from imageworks.personal_tagger.merging import Merge, OurTags, merge
from imageworks_dagster.stages import Outcome, inherited_error
from imageworks_dagster.tagging.report import publish_report
from imageworks_dagster.tagging.written import (
    record_prepared,
    record_state,
    settle_prepared,
    undoable_writes,
    written_tags,
)
from photos.metadata.errors import MetadataError
from photos.metadata.reading import read_metadata
from photos.metadata.undo import undo
from photos.metadata.writing import MetadataWriter
from store.path_text import path_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from imageworks_dagster.stages import Row, Stage
    from photos.metadata.fields import MetadataFields, PhotoMetadata
    from photos.metadata.writing import Written

ANSWERS = ("captions", "keywords", "descriptions")


def handle_metadata(stage: Stage) -> Outcome:
    """One row a photo: proposed, written, unchanged, undone, or why not."""
    action = stage.config["action"]
    settle_prepared(stage.store.database, stage.batch.name)
    photos = stage.read("tagger/photos")
    stage.progress.expect(len(photos))
    answers = {name: stage.read_by_entry(f"tagger/{name}") for name in ANSWERS}
    merges: dict[str, Merge] = {}
    if action == "undo":
        rows = _undone(stage, photos)
    else:
        rows = _merged(stage, photos, answers, merges, write=action == "apply")
    states = Counter(row.get("state") or "without_tags" for row in rows)
    report = publish_report(stage, photos, answers, rows, merges)
    counts = {f"photos_{state}": count for state, count in sorted(states.items())}
    return Outcome(
        rows,
        metadata={"action": action, **counts, **report},
        headline=("entry_id", "state", "title", "added_keywords", "error_class"),
    )


def _merged(
    stage: Stage,
    photos: list[Row],
    answers: dict[str, dict[str, Row]],
    merges: dict[str, Merge],
    *,
    write: bool,
) -> list[Row]:
    """The rows of all photos; ``merges`` takes what each file's merge came to."""
    ours_before = written_tags(
        stage.store.database, [stage.photo_file(photo) for photo in photos if photo["photo_id"]]
    )
    rows = []
    with MetadataWriter() as writer:
        for photo in photos:
            before = ours_before.get(photo["photo_id"])
            rows.append(_one(stage, photo, answers, before, merges, writer if write else None))
            stage.progress.advance(failed=bool(rows[-1].get("error_class")))
            stage.progress.tick()
    return rows


def _one(
    stage: Stage,
    photo: Row,
    answers: dict[str, dict[str, Row]],
    before: OurTags | None,
    merges: dict[str, Merge],
    writer: MetadataWriter | None,
) -> Row:
    mine = {name: rows[photo["entry_id"]] for name, rows in answers.items()}
    failed = next((row for row in (photo, *mine.values()) if row["error_class"]), None)
    if failed is not None:
        return stage.row(photo, **inherited_error(failed))
    ours = OurTags(
        caption=mine["captions"]["caption"],
        description=mine["descriptions"]["description"],
        keywords=tuple(mine["keywords"]["keywords"]),
    )

    def wanted(existing: PhotoMetadata) -> MetadataFields:
        merges[photo["entry_id"]] = merge(existing, ours, before)
        return merges[photo["entry_id"]].fields

    try:
        if writer is not None:
            return _write(stage, photo, wanted, merges, writer)
        state = "unchanged" if wanted(read_metadata(stage.path(photo))).is_empty else "proposed"
    except MetadataError as error:
        return stage.row(photo, state="refused", error_class=error.error_class, error_message=str(error))
    return stage.row(photo, state=state, **_columns(merges[photo["entry_id"]]))


def _write(
    stage: Stage,
    photo: Row,
    wanted: Callable[[PhotoMetadata], MetadataFields],
    merges: dict[str, Merge],
    writer: MetadataWriter,
) -> Row:
    entry = photo["entry_id"]
    write_ids: list[str] = []

    def record(written: Written) -> None:
        write_ids.append(
            record_prepared(
                stage.store.database,
                written,
                ours=merges[entry].ours,
                batch=stage.batch.name,
                run_id=stage.run.run_id,
            )
        )

    written = writer.write(
        stage.path(photo), wanted, before_replace=record, expected_photo_id=photo["photo_id"]
    )
    if not written.changed:
        return stage.row(photo, state="unchanged", **_columns(merges[entry]))
    record_state(stage.store.database, write_ids[0], "written")
    return stage.row(photo, state="written", write_id=write_ids[0], **_columns(merges[entry]))


def _undone(stage: Stage, photos: list[Row]) -> list[Row]:
    rows = {photo["entry_id"]: stage.row(photo, state="unchanged") for photo in photos}
    by_path = {path_text(stage.path(photo)): photo for photo in photos}
    stage.progress.expect(len(photos))
    for recorded in undoable_writes(stage.store.database, stage.batch.name):
        photo = by_path.get(path_text(recorded.path))
        if photo is None:
            stage.log.warning(
                "%s is no longer in the folder; its write stays recorded.", path_text(recorded.path)
            )
            continue
        try:
            undo(recorded.path, recorded.undo)
        except MetadataError as error:
            rows[photo["entry_id"]] = stage.row(
                photo, state="refused", error_class=error.error_class, error_message=str(error)
            )
        else:
            record_state(stage.store.database, recorded.write_id, "undone")
            rows[photo["entry_id"]] = stage.row(photo, state="undone", write_id=recorded.write_id)
        stage.progress.advance()
    return list(rows.values())


def _columns(merged: Merge) -> dict[str, Any]:
    fields = merged.fields
    return {
        "title": fields.title,
        "description": fields.description,
        "keywords": list(fields.keywords) if fields.keywords is not None else None,
        "added_keywords": list(merged.ours.keywords),
    }
