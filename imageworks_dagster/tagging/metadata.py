"""tagger/metadata: what would be written into each photo; written, or taken back, only when asked for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imageworks.personal_tagger.changes import changes
from imageworks.personal_tagger.merging import Merge, OurTags, merge
from imageworks_dagster.stages import Outcome, inherited_error
from imageworks_dagster.tagging.report import publish_report
from imageworks_dagster.tagging.undoing import take_back, undo_words
from imageworks_dagster.tagging.words import TABLES, photo_words
from imageworks_dagster.tagging.written import (
    StandingWrite,
    record_prepared,
    record_state,
    settle_prepared,
    standing_writes,
)
from photos.errors import PictureError
from photos.metadata.errors import MetadataError
from photos.metadata.writing import MetadataWriter
from store.overrides import overrides_of
from store.path_text import path_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from imageworks_dagster.picturing import PhotoFile
    from imageworks_dagster.stages import Row, Stage
    from imageworks_dagster.tagging.words import PhotoWords
    from photos.metadata.fields import MetadataFields, PhotoMetadata
    from photos.metadata.written import Written
    from store.overrides import Override


def handle_metadata(stage: Stage) -> Outcome:
    """One row a photo: proposed, written, unchanged, undone, untouched, or why not."""
    action = stage.config["action"]
    photos = stage.read("tagger/photos")
    settle_prepared(stage.store.database, stage.batch.name, _files(stage, photos))
    stage.progress.expect(len(photos))
    tags = _Tags.of(stage, photos, complete=action != "undo")
    told = {}
    if action == "undo":
        rows = [_advanced(stage, tags.undone(photo)) for photo in photos]
        told["undo"] = undo_words(rows)
    else:
        with MetadataWriter(sidecar_names=stage.settings.sidecar_names) as writer:
            rows = [
                _advanced(stage, tags.row(photo, writer, write=action == "apply" and tags.may_write(photo)))
                for photo in photos
            ]
    states = Counter(row.get("state") or "without_tags" for row in rows)
    report = publish_report(stage, photos, tags.answers, rows, tags.merges)
    counts = {f"photos_{state}": count for state, count in sorted(states.items())}
    return Outcome(
        rows,
        metadata={"action": action, **told, **counts, **report},
        headline=("entry_id", "state", "title", "added_keywords", "error_class"),
    )


def _files(stage: Stage, photos: list[Row]) -> list[PhotoFile]:
    return [stage.photo_file(photo) for photo in photos if photo["photo_id"]]


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
        standing: our last write into each photo, by path.
        words: what people say instead, by entry, the oldest first.
        merges: by entry, filled as rows are made.
        changes: the same in lines for people.
    """

    stage: Stage
    answers: Mapping[str, Mapping[str, Row]]
    standing: dict[Path, StandingWrite]
    words: Mapping[str, list[Override]]
    merges: dict[str, Merge] = field(default_factory=dict)
    changes: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, stage: Stage, photos: list[Row], *, complete: bool) -> _Tags:
        """Read the earlier tables; unless they have to be ``complete``, those that are missing are empty."""
        answers: dict[str, Mapping[str, Row]] = {}
        for name in TABLES.values():
            asset = f"tagger/{name}"
            there = complete or stage.store.tables.current(asset, stage.batch.name) is not None
            answers[name] = stage.read_by_entry(asset) if there else {}
        words = overrides_of(stage.store.database, "tagger", stage.batch.name)
        return cls(stage, answers, standing_writes(stage.store.database, _files(stage, photos)), words)

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
            if self._wanted(photo, writer.read(self.stage.path(photo))).is_empty:
                return self._unchanged(photo)
            return self._proposed(photo, writer)
        except MetadataError as error:
            return self.stage.row(
                photo, state="refused", error_class=error.error_class, error_message=str(error)
            )

    def may_write(self, photo: Row) -> bool:
        """Whether the photo's tags may be written: all may, unless only those are wanted that a person approved."""
        words = self._words_of(photo)
        return not self.stage.config.get("approved_only") or (words is not None and words.is_approved)

    def _words_of(self, photo: Row) -> PhotoWords | None:
        return photo_words(photo, self.answers, self.words.get(photo["entry_id"], ()))

    def undone(self, photo: Row) -> Row:
        """The photo's row after all that we wrote into it was taken back."""
        mine = [rows[photo["entry_id"]] for rows in self.answers.values() if photo["entry_id"] in rows]
        failed = next((row for row in (photo, *mine) if row["error_class"]), None)
        nothing = {"state": "untouched", **(inherited_error(failed) if failed else {})}
        if photo["photo_id"] is None:
            return self.stage.row(photo, **nothing)
        try:
            write_id = take_back(self.stage.store.database, self.stage.photo_file(photo))
        except (MetadataError, PictureError) as error:
            return self._not_undone(photo, error.error_class, str(error))
        except OSError as error:
            reason = f"{path_text(self.stage.path(photo))} cannot be undone: {error.strerror}; check its permissions"
            return self._not_undone(photo, "unreadable", reason)
        if write_id is None:
            return self.stage.row(photo, **nothing)
        return self.stage.row(photo, state="undone", write_id=write_id)

    def _not_undone(self, photo: Row, error_class: str, reason: str) -> Row:
        return self.stage.row(
            photo,
            state="refused",
            write_id=self._standing_id(photo),
            error_class=error_class,
            error_message=reason,
        )

    def _proposed(self, photo: Row, writer: MetadataWriter) -> Row:
        """What would be written, and where; a file that could not be written is a proposal that says why."""
        entry, path = photo["entry_id"], self.stage.path(photo)
        columns = _columns(self.merges[entry])
        try:
            into = self._below(path, writer.place_of(path))
        except MetadataError as error:
            return self.stage.row(
                photo, state="proposed", **columns, changes=[*self.changes[entry], f"! {error}"]
            )
        return self.stage.row(photo, state="proposed", **columns, into=into, changes=self.changes[entry])

    def _below(self, photo: Path, place: Path) -> str:
        return path_text(photo.relative_to(self.stage.batch.folder).with_name(place.name))

    def _unchanged(self, photo: Row) -> Row:
        columns = _columns(self.merges[photo["entry_id"]])
        return self.stage.row(photo, state="unchanged", write_id=self._standing_id(photo), **columns)

    def _standing_id(self, photo: Row) -> str | None:
        write = self.standing.get(self.stage.path(photo))
        return write.write_id if write is not None else None

    def _wanted(self, photo: Row, existing: PhotoMetadata) -> MetadataFields:
        entry = photo["entry_id"]
        # A person's word goes into the file instead of the model's, as long as it is of this very picture.
        words = self._words_of(photo)
        assert words is not None  # noqa: S101 - a photo without an answer has a row that says why
        ours = OurTags(
            caption=words.caption,
            description=words.description,
            keywords=words.keywords,
            paths=tuple(self.answers["keywords"][entry].get("keyword_paths") or ()),
        )
        before = self.standing.get(self.stage.path(photo))
        self.merges[entry] = merge(existing, ours, before.ours if before is not None else None)
        self.changes[entry] = list(changes(existing, self.merges[entry]))
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
            return self._unchanged(photo)
        record_state(database, write_ids[0], "written")
        return self.stage.row(
            photo,
            state="written",
            write_id=write_ids[0],
            **_columns(self.merges[entry]),
            into=self._below(self.stage.path(photo), written.path),
            changes=self.changes[entry],
        )


def _columns(merged: Merge) -> dict[str, Any]:
    fields = merged.fields
    return {
        "title": fields.title,
        "description": fields.description,
        "keywords": list(fields.keywords) if fields.keywords is not None else None,
        "keyword_paths": list(fields.hierarchical) if fields.hierarchical is not None else None,
        "added_keywords": list(merged.ours.keywords),
    }
