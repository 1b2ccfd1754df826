from __future__ import annotations

import pytest
from pydantic import BaseModel

from imageworks.answers import read_answer
from imageworks.errors import AnswerMisread


class Inner(BaseModel):
    mark: int


class Shape(BaseModel):
    marks: list[Inner]


def test_an_answer_of_the_shape_is_read():
    assert read_answer(Shape, {"marks": [{"mark": 3}]}, "A critique") == Shape(marks=[Inner(mark=3)])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"marks": [{"mark": "high"}]}, r"A critique cannot be read: marks\.0\.mark: "),
        ({}, "A critique cannot be read: marks: Field required"),
        (None, "A critique cannot be read: the answer: "),
    ],
)
def test_a_misread_answer_is_named_with_its_field(data, words):
    with pytest.raises(AnswerMisread, match=words):
        read_answer(Shape, data, "A critique")
