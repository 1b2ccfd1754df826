from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imageworks.errors import ComparisonError
from imageworks.judge_vision.ranking import Comparison, fit, rank_by_comparisons

NAMES = [f"entry-{number}" for number in range(8)]


@st.composite
def comparisons(draw, names=NAMES, max_size=40):
    pairs = st.lists(st.sampled_from(names), min_size=2, max_size=2, unique=True)
    games = draw(st.lists(st.tuples(pairs, st.sampled_from(["a", "b", "draw"])), max_size=max_size))
    return [Comparison(one, other, outcome) for (one, other), outcome in games]


def round_robin(names, better):
    return [
        Comparison(one, other, "a" if better(one, other) else "b")
        for index, one in enumerate(names)
        for other in names[index + 1 :]
    ]


def by_entry(ranking):
    return {standing.entry_id: standing for standing in ranking.standings}


def flipped(game):
    return Comparison(game.b, game.a, {"a": "b", "b": "a", "draw": "draw"}[game.outcome])


@given(
    games=comparisons(names=NAMES[1:]),
    opponents=st.lists(st.sampled_from(NAMES[1:]), min_size=20, unique=False),
)
def test_the_only_entry_that_nobody_beat_ranks_first(games, opponents):
    beaten = set(NAMES[1:])
    games = [*games, *(Comparison("entry-0", other, "a") for other in opponents)]
    # Everybody else loses once, so that nobody else is unbeaten.
    games += [Comparison("entry-0", other, "a") for other in sorted(beaten)]
    first = rank_by_comparisons(NAMES, games).standings[0]
    assert first.entry_id == "entry-0"
    assert first.place == 1
    assert first.place_low == 1


@given(games=comparisons(), shuffle=st.randoms(use_true_random=False))
def test_neither_the_order_of_entries_nor_that_of_pairs_matters(games, shuffle):
    names, shuffled = list(NAMES), [flipped(game) if shuffle.random() < 0.5 else game for game in games]
    shuffle.shuffle(names)
    shuffle.shuffle(shuffled)
    assert rank_by_comparisons(names, shuffled) == rank_by_comparisons(NAMES, games)


@given(games=comparisons())
def test_everybody_has_a_finite_strength_inside_an_interval_and_a_place_inside_its_range(games):
    ranking = rank_by_comparisons(NAMES, games)
    assert {standing.entry_id for standing in ranking.standings} == set(NAMES)
    assert sum(standing.strength for standing in ranking.standings) == pytest.approx(0, abs=1e-6)
    for standing in ranking.standings:
        assert -20 < standing.strength_low <= standing.strength <= standing.strength_high < 20
        assert 1 <= standing.place_low <= standing.place <= standing.place_high <= len(NAMES)


@given(games=comparisons(), winner=st.sampled_from(NAMES), loser=st.sampled_from(NAMES))
def test_a_win_more_never_weakens_the_winner(games, winner, loser):
    if winner == loser:
        return
    before = fit(NAMES, games)
    after = fit(NAMES, [*games, Comparison(winner, loser, "a")])
    index = before.entries.index(winner)
    assert after.strengths[index] >= before.strengths[index] - 1e-9


@given(games=comparisons())
def test_turning_every_outcome_around_turns_the_strengths_around(games):
    turned = [Comparison(game.b, game.a, game.outcome) for game in games]
    np.testing.assert_allclose(fit(NAMES, games).strengths, -fit(NAMES, turned).strengths, atol=1e-6)


def test_a_round_robin_without_upsets_is_ranked_as_played():
    ranking = rank_by_comparisons(NAMES, round_robin(NAMES, lambda one, other: one < other))
    assert [standing.entry_id for standing in ranking.standings] == NAMES
    assert [standing.place for standing in ranking.standings] == list(range(1, 9))
    assert (ranking.standings[0].wins, ranking.standings[-1].losses) == (7, 7)


def test_an_undefeated_entry_comes_before_one_with_more_wins_and_a_loss():
    field = [f"other-{number}" for number in range(12)]
    games = [Comparison("often", other, "a") for other in field] * 2
    games += [Comparison("strong", "often", "a"), Comparison("strong", "weak", "b")]
    games += [Comparison("unbeaten", other, "a") for other in field[:8]]
    ranking = rank_by_comparisons(["often", "strong", "weak", "unbeaten", *field], games)
    assert ranking.standings[0].entry_id == "unbeaten"


