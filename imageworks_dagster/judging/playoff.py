"""judge/playoff: the best-scored entries compared in pairs, in rounds, each pair in both orders.

Of several judges each pair is put to one; a round is asked of one judge after the other, so that a model is loaded
once a round.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from imageworks.judge_vision.anchors import anchor_mark
from imageworks.judge_vision.comparing import (
    Shown,
    combine,
    pairwise_facts,
    pairwise_variables,
    read_pairwise,
)
from imageworks.judge_vision.naming import category_of
from imageworks.judge_vision.playoff import ONE_JUDGE, Candidate, most_pairs, next_pairs, progress
from imageworks.judge_vision.playoff_judges import playoff_judges
from imageworks.judge_vision.position_bias import position_bias
from imageworks.judge_vision.sections import choose_shortlists
from imageworks_dagster.asking import Asker, Question, see_panel
from imageworks_dagster.judging.categories import categories
from imageworks_dagster.judging.critiques import critique_questions
from imageworks_dagster.judging.rules import competition_of
from imageworks_dagster.stages import Outcome
from imageworks_dagster.tables import signal_values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imageworks.judge_vision.comparing import Winner
    from imageworks.judge_vision.competition import Competition
    from imageworks.judge_vision.playoff import Pair
    from imageworks.judge_vision.ranking import Comparison
    from imageworks_dagster.choices import Choice, Judge
    from imageworks_dagster.stages import BatchTables, Row, Stage


def compare_shortlist(stage: Stage) -> Outcome:
    """One row a question: two rows a pair.

    Rounds are a barrier: who meets next depends on all answers so far, never on which came first.
    """
    competition = competition_of(stage)
    rules = competition.playoff
    entries = stage.read_by_entry("judge/entries")
    signals = stage.read_by_entry("judge/signals")
    critiques = {
        row["entry_id"]: row
        for row in stage.read("judge/critiques")
        if row["score"] is not None
        and anchor_mark(entries[row["entry_id"]]["relative_path"], competition) is None
    }
    shortlists = choose_shortlists(
        [Candidate(entry, row["score"], row["weighted"]) for entry, row in critiques.items()],
        categories(critiques, entries, competition),
        competition,
    ).values()
    sections = [{entry: critiques[entry]["score"] for entry in each.entries} for each in shortlists]
    shown = {
        entry: _shown(entries[entry], signals[entry], competition) for scores in sections for entry in scores
    }
    panel = _Panel.of(stage)
    rows: list[Row] = []
    decided: list[Comparison] = []
    undecided: list[Pair] = []
    answers: dict[Pair, tuple[Winner | None, Winner | None]] = {}
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
                judges=panel.judges,
            )
        ]
        if not pairs:
            break
        answered = _ask_round(stage, panel, pairs, entries, shown, competition=competition)
        rows += answered.values()
        for pair in pairs:
            a_first, b_first = (answered[order].get("winner") for order in pair.orders)
            answers[pair] = (a_first, b_first)
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
            judges=panel.judges,
        )
        for scores in sections
        if len(scores) > 1
    ]
    return Outcome(
        rows,
        metadata={
            "ended": ", ".join(each.ending or "open" for each in reached) or "nobody to compare",
            "pairs_saved_of_most": sum(each.most - each.asked for each in reached),
            "pairs_of_a_round_robin": sum(each.round_robin for each in reached),
            "surety_of_first_places": "; ".join(
                ", ".join(f"{100 * chance:.0f} %" for chance in each.chances) for each in reached
            ),
            **_of_judges(panel, answers),
            "shortlist": len(shown),
            "left_out_by_lot": sum(len(each.cut_by_lot) for each in shortlists),
            "pairs_decided": len(decided),
            "pairs_drawn": sum(1 for game in decided if game.outcome == "draw"),
            "pairs_without_answer": len(undecided),
        },
        headline=(
            "entry_id",
            "opponent_id",
            "playoff_round",
            *panel.column,
            "winner",
            "reason",
            "error_class",
        ),
    )


def distinct_judges(choice: Choice) -> tuple[Judge, ...]:
    """Those of a panel who are asked in the playoff, in their order; none where that is one judge.

    Two who ask one model in the same words would give the same answer, and it would count twice: of those the first
    is asked. How often a judge marks an entry says nothing here: a comparison is asked in both orders as it is.
    """
    by_question: dict[tuple[str, str], Judge] = {}
    for judge in choice.judges:
        by_question.setdefault((judge.model.name, judge.profile.stage_hash(choice.profile_stage)), judge)
    return tuple(by_question.values()) if len(by_question) > 1 else ()


@dataclass(frozen=True)
class _Panel:
    """Who is asked, by the name that pairs have for them; the one judge that is usual has none."""

    askers: Mapping[str, Asker]

    @classmethod
    def of(cls, stage: Stage) -> _Panel:
        choice = stage.choice
        assert choice is not None  # noqa: S101 - a stage that asks
        several = distinct_judges(choice)
        if not several:
            return cls({judge: Asker(stage) for judge in ONE_JUDGE})
        return cls({judge.text: Asker(stage, judge.profile, judge.model) for judge in several})

    @property
    def judges(self) -> tuple[str, ...]:
        return tuple(self.askers)

    @property
    def column(self) -> tuple[str, ...]:
        """The column that names the judge, where there are several."""
        return ("judge",) if len(self.askers) > 1 else ()

    def columns(self, judge: str) -> Row:
        """What a row says of who was asked."""
        return {"judge": judge, "judges": list(self.judges)} if self.column else {}


def _of_judges(panel: _Panel, answers: Mapping[Pair, tuple[Winner | None, Winner | None]]) -> dict[str, str]:
    """What the order of showing does to each judge, and how the comparisons were shared out."""
    nothing = "no pair was answered in both orders"
    if not panel.column:
        bias = position_bias(answers.values())
        return {"position_bias": bias.words() if bias else nothing}
    told = playoff_judges(panel.judges, answers)
    return {
        "pairs_by_judge": ", ".join(f"{one.judge} {one.comparisons}" for one in told),
        "position_bias": " ".join(
            one.position_bias.words(one.judge) if one.position_bias else f"{one.judge}: {nothing}."
            for one in told
        ),
    }


def most_questions(tables: BatchTables, competition: Competition, *, judges: int = 1) -> int:
    """The most questions that a playoff of the batch can come to, whatever the marks of its entries are."""
    asked = critique_questions(tables, competition).asked
    sections = Counter(category_of(one.entry["relative_path"], competition) for one in asked)
    return sum(2 * most_pairs(size, competition.playoff, judges=max(judges, 1)) for size in sections.values())


def _ask_round(
    stage: Stage,
    panel: _Panel,
    pairs: Sequence[Pair],
    entries: Mapping[str, Row],
    shown: Mapping[str, Shown],
    *,
    competition: Competition,
) -> dict[tuple[str, str], Row]:
    """The rows of a round, by (shown first, shown second)."""
    rows = {}
    # Every other round the other way: the model that answered last is there still.
    judges = panel.judges if pairs[0].round % 2 else reversed(panel.judges)
    asked = {
        judge: {
            order: Question(
                key="\0".join(order),
                entry=entries[order[0]],
                variables=pairwise_variables(shown[order[0]], shown[order[1]], competition=competition),
                measured=pairwise_facts(shown[order[0]], shown[order[1]]),
                photos=(stage.photo_file(entries[order[0]]), stage.photo_file(entries[order[1]])),
            )
            for pair in pairs
            if pair.judge == judge
            for order in pair.orders
        }
        for judge in judges
    }
    if panel.column:
        see_panel(
            stage, ((judge, panel.askers[judge], questions.values()) for judge, questions in asked.items())
        )
    for judge, questions in asked.items():
        asker = panel.askers[judge]
        if not questions:
            continue
        answers = asker.ask(questions.values(), read=read_pairwise)
        for order, question in questions.items():
            answer, read = answers[question.key]
            verdict = {} if read is None else {"winner": read.winner, "reason": read.reason}
            rows[order] = stage.row(
                question.entry,
                **asker.answer_columns(answer),
                opponent_id=order[1],
                playoff_round=pairs[0].round,
                **panel.columns(judge),
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
