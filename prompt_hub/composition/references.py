"""References such as `caption.caption` or `input.signals`: where a value comes from, and what its schema says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from prompt_hub.contracts import types_of

if TYPE_CHECKING:
    from collections.abc import Mapping

INPUT: Final = "input"
"""Stands for the composition's inputs where a node's name may stand."""

MAX_STEPS: Final = 8

_DIGITS: Final = 4


@dataclass(frozen=True)
class Reference:
    """A field of a node's answer, or of the inputs.

    Attributes:
        source: The node's name, or `input`.
        path: Steps into it: names of fields, and places in lists counted from 0.
    """

    source: str
    path: tuple[str | int, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `node.field`, `node.field.0`, `input.name`.

        Raises:
            ValueError: It is none of them.
        """
        source, *path = text.split(".")
        if not path or not all((source, *path)) or len(path) > MAX_STEPS:
            raise ValueError(
                f"{text!r} is no reference: write node.field or input.name, with up to {MAX_STEPS} steps"
            )
        return cls(source, tuple(int(step) if _is_index(step) else step for step in path))

    def __str__(self) -> str:
        return ".".join(map(str, (self.source, *self.path)))

    def value_in(self, values: Mapping[str, Any]) -> Any:
        """What it refers to, in the answers by node and the inputs; None where that is not there."""
        value: Any = values.get(self.source)
        for step in self.path:
            if isinstance(value, dict) and isinstance(step, str):
                value = value.get(step)
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                value = value[step]
            else:
                return None
        return value


@dataclass(frozen=True)
class Found:
    """What a schema says of a reference's place.

    Attributes:
        schema: The place's own schema.
        is_certain: Whether every value that fits has something there.
    """

    schema: Mapping[str, Any]
    is_certain: bool


def look_up(schema: Mapping[str, Any], path: tuple[str | int, ...]) -> Found | None:
    """What a schema says of a place in it; None where there can be nothing."""
    is_certain = True
    for step in path:
        fields = schema.get("properties", {})
        others = schema.get("additionalProperties")
        is_certain = is_certain and "null" not in types_of(schema)
        if isinstance(step, int) and "array" in types_of(schema):
            is_certain = is_certain and schema.get("minItems", 0) > step
            schema = schema.get("items", {})
        elif step in fields:
            is_certain = is_certain and step in schema.get("required", ())
            schema = fields[step]
        elif isinstance(step, str) and isinstance(others, dict):
            is_certain, schema = False, others
        else:
            return None
    return Found(schema, is_certain and "null" not in types_of(schema))


def _is_index(step: str) -> bool:
    return step.isascii() and step.isdigit() and len(step) <= _DIGITS
