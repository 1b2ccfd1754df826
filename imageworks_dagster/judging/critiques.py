"""judge/critiques: marks and a critique for every entry that is eligible, by one prompt and one model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imageworks.judge_vision.critiquing import critique_facts, critique_variables, read_critique
from imageworks.judge_vision.naming import category_of
from imageworks_dagster.asking import Asker, Question, Questions
from imageworks_dagster.judging.opinions import ask_panel, opinions_in, row_of
from imageworks_dagster.judging.rules import competition_of
from imageworks_dagster.picturing import contact_sheet, thumbnails
from imageworks_dagster.stages import Outcome, inherited_error
from imageworks_dagster.tables import signal_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imageworks.judge_vision.competition import Competition
    from imageworks.judge_vision.critiquing import Critique
    from imageworks_dagster.choices import Judge
    from imageworks_dagster.stages import BatchTables, Row, Stage

INELIGIBLE = "not_eligible"
SHEET_PHOTOS = 18


def critique_entries(stage: Stage) -> Outcome:
    """One row an entry; those that fail compliance or cannot be decoded are not shown to the judge."""
    entries = stage.read("judge/entries")
    questions = critique_questions(stage, competition_of(stage))
    rows = [*stage.gathered, *(stage.row(entry, **why) for entry, why in questions.unasked)]
    judges = stage.choice.judges if stage.choice is not None else ()
    rows += _of_panel(stage, judges, questions) if judges else _of_one(stage, questions)
    scores = [row["score"] for row in rows if row.get("score") is not None]
    return Outcome(
        rows,
        metadata={
            **({"mean_score": round(sum(scores) / len(scores), 2)} if scores else {}),
            **(_of_spread(rows) if judges else {}),
        },
        picture=_best_first(stage, entries, rows) if scores else None,
        headline=("entry_id", "score", "impact", "composition", "technique", "critique", "error_class"),
    )


def _of_one(stage: Stage, questions: Questions) -> list[Row]:
    asker = Asker(stage)
    answers = asker.ask(questions.asked, read=read_critique)
    return [
        stage.row(
            question.entry,
            **asker.answer_columns(answers[question.key][0]),
            **_marks(answers[question.key][1]),
        )
        for question in questions.asked
    ]


def _of_panel(stage: Stage, judges: Sequence[Judge], questions: Questions) -> list[Row]:
    opinions = ask_panel(stage, judges, questions.asked)
    return [stage.row(question.entry, **row_of(opinions[question.key])) for question in questions.asked]


def _of_spread(rows: Sequence[Row]) -> dict[str, Any]:
    """How far the judges were apart, and how many of their answers are missing."""
    apart = [row["score_high"] - row["score_low"] for row in rows if row.get("score_low") is not None]
    missing = sum(1 for row in rows for one in opinions_in(row) if one["error_class"])
    return {
        "mean_spread_of_judges": round(sum(apart) / len(apart), 2) if apart else None,
        "opinions_without_answer": missing,
    }


def critique_questions(tables: BatchTables, competition: Competition) -> Questions:
    """What the judge is asked about the entries of a batch, as its tables are."""
    verdicts = tables.read_by_entry("judge/compliance")
    signals = tables.read_by_entry("judge/signals")
    questions = Questions([], [])
    for entry in tables.entries("judge/entries"):
        measured = signals[entry["entry_id"]]
        if measured["error_class"]:
            questions.unasked.append((entry, inherited_error(measured)))
        elif verdicts[entry["entry_id"]]["verdict"] == "fail":
            broken = {"error_class": INELIGIBLE, "error_message": "breaks a rule; see judge/compliance"}
            questions.unasked.append((entry, broken))
        else:
            questions.asked.append(_question(tables, entry, measured, competition))
    return questions


def _best_first(stage: Stage, entries: list[Row], rows: list[Row]) -> bytes:
    """The photos with the highest marks, best first: what an organizer would rather look at than numbers."""
    by_id = {entry["entry_id"]: entry for entry in entries}
    marked = [row for row in rows if row.get("score") is not None]
    best = sorted(marked, key=lambda row: (-row["score"], -row["weighted"], row["entry_id"]))[:SHEET_PHOTOS]
    photos = [stage.photo_file(by_id[row["entry_id"]]) for row in best]
    return contact_sheet(thumbnails(stage.store.home, stage.settings, photos))


def _question(tables: BatchTables, entry: Row, measured: Row, competition: Competition) -> Question:
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
        photos=(tables.photo_file(entry),),
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
