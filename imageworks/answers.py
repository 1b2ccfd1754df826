"""From the data of a model's answer to a value that holds what its question asks for."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from imageworks.errors import AnswerMisread

_A = TypeVar("_A", bound=BaseModel)


def read_answer(shape: type[_A], data: object, called: str) -> _A:
    """The answer's data as a value of a shape.

    Args:
        shape: What the question asks for.
        data: The answer's data, whatever it is.
        called: What to call the answer in an error: "A critique".

    Raises:
        AnswerMisread: A field is missing, unknown, or out of range; names which.
    """
    try:
        return shape.model_validate(data)
    except ValidationError as problem:
        first = problem.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the answer"
        raise AnswerMisread(f"{called} cannot be read: {place}: {first['msg']}.") from problem
