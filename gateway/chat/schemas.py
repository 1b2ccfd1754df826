"""Schemas that a request brings for its answer: none may make checking an answer endless."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from gateway.errors import BadRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_PARTS: Final = 5000
"""Parts of a schema, what is referred to counted wherever it is."""

_DEEPEST: Final = 100
_BY_NAME: Final = frozenset({"properties", "patternProperties", "dependentSchemas"})
"""Keywords whose value has a schema for each name; a name may be spelled like a keyword."""
_DATA: Final = frozenset({"const", "enum", "default", "examples"})
_NOT_TAKEN: Final = frozenset({"$dynamicRef", "$recursiveRef", "unevaluatedItems", "unevaluatedProperties"})
"""What leads elsewhere in a schema, or has all that stands beside it checked once more at each level."""
_PARAM: Final = "response_format.json_schema.schema"


def checked_schema(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema, if answers can be checked against it in bounded time.

    Raises:
        BadRequest: It is no JSON Schema, refers to itself or elsewhere, or is too large.
    """
    _Walk(schema).over(schema, ())
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise _refused(f"is not a JSON Schema: {error.message[:200]}") from error
    return schema


class _Walk:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._parts = 0

    def over(self, part: Any, within: tuple[str, ...], depth: int = 0) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS or depth > _DEEPEST:
            raise _refused(f"has more than {MOST_PARTS} parts, or more than {_DEEPEST} levels")
        if isinstance(part, list):
            for item in part:
                self.over(item, within, depth + 1)
        elif isinstance(part, dict):
            for keyword, inner in part.items():
                self._over_keyword(keyword, inner, within, depth)

    def _over_keyword(self, keyword: str, inner: Any, within: tuple[str, ...], depth: int) -> None:
        if keyword in _NOT_TAKEN:
            raise _refused(f"has a {keyword}, which is not taken here")
        if keyword == "$id" and depth:
            # What is below it would refer to it, and not to the whole.
            raise _refused("has an $id below its top, which is not taken here")
        if keyword == "$ref" and isinstance(inner, str):
            if inner in within:
                raise _refused(f"refers to itself by {inner}; say how deep it goes instead")
            self.over(self._referred(inner), (*within, inner), depth + 1)
        elif keyword in _BY_NAME and isinstance(inner, dict):
            for one in inner.values():
                self.over(one, within, depth + 1)
        elif keyword not in _DATA | {"$defs", "definitions"}:
            self.over(inner, within, depth + 1)

    def _referred(self, pointer: str) -> Any:
        if not pointer.startswith("#"):
            raise _refused(f"refers to {pointer[:80]!r}; only what it holds itself can be referred to")
        found: Any = self._root
        for step in pointer.lstrip("#").split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, dict) or name not in found:
                raise _refused(f"refers to {pointer[:80]!r}, which it does not hold")
            found = found[name]
        return found


def _refused(problem: str) -> BadRequest:
    return BadRequest(f"The schema of the answer {problem}.", param=_PARAM, code="invalid_schema")
