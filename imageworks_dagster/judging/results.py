"""judge/results: places with their intervals, awards, the report and the CSV."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from imageworks.judge_vision.anchors import Anchored, anchor_mark, calibrate, calibrated
from imageworks.judge_vision.comparing import combine
from imageworks.judge_vision.playoff import Candidate, Pair
from imageworks.judge_vision.playoff_judges import playoff_judges
from imageworks.judge_vision.position_bias import position_bias
from imageworks.judge_vision.results import Contender
from imageworks.judge_vision.sections import choose_shortlists, rank_sections
from imageworks_dagster.judging.categories import categories
from imageworks_dagster.judging.opinions import models_of, opinions_in
from imageworks_dagster.judging.report import publish_report
from imageworks_dagster.judging.rules import competition_of
from imageworks_dagster.stages import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imageworks.judge_vision.comparing import Winner
    from imageworks.judge_vision.results import Result
    from imageworks_dagster.stages import Row, Stage


def announce(stage: Stage) -> Outcome:
    """One row an entry; entries that break a rule or have no critique are listed without a place."""
    competition = competition_of(stage)
    entries = stage.read_by_entry("judge/entries")
    verdicts = stage.read_by_entry("judge/compliance")
    critiques = stage.read_by_entry("judge/critiques")
    stage.progress.expect(len(entries))
    category = categories(critiques, entries, competition)
    anchors = {
        entry: mark
        for entry in critiques
        if (mark := anchor_mark(entries[entry]["relative_path"], competition)) is not None
    }
    scores = {entry: row["score"] for entry, row in critiques.items() if row["score"] is not None}
    calibration = calibrate(
        [Anchored(entry, mark, scores[entry]) for entry, mark in anchors.items() if entry in scores]
    )
    on_scale = calibrated(calibration, scores)
    shortlists = choose_shortlists(
        [
            Candidate(entry, row["score"], row["weighted"])
            for entry, row in critiques.items()
            if row["score"] is not None and entry not in anchors
        ],
        category,
        competition,
    )
    questions = stage.read("judge/playoff")
    asked = asked_pairs(questions)
    judges = judges_of(questions)
    outcomes = {pair: combine(*answers) for pair, answers in asked.items()}
    result = rank_sections(
        [
            Contender(
                entry_id=entry,
                score=row["score"],
                weighted=row["weighted"],
                verdict=verdicts[entry]["verdict"],
                error_class=row["error_class"],
                anchor=entry in anchors,
                answers=len(opinions_in(row)) or 1,
            )
            for entry, row in critiques.items()
        ],
        category,
        competition,
        comparisons=[pair.decided(outcome) for pair, outcome in outcomes.items() if outcome is not None],
        shortlists=shortlists,
        undecided=[pair for pair, outcome in outcomes.items() if outcome is None],
        position_bias=None if judges else position_bias(asked.values()),
        playoff_judges=playoff_judges(judges, asked),
    )
    rows: list[Row] = []
    for one in result.rows:
        entry, critique = entries[one.entry_id], critiques[one.entry_id]
        rows.append(
            stage.row(
                entry,
                **{name: critique[name] for name in CARRIED},
                models=models_of(critique),
                title=entry["title"],
                verdict=verdicts[one.entry_id]["verdict"],
                category=one.category or None,
                place=one.place,
                place_low=one.place_low,
                place_high=one.place_high,
                score=critique["score"],
                calibrated=on_scale.get(one.entry_id),
                award=one.award,
                strength=one.strength,
                strength_low=one.strength_low,
                strength_high=one.strength_high,
                tied=one.tied,
                tied_with=list(one.tied_with),
                decided_by=one.decided_by,
                reason=one.reason or None,
            )
        )
        stage.progress.advance()
    report = publish_report(stage, competition, result, calibration)
    return Outcome(
        rows,
        metadata={
            "ranked": len(result.ranked),
            "pairs": result.pairs,
            "anchors": len(anchors),
            "how_it_came_about": _told(result),
            **report.metadata,
        },
        picture=report.picture,
        headline=("category", "place", "title", "score", "award", "place_low", "place_high", "verdict"),
    )


def _told(result: Result) -> str:
    """The sentences of the report, for the web UI."""
    bias = [result.position_bias.words()] if result.position_bias else []
    bias += [
        one.position_bias.words(one.judge) for one in result.playoff_judges if one.position_bias is not None
    ]
    of_sections = [f"{one.category}: {sentence}" for one in result.sections for sentence in one.explanation]
    return "\n".join((*result.explanation, *of_sections, *bias))


CARRIED = (
    "answered_by",
    "profile_id",
    "stage_hash",
    "model",
    "model_revision",
    "error_class",
    "error_message",
)
"""Columns that a result carries on from its critique."""


def judges_of(questions: Sequence[Row]) -> tuple[str, ...]:
    """All who shared the comparisons of a playoff; none where there was one judge, or nobody was compared."""
    # A table of an earlier version has no such column.
    return tuple(questions[0].get("judges") or ()) if questions else ()


def asked_pairs(questions: Iterable[Row]) -> dict[Pair, tuple[Winner | None, Winner | None]]:
    """The pairs of the playoff, each with the winner when A was shown first, and when B was."""
    winners: dict[Pair, dict[str, Winner | None]] = defaultdict(dict)
    for row in questions:
        first, second = row["entry_id"], row["opponent_id"]
        pair = Pair(row["playoff_round"], min(first, second), max(first, second), row.get("judge") or "")
        winners[pair][first] = row["winner"]
    in_order = sorted(winners.items(), key=lambda each: (each[0].round, each[0].a, each[0].b))
    return {pair: (by_first.get(pair.a), by_first.get(pair.b)) for pair, by_first in in_order}
