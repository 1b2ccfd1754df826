"""tagger/metadata: what would be written into each photo; written, or taken back, only when asked for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
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
from photos.metadata.undo import undo
from photos.metadata.writing import MetadataWriter
from store.path_text import path_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

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
    tags = _Tags.of(stage, photos)
    if action == "undo":
        rows = _undone(stage, photos)
    else:
        with MetadataWriter() as writer:
            rows = [_advanced(stage, tags.row(photo, writer, write=action == "apply")) for photo in photos]
    states = Counter(row.get("state") or "without_tags" for row in rows)
    report = publish_report(stage, photos, tags.answers, rows, tags.merges)
    counts = {f"photos_{state}": count for state, count in sorted(states.items())}
    return Outcome(
        rows,
        metadata={"action": action, **counts, **report},
        headline=("entry_id", "state", "title", "added_keywords", "error_class"),
    )


def _advanced(stage: Stage, row: Row) -> Row:
    stage.progress.advance(failed=bool(row.get("error_class")))
    stage.progress.tick()
    return row


@dataclass(frozen=True)
class _Tags:
    """What the earlier stages said about the photos, and what merging it into each file came to.

    Attributes:
        stage: the stage.
        answers: rows by entry, by stage: captions, keywords, descriptions.
        ours_before: what our last write put into each photo, by path.
        merges: by entry, filled as rows are made.
    """

    stage: Stage
    answers: Mapping[str, Mapping[str, Row]]
    ours_before: dict[Path, OurTags]
    merges: dict[str, Merge] = field(default_factory=dict)

    @classmethod
    def of(cls, stage: Stage, photos: list[Row]) -> _Tags:
        files = [stage.photo_file(photo) for photo in photos if photo["photo_id"]]
        answers = {name: stage.read_by_entry(f"tagger/{name}") for name in ANSWERS}
        return cls(stage, answers, written_tags(stage.store.database, files))

    def row(self, photo: Row, writer: MetadataWriter, *, write: bool) -> Row:
        """The photo's row: written, or only proposed."""
        entry = photo["entry_id"]
        mine = [rows[entry] for rows in self.answers.values()]
        failed = next((row for row in (photo, *mine) if row["error_class"]), None)
        if failed is not None:
            return self.stage.row(photo, **inherited_error(failed))
        try:
            if write:
                return self._write(photo, writer)
            state = "proposed"
            if self._wanted(photo, writer.read(self.stage.path(photo))).is_empty:
                state = "unchanged"
        except MetadataError as error:
            return self.stage.row(
                photo, state="refused", error_class=error.error_class, error_message=str(error)
            )
        return self.stage.row(photo, state=state, **_columns(self.merges[entry]))

    def _wanted(self, photo: Row, existing: PhotoMetadata) -> MetadataFields:
        entry = photo["entry_id"]
        ours = OurTags(
            caption=self.answers["captions"][entry]["caption"],
            description=self.answers["descriptions"][entry]["description"],
            keywords=tuple(self.answers["keywords"][entry]["keywords"]),
        )
        self.merges[entry] = merge(existing, ours, self.ours_before.get(self.stage.path(photo)))
        return self.merges[entry].fields

    def _write(self, photo: Row, writer: MetadataWriter) -> Row:
        entry, database = photo["entry_id"], self.stage.store.database
        write_ids: list[str] = []

        def record(written: Written) -> None:
            write_ids.append(
                record_prepared(
                    database,
                    written,
                    ours=self.merges[entry].ours,
                    batch=self.stage.batch.name,
                    run_id=self.stage.run.run_id,
                )
            )

        written = writer.write(
            self.stage.path(photo),
            lambda existing: self._wanted(photo, existing),
            before_replace=record,
            expected_photo_id=photo["photo_id"],
        )
        if not written.changed:
            return self.stage.row(photo, state="unchanged", **_columns(self.merges[entry]))
        record_state(database, write_ids[0], "written")
        return self.stage.row(photo, state="written", write_id=write_ids[0], **_columns(self.merges[entry]))


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
        except OSError as error:
            reason = f"{path_text(recorded.path)} cannot be undone: {error.strerror}; check its permissions"
            rows[photo["entry_id"]] = stage.row(
                photo, state="refused", error_class="unreadable", error_message=reason
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
