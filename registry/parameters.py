"""The canonical parameters: the names that profiles and models use, whatever the provider calls them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from registry.nearest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

ParameterName = Literal[
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "seed",
    "max_output_tokens",
    "stop",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "thinking",
]
ParameterValue = bool | int | float | str | tuple[str, ...]

CANONICAL: tuple[ParameterName, ...] = get_args(ParameterName)

_MAX_SEED = 2**53 - 1
_MAX_STOPS = 16


@dataclass(frozen=True)
class ParameterKind:
    """What values a parameter takes: a number in a range, a list of texts, or true and false."""

    kind: Literal["integer", "number", "texts", "flag"]
    minimum: float = -math.inf
    maximum: float = math.inf

    @property
    def is_number(self) -> bool:
        """Tell whether the parameter can have limits."""
        return self.kind in {"integer", "number"}


KINDS: Mapping[str, ParameterKind] = {
    "temperature": ParameterKind("number", 0, 10),
    "top_p": ParameterKind("number", 0, 1),
    "top_k": ParameterKind("integer", -1, 1_000_000),
    "min_p": ParameterKind("number", 0, 1),
    "seed": ParameterKind("integer", 0, _MAX_SEED),
    "max_output_tokens": ParameterKind("integer", 1, 10_000_000),
    "stop": ParameterKind("texts"),
    "repetition_penalty": ParameterKind("number", 0, 10),
    "presence_penalty": ParameterKind("number", -2, 2),
    "frequency_penalty": ParameterKind("number", -2, 2),
    "thinking": ParameterKind("flag"),
}


def problem_with(name: str, value: object) -> str | None:
    """Say what is wrong with a canonical parameter's value; None where nothing is.

    Args:
        name: a canonical parameter name; an unknown one is a problem too.
        value: a plain JSON value.
    """
    kind = KINDS.get(name)
    if kind is None:
        return f"is not a parameter; {did_you_mean(name, CANONICAL)}parameters are {', '.join(CANONICAL)}"
    if kind.kind == "flag":
        return None if isinstance(value, bool) else "must be true or false"
    return _problem_with_texts(value) if kind.kind == "texts" else _problem_with_number(kind, value)


def _problem_with_number(kind: ParameterKind, value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "must be a number"
    if kind.kind == "integer" and not float(value).is_integer():
        return "must be a whole number"
    if not kind.minimum <= value <= kind.maximum:
        return f"must be from {kind.minimum:g} to {kind.maximum:g}"
    return None


def _problem_with_texts(value: object) -> str | None:
    if not isinstance(value, list | tuple) or not all(isinstance(text, str) and text for text in value):
        return "must be a list of texts, none of them empty"
    if len(value) > _MAX_STOPS:
        return f"must have at most {_MAX_STOPS} texts"
    return None
