from __future__ import annotations

import itertools

import pytest

from imageworks.baseline.judging import compare
from imageworks.errors import AnswerMisread, ComparisonError
from imageworks.judge_vision.comparing import (
    Shown,
    combine,
    pairwise_facts,
    pairwise_variables,
    read_pairwise,
)
from imageworks.judge_vision.competition import Competition, Rules, default_competition

WORDS = ("first", "second", "draw")


def test_only_an_agreement_of_both_orders_is_a_win():
    decided = {pair: combine(*pair) for pair in itertools.product(WORDS, repeat=2)}
    assert decided[("first", "second")] == "a"
    assert decided[("second", "first")] == "b"
    assert {outcome for pair, outcome in decided.items() if set(pair) != {"first", "second"}} == {"draw"}


def test_a_judge_who_always_prefers_the_first_decides_nothing():
    assert combine("first", "first") == "draw"


@pytest.mark.parametrize("answers", [(None, "first"), ("second", None), (None, None)])
def test_a_missing_answer_is_a_win_for_nobody(answers):
    assert combine(*answers) is None


def test_a_word_that_is_no_winner_is_refused():
    with pytest.raises(ComparisonError, match="'A'"):
        combine("A", "first")


def test_answers_are_read_or_refused_by_field():
    assert read_pairwise({"winner": "draw", "reason": "Equal."}).winner == "draw"
    for wrong, named in (
        ({"winner": "A", "reason": "x"}, "winner"),
        ({"winner": "first"}, "reason"),
        ({"winner": "first", "reason": "x", "score": 3}, "score"),
        (None, "the answer"),
    ):
        with pytest.raises(AnswerMisread, match=named):
            read_pairwise(wrong)


def test_a_comparison_is_told_what_the_club_says(signals):
    competition = Competition(id="spring", notes="Borders are welcome.", rules=Rules(manipulation="none"))
    shown = Shown("Blue Hour", "", signals, 1600, 1067)
    told = pairwise_variables(shown, shown, competition=competition)["rules_notes"]
    assert told == competition.rules_notes()
    assert "Borders are welcome." in told


def test_the_two_photos_keep_their_sides(signals):
    sharp = Shown("Blue\nHour", "Colour", signals, 1600, 1067)
    soft = Shown("Grey Hour", "Mono", {**signals, "sharpness": 3.0}, 1600, 1067)
    variables = pairwise_variables(sharp, soft, competition=default_competition())
    assert variables["title_a"] == "Blue Hour"
    assert (variables["category_a"], variables["category_b"]) == ("Colour", "Mono")
    assert "Sharpness: blurred" in variables["signals_b"]
    answers = [compare(pairwise_facts(*order))["winner"] for order in ((sharp, soft), (soft, sharp))]
    assert combine(*answers) == "a"
