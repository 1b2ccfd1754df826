"""judge/critiques: marks and a critique for every entry that is eligible, by one prompt and one model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imageworks.judge_vision.critiquing import critique_facts, critique_variables, read_critique
from imageworks.judge_vision.naming import category_of
from imageworks_dagster.asking import Asker, Question
from imageworks_dagster.judging.rules import competition_of
from imageworks_dagster.picturing import contact_sheet, thumbnails
from imageworks_dagster.stages import Outcome, inherited_error
from imageworks_dagster.tables import signal_values

if TYPE_CHECKING:
    from imageworks.judge_vision.competition import Competition
    from imageworks.judge_vision.critiquing import Critique
    from imageworks_dagster.stages import Row, Stage

INELIGIBLE = "not_eligible"
SHEET_PHOTOS = 18


def critique_entries(stage: Stage) -> Outcome:
    """One row an entry; those that fail compliance or cannot be decoded are not shown to the judge."""
    entries = stage.read("judge/entries")
    verdicts = stage.read_by_entry("judge/compliance")
    signals = stage.read_by_entry("judge/signals")
    competition = competition_of(stage)
    rows: list[Row] = []
    questions: list[Question] = []
    for entry in entries:
        measured = signals[entry["entry_id"]]
        if measured["error_class"]:
            rows.append(stage.row(entry, **inherited_error(measured)))
        elif verdicts[entry["entry_id"]]["verdict"] == "fail":
            rows.append(
                stage.row(entry, error_class=INELIGIBLE, error_message="breaks a rule; see judge/compliance")
            )
        else:
            questions.append(_question(stage, entry, measured, competition))
    asker = Asker(stage)
    answers = asker.ask(questions, read=read_critique)
    for question in questions:
        answer, critique = answers[question.key]
        rows.append(stage.row(question.entry, **asker.answer_columns(answer), **_marks(critique)))
    scores = [row["score"] for row in rows if row.get("score") is not None]
    return Outcome(
        rows,
        metadata={"mean_score": round(sum(scores) / len(scores), 2)} if scores else {},
        picture=_best_first(stage, entries, rows) if scores else None,
        headline=("entry_id", "score", "impact", "composition", "technique", "critique", "error_class"),
    )


def _best_first(stage: Stage, entries: list[Row], rows: list[Row]) -> bytes:
    """The photos with the highest marks, best first: what an organizer would rather look at than numbers."""
    by_id = {entry["entry_id"]: entry for entry in entries}
    marked = [row for row in rows if row.get("score") is not None]
    best = sorted(marked, key=lambda row: (-row["score"], -row["weighted"], row["entry_id"]))[:SHEET_PHOTOS]
    photos = [stage.photo_file(by_id[row["entry_id"]]) for row in best]
    return contact_sheet(thumbnails(stage.store.home, stage.settings, photos))


def _question(stage: Stage, entry: Row, measured: Row, competition: Competition) -> Question:
    signals = signal_values(measured)
    return Question(
        key=entry["entry_id"],
        entry=entry,
        variables=critique_variables(
            title=entry["title"],
            category=category_of(entry["relative_path"], competition),
            signals=signals,
            competition=competition,
        ),
        measured=critique_facts(
            title=entry["title"], signals=signals, width=entry["width"], height=entry["height"]
        ),
        photos=(stage.photo_file(entry),),
    )


def _marks(critique: Critique | None) -> dict[str, Any]:
    if critique is None:
        return {}
    return {
        "score": critique.score,
        "impact": critique.impact,
        "composition": critique.composition,
        "technique": critique.technique,
        "weighted": critique.weighted,
        "critique": critique.critique,
        "improvement": critique.improvement,
    }
