"""The report of a round: one HTML file, a CSV for spreadsheets, a JSON for programs, a podium for the web UI."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import dagster as dg

from imageworks.judge_vision.compliance import Compliance
from imageworks.judge_vision.critiquing import Critique, read_critique
from imageworks.judge_vision.naming import UNTITLED, category_of, name_parts
from imageworks.judge_vision.report import ReportEntry, render_report
from imageworks.judge_vision.result_files import EntryWords, results_csv, results_json
from imageworks_dagster.picturing import Previews, contact_sheet, thumbnails
from imageworks_dagster.pipelines import JUDGE
from imageworks_dagster.reporting import (
    REPORT_PICTURES,
    made_from,
    publish_unless_same,
    report_folder,
    run_facts,
)
from imageworks_dagster.tables import signal_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imageworks.judge_vision.competition import Competition
    from imageworks.judge_vision.results import Result, ResultRow
    from imageworks_dagster.stages import Row, Stage

PODIUM = 3
SHOWN_IN_UI = 12


@dataclass(frozen=True)
class PublishedReport:
    """Where the report is, for the materialization's metadata, and its best-placed photos."""

    metadata: dict[str, Any]
    picture: bytes | None


def publish_report(stage: Stage, competition: Competition, result: Result) -> PublishedReport:
    """Publish report.html, results.csv and results.json, unless those there say the same."""
    tables = {asset: stage.read_by_entry(asset) for asset in ONE_ROW_AN_ENTRY}
    playoff = stage.read("judge/playoff")
    folder = report_folder(stage)
    key = made_from(
        stage, (*ONE_ROW_AN_ENTRY, "judge/playoff"), result.model_dump(), competition.model_dump()
    )

    def make() -> dict[str, bytes]:
        words = {row.entry_id: _words(row.entry_id, tables, competition) for row in result.rows}
        facts = run_facts(
            stage,
            JUDGE,
            {"judge/critiques": list(tables["judge/critiques"].values()), "judge/playoff": playoff},
        )
        pictures = Previews(stage.settings)
        entries = [
            _entry(stage, row, tables, competition, pictures, with_picture=number < REPORT_PICTURES)
            for number, row in enumerate(result.rows)
        ]
        page = render_report(competition=competition, result=result, entries=entries, facts=facts)
        return {
            "report.html": page.encode("utf-8"),
            "results.csv": results_csv(result.rows, words).encode("utf-8-sig"),
            "results.json": results_json(result, words).encode("utf-8"),
        }

    publish_unless_same(folder, key, make)
    ranked = sorted(result.ranked, key=lambda row: row.place or 0)[:SHOWN_IN_UI]
    first = [stage.photo_file(tables["judge/entries"][row.entry_id]) for row in ranked]
    best = thumbnails(stage.store.home, stage.settings, first)
    return PublishedReport(
        metadata={
            "report": dg.MetadataValue.path(str(folder / "report.html")),
            "results_csv": dg.MetadataValue.path(str(folder / "results.csv")),
        },
        picture=contact_sheet(best) if best else None,
    )


ONE_ROW_AN_ENTRY = ("judge/entries", "judge/compliance", "judge/signals", "judge/critiques")


def shown_title(entry: Row) -> str:
    """What people read above a photo: its title, or its file's name where the judge was shown none."""
    title: str | None = entry["title"]
    return title if title and title != UNTITLED else PurePosixPath(entry["relative_path"]).stem


def _words(entry_id: str, tables: Mapping[str, Mapping[str, Row]], competition: Competition) -> EntryWords:
    entry = tables["judge/entries"][entry_id]
    findings = json.loads(tables["judge/compliance"][entry_id]["findings"])
    return EntryWords(
        title=shown_title(entry),
        author=name_parts(entry["relative_path"], competition).author,
        file=entry["relative_path"],
        findings=tuple(finding["message"] for finding in findings),
    )


def _entry(
    stage: Stage,
    row: ResultRow,
    tables: Mapping[str, Mapping[str, Row]],
    competition: Competition,
    pictures: Previews,
    *,
    with_picture: bool,
) -> ReportEntry:
    entry, compliance, measured, critique = (tables[asset][row.entry_id] for asset in ONE_ROW_AN_ENTRY)
    there = measured["error_class"] is None
    small = large = None
    if there and with_picture:
        photo = stage.photo_file(entry)
        small = next(iter(thumbnails(stage.store.home, stage.settings, [photo])), None)
        if small is not None and row.place is not None and row.place <= PODIUM:
            large = pictures.image(photo).load()
    return ReportEntry(
        entry_id=row.entry_id,
        title=shown_title(entry),
        file_name=entry["file_name"] or entry["relative_path"],
        category=category_of(entry["relative_path"], competition),
        thumbnail=small,
        large=large,
        critique=(
            read_critique({name: critique[name] for name in Critique.model_fields})
            if critique["score"] is not None
            else None
        ),
        compliance=Compliance(
            entry_id=row.entry_id,
            verdict=compliance["verdict"],
            findings=json.loads(compliance["findings"]),
        ),
        signals=signal_values(measured) if there else None,
    )
