from __future__ import annotations

import pytest

from imageworks.errors import AnswerMisread
from imageworks.judge_vision.competition import default_competition
from imageworks.judge_vision.critiquing import (
    Critique,
    critique_facts,
    critique_variables,
    half_up,
    read_critique,
    weighted,
)

ANSWER = {
    "impact": 16,
    "composition": 15,
    "technique": 18,
    "score": 16,
    "critique": "A calm picture.",
    "improvement": "Crop a little.",
}


def test_the_variables_hold_a_title_and_words_and_nothing_about_people(signals):
    variables = critique_variables(
        title="Blue\nHour", category="Mono", signals=signals, competition=default_competition()
    )
    assert variables["title"] == "Blue Hour"
    assert "Sharpness: sharp" in variables["signals"]


def test_an_embedded_model_gets_rounded_numbers(signals):
    facts = critique_facts(title="Blue Hour", signals=signals, width=1600, height=1067)
    assert facts["task"] == "critique"
    assert facts["signals"]["sharpness"] == 640
    assert facts["width"] == 1600


def test_an_answer_is_read_with_its_weights():
    critique = read_critique(ANSWER)
    assert critique.score == 16
    assert critique.words == 3
    assert critique.weighted == pytest.approx(0.5 * 16 + 0.4 * 15 + 0.1 * 18)


@pytest.mark.parametrize(("words", "has"), [(109, False), (110, True), (150, True), (151, False)])
def test_a_critique_has_its_length_from_110_to_150_words(words, has):
    assert read_critique({**ANSWER, "critique": "word " * words}).has_length is has


@pytest.mark.parametrize(("score", "follows"), [(14, False), (15, True), (17, True), (18, False)])
def test_a_score_follows_the_marks_within_one(score, follows):
    marks = {"impact": 16, "composition": 16, "technique": 15}  # 15.9, rounded 16
    assert read_critique({**ANSWER, **marks, "score": score}).score_follows is follows


@pytest.mark.parametrize(
    "wrong",
    [
        {"score": 21},
        {"score": -1},
        {"score": 15.5},
        {"score": "16"},
        {"score": True},
        {"critique": "  "},
        {"improvement": ""},
        {"critique": "x" * 1601},
        {"extra": 1},
    ],
)
def test_an_answer_outside_the_schema_is_refused_by_field(wrong):
    with pytest.raises(AnswerMisread, match=next(iter(wrong))):
        read_critique({**ANSWER, **wrong})


def test_an_answer_that_is_no_object_is_refused():
    for data in (None, [], "16", {}):
        with pytest.raises(AnswerMisread):
            read_critique(data)


def test_weights_sum_to_one_and_halves_go_up():
    assert weighted(20, 20, 20) == 20
    assert weighted(10, 20, 0) == 13
    assert [half_up(mark) for mark in (14.5, 15.5, 14.49, 0)] == [15, 16, 14, 0]


def test_a_critique_survives_a_journey_through_json():
    critique = read_critique(ANSWER)
    assert Critique.model_validate(critique.model_dump(mode="json")) == critique
