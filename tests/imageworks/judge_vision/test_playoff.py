from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imageworks.errors import ComparisonError
from imageworks.judge_vision.competition import Playoff
from imageworks.judge_vision.playoff import Candidate, choose_shortlist, most_pairs, next_pairs
from imageworks.judge_vision.ranking import Comparison, rank_by_comparisons

SCORES = st.dictionaries(st.sampled_from("abcdefghijk"), st.integers(0, 20), min_size=2)


def play(scores, rounds, *, seed=0, better=None):
    games = []
    marks = better or scores
    for number in range(1, rounds + 1):
        pairs = next_pairs(scores, games, round_number=number, seed=seed)
        games += [pair.decided("a" if marks[pair.a] > marks[pair.b] else "b") for pair in pairs]
    return games


@settings(max_examples=20, deadline=None)
@given(scores=SCORES, rounds=st.integers(1, 5), seed=st.integers(0, 3))
def test_nobody_meets_twice_or_plays_twice_in_a_round(scores, rounds, seed):
    games = []
    for number in range(1, rounds + 1):
        pairs = next_pairs(scores, games, round_number=number, seed=seed)
        playing = [entry for pair in pairs for entry in (pair.a, pair.b)]
        assert len(playing) == len(set(playing))
        games += [pair.decided("draw") for pair in pairs]
    meetings = [frozenset((game.a, game.b)) for game in games]
    assert len(meetings) == len(set(meetings))
    counts = [sum(entry in meeting for meeting in meetings) for entry in scores]
    assert max(counts) - min(counts) <= 1


@settings(max_examples=10, deadline=None)
@given(scores=SCORES, shuffle=st.randoms(use_true_random=False))
def test_the_same_scores_comparisons_and_seed_give_the_same_pairs(scores, shuffle):
    games = play(scores, 2)
    entries = list(scores.items())
    shuffle.shuffle(entries)
    shuffled = list(games)
    shuffle.shuffle(shuffled)
    assert next_pairs(dict(entries), shuffled, round_number=3) == next_pairs(scores, games, round_number=3)


@settings(max_examples=20, deadline=None)
@given(scores=SCORES, rounds=st.integers(0, 4), size=st.integers(2, 8))
def test_no_marks_bring_more_pairs_than_the_most(scores, rounds, size):
    rules = Playoff(rounds=rounds, shortlist=size)
    everybody = [Candidate(entry, score, float(score)) for entry, score in scores.items()]
    chosen = choose_shortlist(everybody, rules).entries
    games = play({entry: scores[entry] for entry in chosen}, rounds)
    assert len(games) <= most_pairs(len(scores), rules)


def test_another_seed_may_pair_equals_differently():
    scores = dict.fromkeys("abcdefgh", 15)
    rounds = {next_pairs(scores, [], round_number=1, seed=seed) for seed in range(6)}
    assert len(rounds) > 1


def test_the_first_round_pairs_neighbors_by_score():
    scores = {"a": 20, "b": 19, "c": 15, "d": 14, "e": 9, "f": 8}
    pairs = {(pair.a, pair.b) for pair in next_pairs(scores, [], round_number=1)}
    assert pairs == {("a", "b"), ("c", "d"), ("e", "f")}


@settings(max_examples=20, deadline=None)
@given(scores=SCORES, rounds=st.integers(1, 5), choice=st.randoms(use_true_random=False))
def test_a_photo_that_no_model_can_answer_about_takes_one_comparison_of_another_at_most(
    scores, rounds, choice
):
    failing = choice.choice(sorted(scores))
    decided, undecided = [], []
    for number in range(1, rounds + 1):
        for pair in next_pairs(scores, decided, round_number=number, undecided=undecided):
            if failing in {pair.a, pair.b}:
                undecided.append(pair)
            else:
                decided.append(pair.decided("draw"))
    asked = [frozenset((pair.a, pair.b)) for pair in (*undecided, *decided)]
    assert len(asked) == len(set(asked))


def test_with_enough_rounds_everybody_meets_everybody():
    scores = {name: 20 - index for index, name in enumerate("abcdefgh")}
    games = play(scores, 7)
    met = {frozenset((game.a, game.b)) for game in games}
    assert met == {frozenset(pair) for pair in itertools.combinations(scores, 2)}
    assert next_pairs(scores, games, round_number=8) == ()


def test_the_best_wins_although_its_score_was_lowest():
    scores = dict.fromkeys("abcdefghijk", 18) | {"z": 15}
    better = {name: index for index, name in enumerate("abcdefghijkz")}
    games = play(scores, 5, better=better)
    assert rank_by_comparisons(scores, games).standings[0].entry_id == "z"


def test_both_orders_of_a_pair_are_asked():
    (pair,) = next_pairs({"x": 3, "y": 4}, [], round_number=2)
    assert pair.orders == (("x", "y"), ("y", "x"))
    assert pair.decided("b") == Comparison("x", "y", "b")


def test_one_entry_or_none_meets_nobody():
    assert next_pairs({}, [], round_number=1) == ()
    assert next_pairs({"a": 3}, [], round_number=1) == ()


def test_a_comparison_of_a_stranger_is_refused():
    with pytest.raises(ComparisonError, match="'q'"):
        next_pairs({"a": 3, "b": 2}, [Comparison("a", "q", "a")], round_number=2)


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
