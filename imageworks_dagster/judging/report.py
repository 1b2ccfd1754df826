"""The report of a round: one HTML file, a CSV for spreadsheets, a JSON for programs, a podium for the web UI."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import dagster as dg

from imageworks.judge_vision.compliance import Compliance
from imageworks.judge_vision.critiquing import Critique, read_critique
from imageworks.judge_vision.drift import drift
from imageworks.judge_vision.naming import UNTITLED, category_of, name_parts
from imageworks.judge_vision.panel import answers_named
from imageworks.judge_vision.report import render_report
from imageworks.judge_vision.report_entry import PersonsWord, ReportEntry, ShownOpinion
from imageworks.judge_vision.report_judges import ReportJudge, judges_line
from imageworks.judge_vision.result_files import EntryWords, results_csv, results_json
from imageworks_dagster.judging.earlier import marks_of, rounds_before
from imageworks_dagster.judging.opinions import opinions_in
from imageworks_dagster.judging.report_pictures import Pictures, Shown, sharp_ones
from imageworks_dagster.judging.rules import pinned_rules
from imageworks_dagster.picturing import contact_sheet, thumbnails
from imageworks_dagster.pipelines import JUDGE
from imageworks_dagster.reporting import (
    REPORT_PICTURES,
    made_from,
    publish_unless_same,
    report_folder,
    run_facts,
)
from imageworks_dagster.tables import signal_values
from store.overrides import in_force, overrides_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from imageworks.judge_vision.anchors import Calibration
    from imageworks.judge_vision.competition import Competition
    from imageworks.judge_vision.drift import Drift
    from imageworks.judge_vision.results import Result, ResultRow
    from imageworks_dagster.stages import Row, Stage
    from store.database import StateDatabase

REPORT_VERSION = 3
"""Raised when reports are to be made anew though nothing else has changed."""

SHOWN_IN_UI = 12


@dataclass(frozen=True)
class PublishedReport:
    """Where the report is, for the materialization's metadata, and its best-placed photos."""

    metadata: dict[str, Any]
    picture: bytes | None


def publish_report(
    stage: Stage, competition: Competition, result: Result, calibration: Calibration | None = None
) -> PublishedReport:
    """Publish report.html, results.csv and results.json, unless those there say the same."""
    tables = {asset: stage.read_by_entry(asset) for asset in ONE_ROW_AN_ENTRY}
    playoff = stage.read("judge/playoff")
    folder = report_folder(stage)
    words_of_people = persons_words(stage.store.database, stage.batch.name, tables["judge/entries"])
    moved = _drift(stage, competition, list(tables["judge/critiques"].values()))
    key = made_from(
        stage,
        (*ONE_ROW_AN_ENTRY, "judge/playoff"),
        result.model_dump(),
        competition.model_dump(),
        None if moved is None else asdict(moved),
        None if calibration is None else asdict(calibration),
        {entry: vars(word) for entry, word in words_of_people.items()},
        REPORT_VERSION,
    )

    def make() -> dict[str, bytes]:
        words = {row.entry_id: _words(row.entry_id, tables, competition, calibration) for row in result.rows}
        facts = run_facts(
            stage,
            JUDGE,
            {
                "judge/critiques": _every_answer(tables["judge/critiques"].values()),
                "judge/playoff": playoff,
            },
        )
        pictures = Pictures(stage, sharp_ones(result.rows))
        entries = [
            _entry(
                pictures if number < REPORT_PICTURES else None,
                row,
                tables,
                competition,
                word=words_of_people.get(row.entry_id),
            )
            for number, row in enumerate(result.rows)
        ]
        page = render_report(
            competition=competition,
            result=result,
            entries=entries,
            facts=replace(facts, more=(*facts.more, *_rules_facts(stage))),
            judges=judges_line(
                judges_of_entries(tables["judge/critiques"].values()),
                {row["model"] for row in playoff if row["model"]},
            ),
            drift=moved,
            calibration=calibration,
        )
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


