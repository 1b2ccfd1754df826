"""A playoff that several judges share: who is put which pair, and how many comparisons that costs."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imageworks.judge_vision.competition import Playoff
from imageworks.judge_vision.playoff import Pair, most_pairs, next_pairs, progress
from imageworks.judge_vision.playoff_judges import playoff_judges
from imageworks.judge_vision.ranking import Comparison, fit, rank_by_comparisons

JUDGES = ("near", "far", "third")
SCORES = st.dictionaries(st.sampled_from("abcdefghijk"), st.integers(0, 20), min_size=2)


def play(scores, rules, outcome, judges=JUDGES):
    """A whole playoff: all pairs, and what came of them."""
    pairs, games, number = [], [], 1
    while these := next_pairs(scores, games, rules, round_number=number, judges=judges):
        pairs += these
        games += [pair.decided(outcome(pair)) for pair in these]
        number += 1
    return pairs, games


@settings(max_examples=20, deadline=None)
@given(scores=SCORES, rounds=st.integers(1, 6), seed=st.integers(0, 3))
def test_several_judges_cost_no_more_comparisons_than_the_rules_pay_for_and_none_is_asked_twice(
    scores, rounds, seed
):
    rules = Playoff(rounds=rounds, seed=seed)
    pairs, _ = play(scores, rules, lambda _: "draw")
    asked = [(frozenset((pair.a, pair.b)), pair.judge) for pair in pairs]
    assert (
        len(asked)
        == len(set(asked))
        <= most_pairs(len(scores), rules, judges=3)
        <= rounds * (len(scores) // 2)
    )
    for number in {pair.round for pair in pairs}:
        playing = [entry for pair in pairs if pair.round == number for entry in (pair.a, pair.b)]
        assert len(playing) == len(set(playing))


@settings(max_examples=20, deadline=None)
@given(scores=SCORES, judges=st.sampled_from([JUDGES[:2], JUDGES]))
def test_the_judges_make_about_as_many_comparisons_of_each_section(scores, judges):
    _, games = play(scores, Playoff(rounds=6, places=1), lambda pair: "a", judges)
    made = Counter(game.judge for game in games)
    assert max(made.values()) - min(made[judge] for judge in judges) <= 3


def test_an_entry_meets_another_judge_before_it_meets_one_again():
    scores = dict.fromkeys("abcdefgh", 15)
    pairs, _ = play(scores, Playoff(rounds=2), lambda _: "draw", JUDGES[:2])
    before = {entry: [pair.judge for pair in pairs if entry in (pair.a, pair.b)] for entry in scores}
    assert sum(sorted(those) == ["far", "near"] for those in before.values()) >= 4


def test_two_meet_again_before_another_judge_alone_and_it_ends_when_all_have_met_before_all():
    pairs, games = play({"a": 15, "b": 15}, Playoff(rounds=9), lambda _: "draw")
    assert sorted(pair.judge for pair in pairs) == sorted(JUDGES)
    reached = progress("ab", games, Playoff(rounds=9), judges=JUDGES)
    assert (reached.ending, reached.asked, reached.round_robin) == ("all met", 3, 3)


def test_a_pair_that_one_judge_gave_no_answer_about_may_be_put_to_another():
    rules = Playoff(rounds=9)
    (first,) = next_pairs({"a": 3, "b": 4}, [], rules, round_number=1, judges=JUDGES)
    (second,) = next_pairs({"a": 3, "b": 4}, [], rules, round_number=2, judges=JUDGES, undecided=[first])
    assert first.judge != second.judge


@settings(max_examples=10, deadline=None)
@given(scores=SCORES, shuffle=st.randoms(use_true_random=False))
def test_the_same_comparisons_and_seed_give_the_same_judges(scores, shuffle):
    rules = Playoff(rounds=2)
    _, games = play(scores, rules, lambda pair: "a")
    shuffled = list(games)
    shuffle.shuffle(shuffled)
    later = Playoff(rounds=4)
    assert next_pairs(scores, shuffled, later, round_number=3, judges=JUDGES) == next_pairs(
        scores, games, later, round_number=3, judges=JUDGES
    )


def test_one_judge_is_the_same_playoff_whether_it_is_named_or_not():
    scores = {name: 20 - index for index, name in enumerate("abcdefghij")}
    rules = Playoff(rounds=4)
    nameless, _ = play(scores, rules, lambda pair: "b", ("",))
    named, _ = play(scores, rules, lambda pair: "b", ("near",))
    assert [(pair.round, pair.a, pair.b) for pair in named] == [
        (pair.round, pair.a, pair.b) for pair in nameless
    ]


def test_a_judge_that_answers_by_position_takes_nothing_from_what_the_others_say():
    dice = np.random.default_rng(5)
    truth = np.linspace(-1, 1, 8)
    bias = {"near": 0.0, "far": 4.0}
    games = []
    for one in range(8):
        for other in range(one):
            for judge, shift in bias.items():
                for _ in range(150):
                    odds = truth[one] - truth[other] + np.array([shift, -shift])
                    says = dice.random(2) < 1 / (1 + np.exp(-odds))
                    outcome = "a" if says.all() else "draw" if says.any() else "b"
                    games.append(Comparison(str(one), str(other), outcome, judge))
    found = fit([str(number) for number in range(8)], games)
    np.testing.assert_allclose(found.strengths, truth, atol=0.12)
    # By name: far, near.
    np.testing.assert_allclose(np.exp(found.log_draws), 2 * np.cosh([4.0, 0.0]), rtol=0.2)


def test_two_judges_who_are_alike_are_believed_nearly_as_one_would_be():
    pairs = [("a", "b", "a"), ("b", "c", "a"), ("a", "c", "draw"), ("c", "d", "a"), ("b", "d", "a")] * 6
    one = rank_by_comparisons("abcd", [Comparison(*pair) for pair in pairs])
    two = rank_by_comparisons(
        "abcd", [Comparison(*pair, judge) for pair in pairs[:15] for judge in JUDGES[:2]]
    )
    assert [each.entry_id for each in one.standings] == [each.entry_id for each in two.standings]
    for alone, shared in zip(one.standings, two.standings, strict=True):
        assert shared.strength == pytest.approx(alone.strength, abs=0.25)


def test_each_judges_share_and_bias_are_its_own_and_one_that_was_asked_nothing_is_there_too():
    answers = {
        Pair(1, "a", "b", "near"): ("first", "first"),
        Pair(1, "c", "d", "near"): ("first", "second"),
        Pair(2, "a", "c", "far"): ("second", None),
    }
    near, far, third = playoff_judges(JUDGES, answers)
    assert (near.comparisons, near.draws, near.without_answer) == (2, 1, 0)
    assert (near.position_bias.pairs, near.position_bias.first_twice) == (2, 1)
    assert (far.comparisons, far.without_answer, far.position_bias) == (0, 1, None)
    assert (third.judge, third.comparisons, third.without_answer) == ("third", 0, 0)
