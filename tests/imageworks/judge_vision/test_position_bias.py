from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imageworks.judge_vision.position_bias import position_bias

WINNERS = st.sampled_from(["first", "second", "draw", None])
FIRST_TWICE, SECOND_TWICE, AGREED = ("first", "first"), ("second", "second"), ("first", "second")


def test_without_a_pair_that_both_orders_answered_nothing_is_said():
    assert position_bias([]) is None
    assert position_bias([("first", None), (None, "second")]) is None


def test_a_judge_whose_orders_agree_shows_none():
    found = position_bias([AGREED] * 30)
    assert (found.pairs, found.first_twice, found.second_twice) == (30, 0, 0)
    assert found.share == 0.5
    assert not found.shown
    assert found.words().startswith("No preference for a position shows: of two equals")


def test_a_judge_that_takes_what_it_sees_first_is_found_out():
    found = position_bias([FIRST_TWICE] * 18 + [SECOND_TWICE] * 2 + [AGREED] * 20)
    assert found.shown
    assert found.share > 0.5
    assert "prefers the photo that is shown first" in found.words()
    assert "Of 40 pairs" in found.words()


@given(answers=st.lists(st.tuples(WINNERS, WINNERS), min_size=1))
def test_the_share_lies_in_its_interval_and_turns_around_with_the_answers(answers):
    found = position_bias(answers)
    turn = {"first": "second", "second": "first", "draw": "draw", None: None}
    turned = position_bias([(turn[one], turn[other]) for one, other in answers])
    if found is None:
        assert turned is None
        return
    assert 0 <= found.share_low <= found.share <= found.share_high <= 1
    assert turned.share == pytest.approx(1 - found.share, abs=1e-5)
    assert turned.share_low == pytest.approx(1 - found.share_high, abs=1e-5)


@pytest.mark.parametrize("bias", [0.0, 0.5, -1.0])
def test_the_interval_holds_a_judges_true_bias_whatever_the_strengths_are(bias):
    dice = np.random.default_rng(4)
    held = []
    for _ in range(300):
        leads = dice.normal(0, 1.5, 60)
        first = [
            [
                "first" if dice.random() < 1 / (1 + np.exp(-(sign * lead + bias))) else "second"
                for lead in leads
            ]
            for sign in (1, -1)
        ]
        found = position_bias(zip(*first, strict=True))
        held.append(found.share_low <= 1 / (1 + np.exp(-bias)) <= found.share_high)
    assert 0.92 < np.mean(held) < 0.985


def test_of_several_judges_each_is_called_by_its_name():
    assert (
        position_bias([AGREED])
        .words("near-vlm")
        .startswith("near-vlm shows no preference for a position: of two")
    )
    assert (
        position_bias([FIRST_TWICE] * 18)
        .words("near-vlm")
        .startswith("near-vlm prefers the photo that is shown first")
    )
    assert position_bias([AGREED]).words().startswith("No preference for a position shows: of two")
