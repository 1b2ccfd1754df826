from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from imageworks.judge_vision.drift import MOST_ROUNDS, RoundMarks, drift

marks = st.lists(st.integers(0, 20), min_size=5, max_size=30).map(tuple)


def marked(*scores, name="now", models=("near-vlm",)):
    return RoundMarks(name, scores, models)


def test_a_round_that_is_marked_higher_than_chance_explains_says_so():
    found = drift(marked(17, 18, 18, 19, 17, 18), [marked(12, 13, 12, 14, 13, 12)])
    assert found.low > 4
    assert "5.2 higher than in 1 earlier round" in found.words()
    assert "more than chance" in found.words()
    assert "same models" not in found.words()


def test_what_chance_can_make_and_other_models_are_said():
    found = drift(marked(14, 15, 16, 13, 15), [marked(14, 16, 13, 15, 16, models=("far-vlm",))])
    assert "Chance alone can make such a difference." in found.words()
    assert "not marked by the same models" in found.words()


def test_too_few_marks_and_no_earlier_round_compare_with_nothing():
    assert drift(marked(1, 2, 3, 4), [marked(1, 2, 3, 4, 5)]) is None
    assert drift(marked(1, 2, 3, 4, 5), [marked(1, 2, 3, 4)]) is None
    assert drift(marked(1, 2, 3, 4, 5), []) is None


def test_the_latest_rounds_are_compared():
    many = [marked(15, 15, 15, 15, 15, name=str(number)) for number in range(9)]
    found = drift(marked(15, 15, 15, 15, 15), many)
    assert [one.name for one in found.rounds] == ["4", "5", "6", "7", "8", "now"]
    assert len(found.rounds) == MOST_ROUNDS + 1
    assert (found.difference, found.low, found.high) == (0, None, None)


@given(now=marks, before=marks)
def test_any_marks_are_compared_and_drawn_within_the_scale(now, before):
    found = drift(marked(*now), [marked(*before)])
    assert found.words()
    for one in found.rounds:
        at = list(one.at().values())
        assert at == sorted(at)
        assert 0 <= at[0] <= at[-1] <= 100
