"""Whether a JSON value fits a schema: the plain part of JSON Schema, compiled to functions.

A validator of all of JSON Schema walks the schema anew for each value, at twenty times the cost. It is still the one
that knows the rest of the language and says in words what does not fit; this only says yes to what nearly always does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Fits = Callable[[Any], bool]

_SAYS_NOTHING = frozenset({"$schema", "title", "description"})


def compiled(schema: Mapping[str, Any]) -> Fits | None:
    """A function that says whether a value fits, as JSON Schema 2020-12 has it.

    Args:
        schema: A right JSON Schema.

    Returns:
        None where the schema, or one within it, says something that is not known here.
    """
    tests: list[Fits] = []
    fields = {word: schema[word] for word in _FIELDS if word in schema}
    for word, value in schema.items():
        if word in _SAYS_NOTHING or word in fields:
            continue
        make = _WORDS.get(word)
        test = make(value) if make is not None else None
        if test is None:
            return None
        tests.append(test)
    if fields:
        test = _fields(fields)
        if test is None:
            return None
        tests.append(test)
    if len(tests) == 1:
        return tests[0]
    every = tuple(tests)

    def fits(value: Any) -> bool:
        for test in every:  # noqa: SIM110 - all() over a generator takes twice as long
            if not test(value):
                return False
        return True

    return fits


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


_FIELDS = ("properties", "required", "additionalProperties")
_WORDS: dict[str, Callable[[Any], Fits | None]] = {
    "type": _type,
    "enum": _enum,
    "const": lambda option: _enum([option]),
    "anyOf": _any_of,
    "items": _items,
    "minLength": lambda least: lambda value: not isinstance(value, str) or len(value) >= least,
    "maxLength": lambda most: lambda value: not isinstance(value, str) or len(value) <= most,
    "minItems": lambda least: lambda value: not isinstance(value, list) or len(value) >= least,
    "maxItems": lambda most: lambda value: not isinstance(value, list) or len(value) <= most,
    "minimum": lambda least: lambda value: not _is_number(value) or value >= least,
    "maximum": lambda most: lambda value: not _is_number(value) or value <= most,
    "exclusiveMinimum": lambda least: lambda value: not _is_number(value) or value > least,
    "exclusiveMaximum": lambda most: lambda value: not _is_number(value) or value < most,
}
