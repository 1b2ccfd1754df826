"""Whether a JSON value fits a schema: the plain part of JSON Schema, compiled to functions.

A validator of all of JSON Schema walks the schema anew for each value, at twenty times the cost. It is still the one
that knows the rest of the language and says in words what does not fit; this only says yes to what nearly always does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Fits = Callable[[Any], bool]


def compiled(schema: Mapping[str, Any]) -> Fits | None:
    """A function that says whether a value fits, as JSON Schema 2020-12 has it.

    Args:
        schema: A right JSON Schema.

    Returns:
        None where the schema, or one within it, says something that is not known here.
    """
    tests: list[Fits | None] = [_WORDS[word](schema[word]) for word in _WORDS if word in schema]
    tests += [_bound(word, schema[word], schema.get("type")) for word in _BOUNDS if word in schema]
    if any(word in schema for word in _FIELDS):
        tests.append(_fields(schema))
    if None in tests or not schema.keys() <= _KNOWN:
        return None
    return _all([test for test in tests if test is not None])


def _all(tests: list[Fits]) -> Fits:
    if len(tests) == 1:
        return tests[0]

    def fits(value: Any) -> bool:
        for test in tests:  # noqa: SIM110 - all() over a generator takes twice as long
            if not test(value):
                return False
        return True

    return fits


def _bound(word: str, limit: Any, kind: Any) -> Fits:
    """A bound says something of values of its own kind alone; where the type is tested before, no value is another."""
    kinds, holds = _BOUNDS[word]
    test = holds(limit)
    if kind in kinds:
        return test
    of_that_kind = _TYPES[kinds[0]]
    return lambda value: not of_that_kind(value) or test(value)


def _within(schema: object) -> Fits | None:
    return compiled(schema) if isinstance(schema, dict) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    if isinstance(value, int):
        return not isinstance(value, bool)
    return isinstance(value, float) and value.is_integer()


_TYPES: dict[str, Fits] = {
    "array": lambda value: isinstance(value, list),
    "boolean": lambda value: isinstance(value, bool),
    "integer": _is_whole,
    "null": lambda value: value is None,
    "number": _is_number,
    "object": lambda value: isinstance(value, dict),
    "string": lambda value: isinstance(value, str),
}


def _type(kinds: Any) -> Fits | None:
    if isinstance(kinds, str):
        return _TYPES.get(kinds)
    tests = [_TYPES.get(kind) for kind in kinds]
    return None if None in tests else _any(tests)


def _any(tests: list[Fits | None]) -> Fits:
    return lambda value: any(test is not None and test(value) for test in tests)


def _any_of(schemas: Any) -> Fits | None:
    tests = [_within(schema) for schema in schemas]
    return None if None in tests else _any(tests)


def _enum(options: Any) -> Fits | None:
    # JSON's true is no 1, and lists and mappings are compared by rules of their own.
    if not all(isinstance(option, str) for option in options):
        return None
    texts = frozenset(options)
    return lambda value: isinstance(value, str) and value in texts


def _items(schema: Any) -> Fits | None:
    fits = _within(schema)
    if fits is None:
        return None
    return lambda value: not isinstance(value, list) or all(map(fits, value))


def _fields(said: Mapping[str, Any]) -> Fits | None:
    """Of an object's fields: which, of what kind, and whether there may be others."""
    others = said.get("additionalProperties", True)
    if not isinstance(others, bool):
        return None
    tests: dict[str, Fits] = {}
    for name, schema in said.get("properties", {}).items():
        test = _within(schema)
        if test is None:
            return None
        tests[name] = test
    required = tuple(said.get("required", ()))

    def fits(value: Any) -> bool:
        if not isinstance(value, dict):
            return True
        for name in required:
            if name not in value:
                return False
        for name, field in value.items():
            test = tests.get(name)
            if not (others if test is None else test(field)):
                return False
        return True

    return fits


_WORDS: dict[str, Callable[[Any], Fits | None]] = {
    "type": _type,
    "enum": _enum,
    "const": lambda option: _enum([option]),
    "anyOf": _any_of,
    "items": _items,
}
_BOUNDS: dict[str, tuple[tuple[str, ...], Callable[[Any], Fits]]] = {
    "minLength": (("string",), lambda least: lambda value: len(value) >= least),
    "maxLength": (("string",), lambda most: lambda value: len(value) <= most),
    "minItems": (("array",), lambda least: lambda value: len(value) >= least),
    "maxItems": (("array",), lambda most: lambda value: len(value) <= most),
    "minimum": (("number", "integer"), lambda least: lambda value: value >= least),
    "maximum": (("number", "integer"), lambda most: lambda value: value <= most),
    "exclusiveMinimum": (("number", "integer"), lambda least: lambda value: value > least),
    "exclusiveMaximum": (("number", "integer"), lambda most: lambda value: value < most),
}
_FIELDS = ("properties", "required", "additionalProperties")
_KNOWN = {"$schema", "title", "description", *_FIELDS, *_WORDS, *_BOUNDS}
