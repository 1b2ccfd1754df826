"""The part of JSON Schema that profiles may use, and what is wrong with a schema that goes beyond it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Place = tuple[str | int, ...]

TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")

MAX_DEPTH = 16

# `$ref` can name a URL that a validator would fetch, and `pattern` and `format` can make one loop for minutes.
# `multipleOf` and `uniqueItems` are refused or ignored by servers that constrain their answers.
_WORDS = frozenset({"description", "title", "type", "enum", "const", "anyOf"})
_WORDS_OF = {
    "object": frozenset({"properties", "required", "additionalProperties"}),
    "array": frozenset({"items", "minItems", "maxItems"}),
    "string": frozenset({"minLength", "maxLength"}),
    "integer": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}),
    "number": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}),
}
KEYWORDS = _WORDS.union(*_WORDS_OF.values())


def variable_problems(schema: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """What is wrong with a variable's schema: places within it, and problems."""
    yield from _problems(schema, ())


def output_problems(schema: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """What is wrong with the schema of an answer, which is an object whose fields are all known and required.

    Servers that hold a model to a schema want it so, and an answer with a spare or missing field is no answer.
    """
    if schema.get("type") != "object":
        yield (), 'must have the type "object"'
        return
    yield from _problems(schema, (), closed=True)


def _problems(schema: object, place: Place, *, closed: bool = False) -> Iterator[tuple[Place, str]]:
    if not isinstance(schema, dict):
        yield place, "must be a JSON Schema: a mapping"
        return
    if len(place) > MAX_DEPTH:
        yield place, "is nested too deeply"
        return
    kinds = _types(schema)
    if kinds is None:
        yield (*place, "type"), f"must be one of {', '.join(TYPES)}, or a list of some, each once"
        return
    yield from _wrong_words(schema, place, kinds)
    yield from _wrong_limits(schema, place)
    for step, inner in _inner(schema):
        yield from _problems(inner, (*place, *step), closed=closed)
    yield from _wrong_fields(schema, place, closed=closed)


def _inner(schema: Mapping[str, Any]) -> Iterator[tuple[Place, Any]]:
    """The schemas of a list's items and of alternatives."""
    if "items" in schema:
        yield ("items",), schema["items"]
    options = schema.get("anyOf", [])
    if isinstance(options, list):
        yield from ((("anyOf", index), option) for index, option in enumerate(options))


def _wrong_words(
    schema: Mapping[str, Any], place: Place, kinds: tuple[str, ...]
) -> Iterator[tuple[Place, str]]:
    for word in sorted(set(schema) - KEYWORDS):
        yield (*place, word), f"is not allowed in a schema here; allowed are {', '.join(sorted(KEYWORDS))}"
    for word in sorted(set(schema) & (KEYWORDS - _WORDS)):
        if kinds and not any(word in _WORDS_OF.get(kind, ()) for kind in kinds):
            yield (*place, word), f"says nothing about the type {' or '.join(kinds)}"
    if not (kinds or schema.keys() & {"enum", "const", "anyOf"}):
        yield place, 'needs a "type", "enum", "const" or "anyOf"'


def _types(schema: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The types that a schema names; None where what it says is not a type."""
    named = schema.get("type", [])
    kinds = named if isinstance(named, list) else [named]
    if any(kind not in TYPES for kind in kinds if isinstance(kind, str)):
        return None
    if (
        not all(isinstance(kind, str) for kind in kinds)
        or ("type" in schema and not kinds)
        or len(set(kinds)) < len(kinds)
    ):
        return None
    return tuple(kinds)


def _wrong_limits(schema: Mapping[str, Any], place: Place) -> Iterator[tuple[Place, str]]:
    for word in ("minLength", "maxLength", "minItems", "maxItems"):
        value = schema.get(word, 0)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            yield (*place, word), "must be a whole number, 0 or more"
    for word in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
        value = schema.get(word, 0)
        if isinstance(value, bool) or not isinstance(value, int | float):
            yield (*place, word), "must be a number"
    for word in ("description", "title"):
        if not isinstance(schema.get(word, ""), str):
            yield (*place, word), "must be text"
    for word in ("enum", "anyOf"):
        value = schema.get(word, [None])
        if not isinstance(value, list) or not value:
            yield (*place, word), "must be a list, and not an empty one"


def _wrong_fields(schema: Mapping[str, Any], place: Place, *, closed: bool) -> Iterator[tuple[Place, str]]:
    fields, required = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(fields, dict):
        yield (*place, "properties"), "must be a mapping of field names to schemas"
        return
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        yield (*place, "required"), "must be a list of field names"
        return
    if not isinstance(schema.get("additionalProperties", False), bool | dict):
        yield (*place, "additionalProperties"), "must be true, false or a schema"
        return
    if isinstance(schema.get("additionalProperties"), dict):
        yield from _problems(schema["additionalProperties"], (*place, "additionalProperties"), closed=closed)
    for name, field in fields.items():
        yield from _problems(field, (*place, "properties", name), closed=closed)
    if not closed or schema.get("type") != "object":
        return
    if not fields:
        yield (*place, "properties"), "must name the answer's fields, at least one"
    if schema.get("additionalProperties") is not False:
        yield (*place, "additionalProperties"), "must be false: an answer has the fields of its schema alone"
    if sorted(required) != sorted(fields):
        yield (
            (*place, "required"),
            f"must list every field of the answer once, in the order to be answered: {', '.join(fields)}",
        )


def in_required_order(schema: Any) -> Any:
    """The schema with each object's fields in the order of its `required` list.

    A server that constrains its answers writes the fields in the order of `properties`, so that order matters: a
    mark that comes after the critique rests on it. But a mapping's order is not part of a hash, and a list's is. So
    the list rules.
    """
    if isinstance(schema, list):
        return [in_required_order(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    ordered = {word: in_required_order(value) for word, value in schema.items()}
    fields, required = ordered.get("properties"), ordered.get("required")
    if isinstance(fields, dict) and isinstance(required, list):
        rank = {name: index for index, name in enumerate(required) if isinstance(name, str)}
        names = sorted(fields, key=lambda name: (rank.get(name, len(rank)), name))
        ordered["properties"] = {name: fields[name] for name in names}
    return ordered
