"""Fitting a schema, beside a validator of all of JSON Schema."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from store.fitting import compiled

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([0.0, 1.0, 1.5])
    | st.sampled_from(["", "a", "ab"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
kinds = st.sampled_from(["array", "boolean", "integer", "null", "number", "object", "string"])
counts = st.integers(0, 3)
limits = st.integers(-2, 2) | st.sampled_from([0.5, 1.0])


def schemas_with(inner):
    return st.fixed_dictionaries(
        {},
        optional={
            "title": st.just("A thing"),
            "type": kinds | st.lists(kinds, min_size=1, max_size=3, unique=True),
            "enum": st.lists(st.sampled_from(["", "a", "b"]), min_size=1, unique=True),
            "const": st.sampled_from(["", "a"]),
            "minLength": counts,
            "maxLength": counts,
            "minItems": counts,
            "maxItems": counts,
            "minimum": limits,
            "maximum": limits,
            "exclusiveMinimum": limits,
            "exclusiveMaximum": limits,
            "items": inner,
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
            "required": st.lists(st.sampled_from("abc"), max_size=2, unique=True),
            "additionalProperties": st.booleans(),
        },
    )


schemas = st.recursive(schemas_with(st.just({})), schemas_with, max_leaves=4)


@given(schemas, values)
def test_what_fits_is_what_a_validator_of_all_of_json_schema_calls_valid(schema, value):
    fits = compiled(schema)
    assert fits is not None
    assert fits(value) == Draft202012Validator(schema).is_valid(value)


def test_a_pattern_that_cannot_be_compiled_is_left_to_the_other_validator():
    assert compiled({"pattern": "(?a:x)"}) is None


@pytest.mark.parametrize(
    "elsewhere", ["http://127.0.0.1:9/schema.json", "file:///etc/hostname", "#/no/such/part"]
)
def test_nothing_is_fetched_for_what_a_schema_refers_to(elsewhere):
    assert compiled({"$ref": elsewhere}) is None


@pytest.mark.parametrize("value", [10**400, float("inf"), float("nan"), "\ud800", {1: 2}, object()])
def test_what_is_no_json_fits_nothing_or_is_refused(value):
    fits = compiled(
        {"type": "object", "properties": {"a": {"type": "integer", "maximum": 20}}, "required": ["a"]}
    )
    assert fits is not None
    with suppress(ValueError):
        assert not fits({"a": value})
