from __future__ import annotations

import pytest

from imageworks.baseline.judging import critique
from imageworks.judge_vision.critique_remarks import improvement_problem, remarks
from imageworks.judge_vision.critiquing import Critique, critique_facts, read_critique

RIGHT = Critique(
    impact=16,
    composition=16,
    technique=15,
    score=16,
    critique="word " * 120,
    improvement="Crop the left edge.",
)


def kinds(**changes):
    return [remark.kind for remark in remarks(RIGHT.model_copy(update=changes), changes.pop("signals", None))]


def test_a_critique_as_asked_has_no_remarks(signals):
    assert remarks(RIGHT, signals) == ()
    by_rule = read_critique(critique(critique_facts(title="x", signals=signals, width=3, height=2)))
    assert remarks(by_rule, signals) == ()


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"critique": "word " * 109}, "length"),
        ({"critique": "word " * 151}, "length"),
        ({"score": 19}, "score"),
        ({"critique": "It tells a story. " + "word " * 116}, "stock_phrase"),
        ({"improvement": "A stunning sky would help."}, "stock_phrase"),
        ({"improvement": "Crop the left. Also, lift the shadows."}, "improvement"),
    ],
)
def test_what_is_not_as_asked_is_one_remark_of_its_kind(changes, kind):
    assert kinds(**changes) == [kind]


def test_a_contradiction_comes_first_and_says_what_was_measured(signals):
    text = "The boat is sharp throughout. " + "word " * 80
    first, second = remarks(RIGHT.model_copy(update={"critique": text}), {**signals, "sharpness": 2.0})
    assert (first.kind, first.words) == (
        "contradiction",
        "It says 'sharp throughout', but nothing in it is sharp.",
    )
    assert second.kind == "length"


@pytest.mark.parametrize(
    "text",
    [
        "Crop from the left until the post is gone.",
        "Wait for her to turn, and then press.",
        "Lift the sky 1.5 stops.",
    ],
)
def test_one_short_thing_is_one_improvement(text):
    assert improvement_problem(text) is None


@pytest.mark.parametrize(
    "text", ["Crop it. Finally, darken the sky.", "- crop\n- darken", "1) Crop 2) Darken", "word " * 41]
)
def test_several_things_or_a_long_one_are_told(text):
    assert improvement_problem(text)


def test_medians_of_several_judges_need_not_agree_with_one_another():
    told = Critique.model_construct(
        impact=18, composition=18, technique=18, score=9, critique="Short.", improvement="Crop the left edge."
    )
    assert "score" in {remark.kind for remark in remarks(told, None)}
    assert {remark.kind for remark in remarks(told, None, medians=True)} == {"length"}
