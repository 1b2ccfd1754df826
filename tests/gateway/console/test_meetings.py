"""The pairs of a playoff, as the page of an entry tells them."""

from __future__ import annotations

import pytest

from gateway.console.results.meetings import Answer, meetings


def asked(first, second, winner, *, number=1, **more):
    given = {"entry_id": first, "opponent_id": second, "playoff_round": number, "winner": winner}
    return {**given, "reason": None, **more}


@pytest.mark.parametrize(
    ("a_first", "b_first", "outcome"),
    [
        ("first", "second", "won"),
        ("second", "first", "lost"),
        ("first", "first", "drew"),
        ("draw", "second", "drew"),
        ("first", None, None),
    ],
)
def test_a_pair_that_was_asked_in_both_orders_is_one_meeting(a_first, b_first, outcome):
    rows = [asked("a", "b", a_first), asked("b", "a", b_first), asked("b", "c", "first")]

    (met,) = meetings(rows, "a")

    assert (met.other, met.outcome) == ("b", outcome)


def test_what_was_said_in_either_order_is_told_as_the_entrys_own():
    rows = [asked("b", "a", "first", reason="B is sharper."), asked("a", "b", "first", reason="A is calmer.")]

    (met,) = meetings(rows, "a")

    assert met.answers == (Answer("first", "won", "A is calmer."), Answer("second", "lost", "B is sharper."))


def test_two_that_met_again_before_another_judge_met_twice():
    rows = [
        asked(first, second, "draw", number=number, judge=judge)
        for number, judge in ((2, "far-vlm"), (1, "near-vlm"))
        for first, second in (("a", "b"), ("b", "a"))
    ]

    assert [(met.playoff_round, met.judge) for met in meetings(rows, "a")] == [
        (1, "near-vlm"),
        (2, "far-vlm"),
    ]


def test_a_table_with_one_order_and_no_judge_has_what_was_asked():
    (met,) = meetings([asked("a", "b", "second")], "b")

    assert (met.judge, met.outcome, met.answers) == ("", None, (Answer("second", "won", ""),))