def _words(
    entry_id: str,
    tables: Mapping[str, Mapping[str, Row]],
    competition: Competition,
    calibration: Calibration | None,
) -> EntryWords:
    entry = tables["judge/entries"][entry_id]
    findings = json.loads(tables["judge/compliance"][entry_id]["findings"])
    critique = tables["judge/critiques"][entry_id]
    return EntryWords(
        title=shown_title(entry),
        author=name_parts(entry["relative_path"], competition).author,
        file=entry["relative_path"],
        findings=tuple(finding["message"] for finding in findings),
        calibrated=calibration.of(critique["score"])
        if calibration is not None and critique["score"] is not None
        else None,
        score_low=critique.get("score_low"),
        score_high=critique.get("score_high"),
        judges=tuple(f"{one.judge} {one.score}" for one in _opinions(critique)),
    )


def _opinions(critique: Row) -> tuple[ShownOpinion, ...]:
    """What each judge gave; an entry that is put to a judge several times has as many of its answers."""
    told = opinions_in(critique)
    names = answers_named([one["judge"] for one in told])
    return tuple(ShownOpinion(name, one["score"]) for name, one in zip(names, told, strict=True))


def _every_answer(rows: Iterable[Row]) -> list[Row]:
    """The rows with each of several judges in a row of its own, as the run's facts count them."""
    return [answer for row in rows for answer in (opinions_in(row) or [row])]


def judges_of_entries(rows: Iterable[Row]) -> list[ReportJudge]:
    """Who was asked about the entries, from the rows of judge/critiques: each of several judges, or the one model."""
    found: dict[str, ReportJudge] = {}
    for row in rows:
        for one in opinions_in(row):
            samples = max(one["sample"] + 1, found[one["judge"]].samples if one["judge"] in found else 0)
            found[one["judge"]] = ReportJudge(one["judge"], one["model"], samples)
        if not row.get("opinions") and row["answered_by"]:
            found[row["model"]] = ReportJudge(row["model"], row["model"])
    return list(found.values())


def persons_words(database: StateDatabase, batch: str, entries: Mapping[str, Row]) -> dict[str, PersonsWord]:
    """The marks that people gave instead of the judge's, by entry; none that was given to another picture."""
    said = overrides_of(database, "judge", batch)
    words = {
        entry_id: in_force([word for word in said[entry_id] if word.photo_id == entry["photo_id"]]).get(
            "score"
        )
        for entry_id, entry in entries.items()
        if entry_id in said
    }
    return {
        entry_id: PersonsWord(score=word.value, who=word.who, reason=word.reason)
        for entry_id, word in words.items()
        if word is not None
    }


def _drift(stage: Stage, competition: Competition, critiques: Sequence[Row]) -> Drift | None:
    """The round beside earlier ones of its competition; rounds without a rules file have nothing in common."""
    if pinned_rules(stage).file is None:
        return None
    earlier = rounds_before(stage.store, stage.batch, competition.id)
    return drift(marks_of(stage.batch.name, critiques), earlier)


def _rules_facts(stage: Stage) -> list[tuple[str, str]]:
    rules = pinned_rules(stage)
    # The file's name alone: the page may be sent to people whom its folder is no concern of.
    named = PurePosixPath(rules.file).name if rules.file else "the default rules"
    return [("Rules", named), ("Digest of the rules", rules.digest[:12])]


def _entry(
    pictures: Pictures | None,
    row: ResultRow,
    tables: Mapping[str, Mapping[str, Row]],
    competition: Competition,
    *,
    word: PersonsWord | None,
) -> ReportEntry:
    entry, checked, measured, critique = (tables[asset][row.entry_id] for asset in ONE_ROW_AN_ENTRY)
    compliance = Compliance(
        entry_id=row.entry_id, verdict=checked["verdict"], findings=json.loads(checked["findings"])
    )
    there = measured["error_class"] is None
    shown = Shown(None)
    evidence: dict[str, bytes] = {}
    if there and pictures is not None:
        photo = pictures.stage.photo_file(entry)
        shown = pictures.of(row, photo)
        evidence = pictures.evidence(photo.photo_id, compliance.findings)
    return ReportEntry(
        entry_id=row.entry_id,
        title=shown_title(entry),
        file_name=entry["file_name"] or entry["relative_path"],
        category=category_of(entry["relative_path"], competition),
        thumbnail=shown.card,
        large=shown.large,
        critique=(
            read_critique({name: critique[name] for name in Critique.model_fields})
            if critique["score"] is not None
            else None
        ),
        compliance=compliance,
        signals=signal_values(measured) if there else None,
        evidence=evidence,
        word=word,
        opinions=_opinions(critique),
    )
