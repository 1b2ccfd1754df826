"""The tagger's report: a contact sheet of photos with what was said about them, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg

from imageworks.personal_tagger.report import SheetPhoto, render_contact_sheet
from imageworks_dagster.picturing import thumbnails
from imageworks_dagster.pipelines import TAGGER
from imageworks_dagster.reporting import (
    REPORT_PICTURES,
    made_from,
    publish_unless_same,
    report_folder,
    run_facts,
)
from imageworks_dagster.tagging.telling import CHANGES_FILE, proposed_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imageworks.personal_tagger.merging import Merge
    from imageworks_dagster.stages import Row, Stage


def publish_report(
    stage: Stage,
    photos: list[Row],
    answers: Mapping[str, Mapping[str, Row]],
    rows: list[Row],
    merges: Mapping[str, Merge],
) -> dict[str, Any]:
    """Publish the report and the diff, unless those there say the same; give the report's place for the metadata."""
    states = {row["entry_id"]: row for row in rows}
    folder = report_folder(stage)
    said = [
        (entry, row.get("state"), row.get("error_class"), _stands(row), row.get("changes"))
        for entry, row in sorted(states.items())
    ]
    key = made_from(stage, [declaration.asset for declaration in TAGGER.stages[:-1]], said)

    def make() -> dict[str, bytes]:
        facts = run_facts(
            stage,
            TAGGER,
            {f"tagger/{column}": list(table.values()) for column, table in answers.items()},
        )
        sheet = [
            _photo(
                stage,
                photo,
                answers,
                states[photo["entry_id"]],
                merges,
                with_picture=number < REPORT_PICTURES,
            )
            for number, photo in enumerate(photos)
        ]
        diff = "".join(f"{line}\n" for line in proposed_words(rows))
        return {
            "report.html": render_contact_sheet(photos=sheet, facts=facts).encode("utf-8"),
            CHANGES_FILE: diff.encode("utf-8"),
        }

    publish_unless_same(folder, key, make)
    return {"report": dg.MetadataValue.path(str(folder / "report.html"))}


def _photo(
    stage: Stage,
    photo: Row,
    answers: Mapping[str, Mapping[str, Row]],
    row: Row,
    merges: Mapping[str, Merge],
    *,
    with_picture: bool,
) -> SheetPhoto:
    entry = photo["entry_id"]
    # An undo needs no answers, so that it works in a folder that was never tagged where it is now.
    mine = {column: table.get(entry, {}) for column, table in answers.items()}
    files = [stage.photo_file(photo)] if photo["error_class"] is None and with_picture else []
    return SheetPhoto(
        path=photo["relative_path"],
        thumbnail=next(iter(thumbnails(stage.store.home, stage.settings, files)), None),
        caption=mine["captions"].get("caption") or "",
        keywords=tuple(mine["keywords"].get("keywords") or ()),
        description=mine["descriptions"].get("description") or "",
        existing_keywords=tuple(photo["existing_keywords"] or ()),
        merge=merges.get(entry),
        written=_stands(row),
        shared_from=(mine["captions"].get("shared_from") or "").partition("/")[2],
        problem=row.get("error_message") or "",
    )


def _stands(row: Row) -> bool:
    """Whether a recorded write of ours stands in the file."""
    return row.get("write_id") is not None and row["state"] != "undone"
