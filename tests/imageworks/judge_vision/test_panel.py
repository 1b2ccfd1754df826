from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imageworks.errors import BadPanel
from imageworks.judge_vision.critiquing import Critique
from imageworks.judge_vision.panel import NamedJudge, answers_named, brought_together, read_panel

marks = st.integers(0, 20)


def critique(score, words="Words."):
    return Critique(
        impact=score, composition=score, technique=score, score=score, critique=words, improvement="Crop."
    )


def test_judges_are_named_by_model_profile_and_samples():
    assert read_panel("near-vlm, far-vlm:club-judge@production*3,third\N{MULTIPLICATION SIGN}2") == (
        NamedJudge("near-vlm"),
        NamedJudge("far-vlm", "club-judge@production", 3),
        NamedJudge("third", samples=2),
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "names no judge"),
        ("a,,b", "names no judge"),
        ("a:b:c", "names no judge"),
        ("a*0", "asks 0 times"),
        ("a*10", "asks 10 times"),
        ("a,a", "named twice"),
        (",".join("abcdefghi"), "at most 8"),
    ],
)
def test_what_names_no_judges_is_refused_with_how_it_is_written(text, why):
    with pytest.raises(BadPanel, match=why):
        read_panel(text)


def test_a_single_stray_judge_moves_nothing():
    whole = brought_together([("a", critique(15)), ("b", critique(16)), ("c", critique(2))])
    assert (whole.score, whole.low, whole.high, whole.shown) == (15, 2, 16, 0)


def test_a_judge_that_is_asked_often_has_one_voice():
    often = [("a", critique(10))] * 5
    assert brought_together([*often, ("b", critique(16)), ("c", critique(16))]).score == 16
    assert brought_together([*often, ("b", critique(15))]).score == 13, "12.5 is rounded half up"


def test_who_gave_no_valid_answer_has_no_voice():
    whole = brought_together([("a", None), ("b", critique(14)), ("c", None)])
    assert (whole.score, whole.shown) == (14, 1)
    assert brought_together([("a", None)]) is None


@given(st.lists(st.tuples(st.sampled_from("abc"), marks), min_size=1, max_size=9))
def test_the_whole_lies_between_the_answers_and_shows_one_of_them(given_marks):
    whole = brought_together([(judge, critique(mark)) for judge, mark in given_marks])
    scores = [mark for _, mark in given_marks]
    assert min(scores) == whole.low <= whole.score <= whole.high == max(scores)
    assert 0 <= whole.shown < len(given_marks)


def test_an_answer_is_called_by_its_judge_and_by_a_number_where_that_gave_several():
    assert answers_named(["near", "far", "far"]) == ("near", "far #1", "far #2")
    assert answers_named([]) == ()
