"""Picoschema written out as JSON Schema."""

from __future__ import annotations

import pytest

from prompt_hub.json_schemas import variable_problems
from prompt_hub.picoschema import compiled


def test_fields_lists_objects_and_choices_are_written_out():
    schema = compiled(
        {"a": "string, why", "b?": "integer", "c(array, some)": {"d": "number"}, "e?(enum)": ["x"]}
    )
    assert schema == {
        "type": "object",
        "properties": {
            "a": {"type": "string", "description": "why"},
            "b": {"type": ["integer", "null"]},
            "c": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"d": {"type": "number"}},
                    "required": ["d"],
                    "additionalProperties": False,
                },
                "description": "some",
            },
            "e": {"enum": ["x", None]},
        },
        "required": ["a", "c"],
        "additionalProperties": False,
    }
    assert not list(variable_problems(schema))


def test_json_schema_stays_as_it_is():
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    assert compiled(schema) == schema


@pytest.mark.parametrize("schema", ["color", 7, {"a(set)": "string"}, {"a(enum)": "x"}, {"?": "string"}, [1]])
def test_what_is_no_picoschema_is_refused(schema):
    with pytest.raises(ValueError, match="has"):
        compiled(schema)