def test_a_draw_defeats_nobody():
    games = [
        Comparison("drew", "weak", "a"),
        Comparison("drew", "lost", "a"),
        Comparison("drew", "third", "draw"),
        *round_robin(["strong", "other", "weak", "lost", "third"], lambda one, _: one in {"strong", "other"}),
        Comparison("other", "strong", "a"),
    ]
    ranking = rank_by_comparisons(["drew", "strong", "other", "weak", "lost", "third"], games)
    assert by_entry(ranking)["strong"].strength > by_entry(ranking)["drew"].strength
    assert ranking.standings[0].entry_id == "drew"


def test_who_only_drew_is_not_undefeated():
    games = [*round_robin(NAMES[:4], lambda one, other: one < other), Comparison(NAMES[3], NAMES[0], "a")]
    games += [Comparison("drew", NAMES[3], "draw"), Comparison("drew", NAMES[2], "draw")]
    ranking = rank_by_comparisons([*NAMES[:4], "drew"], games)
    assert ranking.standings[0].entry_id == NAMES[0]


@given(games=comparisons())
def test_who_won_and_never_lost_comes_before_all_who_lost_where_the_first_place_is_credible(games):
    # Everybody meets everybody else once more and draws, so that all are linked and met often enough.
    games = [*games, *(Comparison(one, other, "draw") for one in NAMES for other in NAMES if one < other)]
    ranking = rank_by_comparisons(NAMES, games)
    usual = np.median([standing.met for standing in ranking.standings])
    undefeated = [
        s for s in ranking.standings if s.wins and not s.losses and s.met >= usual / 2 and s.place_low == 1
    ]
    assert list(ranking.standings[: len(undefeated)]) == undefeated


def test_who_never_lost_in_a_side_group_is_not_put_first_for_that():
    games = round_robin(NAMES, lambda one, other: one < other and (one, other) != ("entry-0", "entry-7"))
    ranking = rank_by_comparisons([*NAMES, "beside", "alone"], [*games, Comparison("beside", "alone", "a")])
    first = ranking.standings[0]
    assert (first.entry_id, first.wins, first.losses) == ("entry-0", 6, 1)
    assert by_entry(ranking)["beside"].place > 1


def test_of_two_groups_of_one_size_the_names_decide_nothing():
    games = [Comparison("a", "b", "a"), Comparison("y", "z", "a")]
    assert [s.place for s in rank_by_comparisons("abyz", games).standings] == [1, 1, 3, 3]


def test_one_lucky_win_among_many_comparisons_does_not_make_a_champion():
    games = round_robin(NAMES, lambda one, other: one < other) * 3
    ranking = rank_by_comparisons([*NAMES, "lucky"], [*games, Comparison("lucky", NAMES[-1], "a")])
    assert by_entry(ranking)["lucky"].place > 1


def test_one_winless_or_unseen_entry_leaves_the_others_as_they_were():
    games = round_robin(NAMES[:4], lambda one, other: one < other)
    alone = by_entry(rank_by_comparisons(NAMES[:4], games))
    crowd = rank_by_comparisons([*NAMES[:4], "unseen"], games)
    assert [name for name, standing in by_entry(crowd).items() if standing.met == 0] == ["unseen"]
    for name in NAMES[:4]:
        assert by_entry(crowd)[name].strength == pytest.approx(alone[name].strength, abs=1e-9)
    unseen = by_entry(crowd)["unseen"]
    assert unseen.strength == pytest.approx(0, abs=1e-9)
    assert unseen.strength_high - unseen.strength_low > 6


def test_groups_that_never_met_are_named_largest_first():
    games = [Comparison("a", "b", "a"), Comparison("c", "d", "a"), Comparison("d", "e", "draw")]
    ranking = rank_by_comparisons(["a", "b", "c", "d", "e", "f"], games)
    assert ranking.groups == (("c", "d", "e"), ("a", "b"), ("f",))
    assert not ranking.connected
    assert by_entry(ranking)["a"].group == 1


def test_entries_that_nothing_tells_apart_share_a_place_unless_their_marks_do():
    games = [Comparison("a", "b", "draw"), Comparison("a", "c", "a"), Comparison("b", "c", "a")]
    assert [s.place for s in rank_by_comparisons("abc", games).standings] == [1, 1, 3]
    ranking = rank_by_comparisons("abc", games, tie_breaks={"a": 15.0, "b": 16.0})
    assert [s.entry_id for s in ranking.standings] == ["b", "a", "c"]
    assert [s.place for s in ranking.standings] == [1, 2, 3]


