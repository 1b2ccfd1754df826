"""judge/playoff: the best-scored entries compared in pairs, in rounds, each pair in both orders."""

from __future__ import annotations

from collections import Counter
from itertools import count
from typing import TYPE_CHECKING

from imageworks.judge_vision.comparing import (
    Shown,
    combine,
    pairwise_facts,
    pairwise_variables,
    read_pairwise,
)
from imageworks.judge_vision.naming import category_of
from imageworks.judge_vision.playoff import Candidate, most_pairs, next_pairs, progress
from imageworks.judge_vision.position_bias import position_bias
from imageworks.judge_vision.sections import choose_shortlists
from imageworks_dagster.asking import Asker, Question
from imageworks_dagster.judging.categories import categories
from imageworks_dagster.judging.critiques import critique_questions
from imageworks_dagster.judging.rules import competition_of
from imageworks_dagster.stages import Outcome
from imageworks_dagster.tables import signal_values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imageworks.judge_vision.competition import Competition
    from imageworks.judge_vision.playoff import Pair
    from imageworks.judge_vision.ranking import Comparison
    from imageworks_dagster.stages import BatchTables, Row, Stage


def compare_shortlist(stage: Stage) -> Outcome:
    """One row a question: two rows a pair.

    Rounds are a barrier: who meets next depends on all answers so far, never on which came first.
    """
    competition = competition_of(stage)
    rules = competition.playoff
    entries = stage.read_by_entry("judge/entries")
    signals = stage.read_by_entry("judge/signals")
    critiques = {row["entry_id"]: row for row in stage.read("judge/critiques") if row["score"] is not None}
    shortlists = choose_shortlists(
        [Candidate(entry, row["score"], row["weighted"]) for entry, row in critiques.items()],
        categories(critiques, entries, competition),
        competition,
    ).values()
    sections = [{entry: critiques[entry]["score"] for entry in each.entries} for each in shortlists]
    shown = {
        entry: _shown(entries[entry], signals[entry], competition) for scores in sections for entry in scores
    }
    asker = Asker(stage)
    rows: list[Row] = []
    decided: list[Comparison] = []
    undecided: list[Pair] = []
    answers = []
    for round_number in count(1):
        pairs = [
            pair
            for scores in sections
            for pair in next_pairs(
                scores,
                [game for game in decided if game.a in scores],
                rules,
                round_number=round_number,
                undecided=[pair for pair in undecided if pair.a in scores],
            )
        ]
        if not pairs:
            break
        answered = _ask_round(stage, asker, pairs, entries, shown, competition=competition)
        rows += answered.values()
        for pair in pairs:
            a_first, b_first = (answered[order].get("winner") for order in pair.orders)
            answers.append((a_first, b_first))
            outcome = combine(a_first, b_first)
            if outcome is None:
                undecided.append(pair)
            else:
                decided.append(pair.decided(outcome))
    reached = [
        progress(
            scores,
            [game for game in decided if game.a in scores],
            rules,
            undecided=[pair for pair in undecided if pair.a in scores],
        )
        for scores in sections
        if len(scores) > 1
    ]
    bias = position_bias(answers)
    return Outcome(
        rows,
        metadata={
            "ended": ", ".join(each.ending or "open" for each in reached) or "nobody to compare",
            "pairs_saved_of_most": sum(each.most - each.asked for each in reached),
            "pairs_of_a_round_robin": sum(each.round_robin for each in reached),
            "surety_of_first_places": "; ".join(
                ", ".join(f"{100 * chance:.0f} %" for chance in each.chances) for each in reached
            ),
            "position_bias": bias.words() if bias else "no pair was answered in both orders",
            "shortlist": len(shown),
            "left_out_by_lot": sum(len(each.cut_by_lot) for each in shortlists),
            "pairs_decided": len(decided),
            "pairs_drawn": sum(1 for game in decided if game.outcome == "draw"),
            "pairs_without_answer": len(undecided),
        },
        headline=("entry_id", "opponent_id", "playoff_round", "winner", "reason", "error_class"),
    )


def most_questions(tables: BatchTables, competition: Competition) -> int:
    """The most questions that a playoff of the batch can come to, whatever the marks of its entries are."""
    asked = critique_questions(tables, competition).asked
    sections = Counter(category_of(one.entry["relative_path"], competition) for one in asked)
    return sum(2 * most_pairs(size, competition.playoff) for size in sections.values())


def _ask_round(
    stage: Stage,
    asker: Asker,
    pairs: Sequence[Pair],
    entries: Mapping[str, Row],
    shown: Mapping[str, Shown],
    *,
    competition: Competition,
) -> dict[tuple[str, str], Row]:
    """The rows of a round, by (shown first, shown second)."""
    questions = {
        order: Question(
            key="\0".join(order),
            entry=entries[order[0]],
            variables=pairwise_variables(shown[order[0]], shown[order[1]], competition=competition),
            measured=pairwise_facts(shown[order[0]], shown[order[1]]),
            photos=(stage.photo_file(entries[order[0]]), stage.photo_file(entries[order[1]])),
        )
        for pair in pairs
        for order in pair.orders
    }
    answers = asker.ask(questions.values(), read=read_pairwise)
    rows = {}
    for order, question in questions.items():
        answer, read = answers[question.key]
        verdict = {} if read is None else {"winner": read.winner, "reason": read.reason}
        rows[order] = stage.row(
            question.entry,
            **asker.answer_columns(answer),
            opponent_id=order[1],
            playoff_round=pairs[0].round,
            **verdict,
        )
    return rows


def _shown(entry: Row, measured: Row, competition: Competition) -> Shown:
    return Shown(
        title=entry["title"],
        category=category_of(entry["relative_path"], competition),
        signals=signal_values(measured),
        width=entry["width"],
        height=entry["height"],
    )
