from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imageworks.errors import ComparisonError
from imageworks.judge_vision.competition import Playoff
from imageworks.judge_vision.playoff import Candidate, choose_shortlist, most_pairs, next_pairs, progress
from imageworks.judge_vision.ranking import Comparison, rank_by_comparisons

RULES = Playoff()
SCORES = st.dictionaries(st.sampled_from("abcdefghijk"), st.integers(0, 20), min_size=2)


def asked(scores, rules, outcome):
    """A whole playoff, round by round: the pairs of each."""
    games, number = [], 1
    while pairs := next_pairs(scores, games, rules, round_number=number):
        yield pairs
        games += [pair.decided(outcome(pair)) for pair in pairs]
        number += 1


def play(scores, rules=RULES, *, better=None):
    """A whole playoff, by a judge who is never in doubt."""
    marks = better or scores

    def outcome(pair):
        return "a" if marks[pair.a] > marks[pair.b] else "b"

    return [pair.decided(outcome(pair)) for pairs in asked(scores, rules, outcome) for pair in pairs]


def drawn(_):
    return "draw"


@settings(max_examples=20, deadline=None)
@given(scores=SCORES, rounds=st.integers(1, 5), seed=st.integers(0, 3))
def test_nobody_meets_twice_or_plays_twice_in_a_round_or_more_often_than_the_rules_pay_for(
    scores, rounds, seed
):
    played = list(asked(scores, Playoff(rounds=rounds, seed=seed), drawn))
    for pairs in played:
        playing = [entry for pair in pairs for entry in (pair.a, pair.b)]
        assert len(playing) == len(set(playing))
    meetings = [frozenset((pair.a, pair.b)) for pairs in played for pair in pairs]
    assert len(meetings) == len(set(meetings)) <= rounds * (len(scores) // 2)


@settings(max_examples=20, deadline=None)
@given(scores=SCORES)
def test_everybody_meets_two_others_before_anybody_rests(scores):
    games = play(scores, Playoff(rounds=100, places=1))
    counts = [sum(entry in (game.a, game.b) for game in games) for entry in scores]
    assert min(counts) >= min(2, len(scores) - 1)


@settings(max_examples=10, deadline=None)
@given(scores=SCORES, shuffle=st.randoms(use_true_random=False))
def test_the_same_scores_comparisons_and_seed_give_the_same_pairs(scores, shuffle):
    games = play(scores, Playoff(rounds=2))
    entries = list(scores.items())
    shuffle.shuffle(entries)
    shuffled = list(games)
    shuffle.shuffle(shuffled)
    assert next_pairs(dict(entries), shuffled, RULES, round_number=3) == next_pairs(
        scores, games, RULES, round_number=3
    )


@settings(max_examples=20, deadline=None)
@given(scores=SCORES, rounds=st.integers(0, 4), size=st.integers(2, 8))
def test_no_marks_bring_more_pairs_than_the_most(scores, rounds, size):
    rules = Playoff(rounds=rounds, shortlist=size)
    everybody = [Candidate(entry, score, float(score)) for entry, score in scores.items()]
    chosen = choose_shortlist(everybody, rules).entries
    games = play({entry: scores[entry] for entry in chosen}, rules)
    assert len(games) <= most_pairs(len(scores), rules)


def test_another_seed_may_pair_equals_differently():
    scores = dict.fromkeys("abcdefgh", 15)
    rounds = {next_pairs(scores, [], Playoff(seed=seed), round_number=1) for seed in range(6)}
    assert len(rounds) > 1


def test_the_first_round_pairs_neighbors_by_score():
    scores = {"a": 20, "b": 19, "c": 15, "d": 14, "e": 9, "f": 8}
    pairs = {(pair.a, pair.b) for pair in next_pairs(scores, [], RULES, round_number=1)}
    assert pairs == {("a", "b"), ("c", "d"), ("e", "f")}


@settings(max_examples=20, deadline=None)
@given(scores=SCORES, rounds=st.integers(1, 5), choice=st.randoms(use_true_random=False))
def test_a_photo_that_no_model_can_answer_about_takes_one_comparison_of_another_at_most(
    scores, rounds, choice
):
    failing = choice.choice(sorted(scores))
    decided, undecided = [], []
    for number in range(1, rounds + 1):
        for pair in next_pairs(scores, decided, RULES, round_number=number, undecided=undecided):
            if failing in {pair.a, pair.b}:
                undecided.append(pair)
            else:
                decided.append(pair.decided("draw"))
    asked = [frozenset((pair.a, pair.b)) for pair in (*undecided, *decided)]
    assert len(asked) == len(set(asked))


def test_where_nothing_gets_settled_everybody_meets_everybody_and_then_it_ends():
    scores = dict.fromkeys("abcdefgh", 15)
    games = [pair.decided("draw") for pairs in asked(scores, Playoff(rounds=100), drawn) for pair in pairs]
    met = {frozenset((game.a, game.b)) for game in games}
    assert met == {frozenset(pair) for pair in itertools.combinations(scores, 2)}
    assert progress(scores, games, Playoff(rounds=100)).ending == "all met"


def test_it_ends_when_the_places_that_matter_are_settled():
    scores = dict.fromkeys("abcdefghijklmnopqrstuvwxyz", 15)
    rules = Playoff(rounds=25, places=1)

    def outcome(pair):
        return "a" if pair.a == "a" else "draw"

    games = [pair.decided(outcome(pair)) for pairs in asked(scores, rules, outcome) for pair in pairs]
    reached = progress(scores, games, rules)
    assert reached.ending == "settled"
    assert reached.asked == len(games) < reached.most
    assert min(reached.chances) >= 0.95


def test_it_ends_when_its_comparisons_are_spent():
    scores = dict.fromkeys("abcdefgh", 15)
    games = play(scores, Playoff(rounds=2), better={name: index for index, name in enumerate(scores)})
    reached = progress(scores, games, Playoff(rounds=2))
    assert (reached.ending, reached.asked, reached.most, reached.round_robin) == ("spent", 8, 8, 28)
    assert len(reached.chances) == 3


def test_who_is_out_of_the_question_rests_while_the_first_places_are_open():
    scores = dict.fromkeys("abcdefghijkl", 15)
    better = {name: index for index, name in enumerate(scores)}
    games = play(scores, Playoff(rounds=5, places=1), better=better)
    met = Counter(entry for game in games for entry in (game.a, game.b))
    assert min(met["l"], met["k"]) > max(met["a"], met["b"])


def test_the_best_wins_although_its_score_was_lowest():
    scores = dict.fromkeys("abcdefghijk", 18) | {"z": 15}
    better = {name: index for index, name in enumerate("abcdefghijkz")}
    games = play(scores, Playoff(rounds=5), better=better)
    assert rank_by_comparisons(scores, games).standings[0].entry_id == "z"


def simulated(pair, truth, dice, bias=0.5):
    """Two answers by the odds of the lead, times those of a bias for what is shown first."""
    lead = truth[pair.a] - truth[pair.b]
    says = dice.random(2) < 1 / (1 + np.exp(-(lead + np.array([bias, -bias]))))
    return "a" if says.all() else "draw" if says.any() else "b"


@pytest.mark.slow
def test_with_half_of_a_round_robin_the_true_first_three_of_forty_are_found_in_most_rounds():
    found = []
    for seed in range(20):
        dice = np.random.default_rng(seed)
        strengths = np.sort(dice.normal(0, 1, 40))[::-1]
        strengths[:3] += 1 - (strengths[2] - strengths[3])
        names = [f"{number:02}" for number in dice.permutation(40)]
        truth = dict(zip(names, strengths, strict=True))
        rules, games, number = Playoff(rounds=19, shortlist=40), [], 1
        while pairs := next_pairs(dict.fromkeys(names, 15), games, rules, round_number=number):
            games += [pair.decided(simulated(pair, truth, dice)) for pair in pairs]
            number += 1
        assert len(games) <= 390
        first = {standing.entry_id for standing in rank_by_comparisons(names, games).standings[:3]}
        found.append(first == set(names[:3]))
    # `python -m bench ranking` finds 95 % and more in 200 rounds; so few may miss one by chance, hardly three.
    assert sum(found) >= 18


def test_a_clear_first_place_is_settled_with_few_comparisons_in_spite_of_noise_and_bias():
    dice = np.random.default_rng(1)
    truth = dict(zip("abcdefghijklmnop", [3.0, *dice.normal(0, 0.5, 15)], strict=True))
    rules, games, number = Playoff(rounds=15, shortlist=16, places=1), [], 1
    while pairs := next_pairs(dict.fromkeys(truth, 15), games, rules, round_number=number):
        games += [pair.decided(simulated(pair, truth, dice)) for pair in pairs]
        number += 1
    reached = progress(truth, games, rules)
    assert reached.ending == "settled"
    assert reached.asked < reached.round_robin / 2
    assert rank_by_comparisons(truth, games).standings[0].entry_id == "a"


def test_both_orders_of_a_pair_are_asked():
    (pair,) = next_pairs({"x": 3, "y": 4}, [], RULES, round_number=2)
    assert pair.orders == (("x", "y"), ("y", "x"))
    assert pair.decided("b") == Comparison("x", "y", "b")


def test_one_entry_or_none_meets_nobody():
    assert next_pairs({}, [], RULES, round_number=1) == ()
    assert next_pairs({"a": 3}, [], RULES, round_number=1) == ()


def test_a_comparison_of_a_stranger_is_refused():
    with pytest.raises(ComparisonError, match="'q'"):
        next_pairs({"a": 3, "b": 2}, [Comparison("a", "q", "a")], RULES, round_number=2)


def candidates(*scores):
    return [Candidate(f"entry-{index:02}", score, float(score)) for index, score in enumerate(scores)]


def test_the_shortlist_holds_the_best_scored():
    chosen = choose_shortlist(candidates(12, 19, 15, 18), Playoff(shortlist=2))
    assert chosen.entries == ("entry-01", "entry-03")
    assert chosen.cut_by_lot == ()


def test_a_few_ties_at_the_edge_come_in_too():
    chosen = choose_shortlist(candidates(19, 18, 17, 16, 16, 12), Playoff(shortlist=4))
    assert len(chosen.entries) == 5
    assert chosen.cut_by_lot == ()


def test_many_ties_at_the_edge_are_cut_by_lot_and_named():
    everybody = candidates(19, *[15] * 20)
    chosen = choose_shortlist(everybody, Playoff(shortlist=4, seed=1))
    assert len(chosen.entries) == 4
    assert len(chosen.cut_by_lot) == 17
    assert choose_shortlist(reversed(everybody), Playoff(shortlist=4, seed=1)) == chosen
    assert choose_shortlist(everybody, Playoff(shortlist=4, seed=2)).entries != chosen.entries


def test_the_three_marks_order_equal_scores_before_lots_do():
    chosen = choose_shortlist(
        [Candidate("a", 15, 14.6), Candidate("b", 15, 15.4), Candidate("c", 15, 15.2)], Playoff(shortlist=2)
    )
    assert chosen.entries == ("b", "c", "a")[: len(chosen.entries)]