def test_more_comparisons_narrow_the_interval():
    once = round_robin(NAMES, lambda one, other: one < other)
    few, many = fit(NAMES, once), fit(NAMES, once * 5)
    assert (many.variances < few.variances).all()


def test_nobody_and_nothing_are_ranked_too():
    assert rank_by_comparisons([], []).standings == ()
    assert rank_by_comparisons(["a"], []).standings[0].place == 1


@pytest.mark.parametrize(
    ("game", "words"), [(Comparison("a", "a", "a"), "itself"), (Comparison("a", "z", "a"), "'z'")]
)
def test_an_impossible_comparison_is_refused(game, words):
    with pytest.raises(ComparisonError, match=words):
        rank_by_comparisons(["a", "b"], [game])


def test_who_only_drew_with_the_best_and_once_beat_the_last_is_not_put_first_against_all_evidence():
    games = round_robin(NAMES[:7], lambda one, other: one < other) * 4
    games += [Comparison(NAMES[0], NAMES[6], "b")]
    games += [Comparison("drew", other, "draw") for other in NAMES[3:7] * 4]
    games += [Comparison("drew", NAMES[6], "a")]
    drew = by_entry(rank_by_comparisons([*NAMES[:7], "drew"], games))["drew"]
    assert (drew.losses, drew.place_low > 1, drew.place > 1) == (0, True, True)


def test_a_judge_that_draws_often_is_believed_less_far():
    decided = fit(NAMES, round_robin(NAMES, lambda one, other: one < other))
    games = [Comparison(one, other, "draw") for one in NAMES for other in NAMES if one < other]
    drawn = fit(NAMES, games)
    assert drawn.log_draws > decided.log_draws
    np.testing.assert_allclose(drawn.strengths, 0, atol=1e-9)


def test_a_field_too_large_for_a_square_matrix_gets_the_strengths_that_a_small_one_would(monkeypatch):
    dice = np.random.default_rng(3)
    names = [f"{number:02}" for number in range(30)]
    pairs = [tuple(dice.choice(30, 2, replace=False)) for _ in range(200)]
    games = list(judged(dice.normal(0, 1, 30), names, pairs, dice))
    exact = fit(names, games)
    monkeypatch.setattr("imageworks.judge_vision.ranking._DENSE_UP_TO", 0)
    np.testing.assert_allclose(fit(names, games).strengths, exact.strengths, atol=1e-7)


def judged(truth, names, pairs, dice, bias=0.5):
    """Each pair asked in both orders; a judge that prefers A by the odds exp(lead), and whatever is shown first."""
    for one, other in pairs:
        lead = truth[one] - truth[other]
        says = dice.random(2) < 1 / (1 + np.exp(-(lead + np.array([bias, -bias]))))
        yield Comparison(names[one], names[other], "a" if says.all() else "draw" if says.any() else "b")


@pytest.mark.parametrize("bias", [0.0, 1.5])
def test_a_bias_for_a_position_makes_draws_and_no_strengths(bias):
    dice = np.random.default_rng(5)
    truth = np.linspace(-1, 1, 8)
    pairs = [(one, other) for one in range(8) for other in range(one)] * 200
    found = fit(NAMES, judged(truth, NAMES, pairs, dice, bias))
    np.testing.assert_allclose(found.strengths, truth, atol=0.1)
    assert np.exp(found.log_draws) == pytest.approx(2 * np.cosh(bias), rel=0.1)


@pytest.mark.parametrize("spread", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("rounds", [4, 8])
@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say(spread, rounds):
    dice = np.random.default_rng(7)
    names = [f"{number:02}" for number in range(12)]
    held, placed = [], []
    for _ in range(60):
        truth = dice.normal(0, spread, 12)
        truth -= truth.mean()
        games = [
            game
            for _ in range(rounds)
            for game in judged(truth, names, dice.permutation(12).reshape(6, 2), dice)
        ]
        ranking = by_entry(rank_by_comparisons(names, games))
        places = (-truth).argsort().argsort() + 1
        for index, name in enumerate(names):
            held.append(ranking[name].strength_low <= truth[index] <= ranking[name].strength_high)
            placed.append(ranking[name].place_low <= places[index] <= ranking[name].place_high)
    # 720 intervals that are not independent: more than a percent of chance on either side.
    assert 0.92 < np.mean(held) < 0.985
    # Places are whole, so that a range holds more than it says where strengths lie far apart.
    assert np.mean(placed) > 0.94
