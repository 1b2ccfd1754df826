"""Which JSON Schemas profiles may hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from prompt_hub.json_schemas import KEYWORDS, in_required_order, output_problems, variable_problems

GOOD = {
    "type": "object",
    "additionalProperties": False,
    "required": ["score", "tags"],
    "properties": {
        "score": {"type": "integer", "minimum": 0, "maximum": 20},
        "tags": {"type": "array", "minItems": 1, "maxItems": 3, "items": {"type": "string", "maxLength": 4}},
    },
}


def test_a_closed_object_is_a_good_answer():
    assert list(output_problems(GOOD)) == []


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"type": "array"}, ()),
        ({"additionalProperties": True}, ("additionalProperties",)),
        ({"required": ["score"]}, ("required",)),
        ({"required": ["score", "tags", "tags"]}, ("required",)),
        ({"required": "score"}, ("required",)),
        ({"properties": {}, "required": []}, ("properties",)),
        (
            {"properties": {"score": {"type": "integer"}, "tags": {"type": "object"}}},
            ("properties", "tags", "properties"),
        ),
        ({"$ref": "http://example.org/schema"}, ("$ref",)),
        ({"$id": "x"}, ("$id",)),
        ({"patternProperties": {"(a+)+$": {"type": "string"}}}, ("patternProperties",)),
    ],
)
def test_what_no_answer_may_be_is_named_with_its_place(change, place):
    assert place in [found for found, _ in output_problems({**GOOD, **change})]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": "(a+)+$"},
        {"type": "string", "format": "date"},
        {"type": "text"},
        {"type": []},
        {"type": [["string"]]},
        {"type": "string", "maximum": 3},
        {"type": "string", "maxLength": -1},
        {"type": "string", "maxLength": True},
        {"type": "integer", "minimum": "0"},
        {"type": "array", "items": "string"},
        {"type": "array", "items": {"type": "array", "items": {"$ref": "#"}}},
        {"enum": []},
        {"anyOf": []},
        {"anyOf": [{"type": "string"}, {"type": "no"}]},
        {"type": "object", "properties": ["x"]},
        {"type": "object", "additionalProperties": {"type": "no"}},
        {"type": "string", "description": 3},
        {},
    ],
)
def test_what_no_variable_may_have_is_a_problem(schema):
    assert list(variable_problems(schema))


def test_a_schema_that_never_ends_is_refused():
    schema = {"type": "string"}
    for _ in range(40):
        schema = {"type": "array", "items": schema}
    assert any("too deeply" in problem for _, problem in variable_problems(schema))


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from(["string", "object", "array", "integer", "a"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(KEYWORDS)), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(sorted(KEYWORDS)), values, max_size=5))
def test_a_schema_without_problems_is_a_json_schema(schema):
    if not list(variable_problems(schema)):
        Draft202012Validator.check_schema(schema)


@given(st.permutations(["a", "b", "c", "d"]), st.permutations(["a", "b", "c", "d"]))
def test_fields_come_in_the_order_in_which_they_are_required(required, written):
    schema = {"type": "object", "required": required, "properties": {name: {} for name in written}}
    assert list(in_required_order({"anyOf": [schema]})["anyOf"][0]["properties"]) == required
