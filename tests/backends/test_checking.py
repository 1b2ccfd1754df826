from __future__ import annotations

import json
from contextlib import suppress

import pytest
from client_desk import SCHEMA
from hypothesis import given
from hypothesis import strategies as st
from jsonschema.exceptions import ValidationError

from backends.checking import LONGEST_ANSWER, check_answer, parse_json
from backends.errors import AnswerTooLong, InvalidRequest, NotJson, SchemaMismatch
from backends.output_schemas import canonical_schema

CHECKED = canonical_schema(SCHEMA)
GOOD = {"score": 12, "critique": "Calm light."}


@pytest.mark.parametrize(
    "text",
    [
        '{"score": 12, "critique": "Calm light."}',
        '\n\n  {"score": 12, "critique": "Calm light."}  \n\t',
        '```json\n{"score": 12, "critique": "Calm light."}\n```',
        'Here it is:\n```\n{"score": 12, "critique": "Calm light."}\n```\nAnything else?',
        '<think>Is {"score": 3} right? No.</think>\n{"score": 12, "critique": "Calm light."}',
        '<think>hm\n```json\n{"score": 1}\n```\n</think>```json\n{"score": 12, "critique": "Calm light."}```',
        'Sure! {"score": 12, "critique": "Calm light."} I hope this helps.',
        'I use a fence ``` as told:\n```json\n{"score": 12, "critique": "Calm light."}',
    ],
)
def test_json_is_found_in_what_models_put_around_it(text):
    assert check_answer(text, CHECKED) == GOOD


def test_raw_control_characters_inside_strings_are_let_through():
    assert (
        check_answer('{"score": 1, "critique": "one\ntwo\tthree\x01"}', CHECKED)["critique"]
        == "one\ntwo\tthree\x01"
    )


def test_a_lone_surrogate_becomes_a_character_that_utf8_can_hold():
    data = check_answer(r'{"score": 1, "critique": "a\ud800b \ud83d\ude00"}', CHECKED)
    assert data["critique"] == "a\ufffdb 😀"
    data["critique"].encode("utf-8")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no",
        '{"score": 12, "critique": "Calm',
        "{'score': 12}",
        '{"score": NaN}',
        "[" * 100_000,
        '{"score": ' + "9" * 5000,
        '{"score": ' + "9" * 400 + "}",
        '{"score": -9223372036854775809}',
        '{"score": 1e999}',
        "[" * 100 + "]" * 100,
        "[" * 900 + r'"\ud83d\ude00"' + "]" * 900,
        # A pattern for fences would look for an end from each of the spaces.
        "```\n" + " " * 100_000 + "x",
    ],
    ids=lambda text: text[:40],
)
def test_what_is_not_json_says_so_and_shows_its_beginning(text):
    with pytest.raises(NotJson) as caught:
        check_answer(text, CHECKED)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("data", "where"),
    [
        ({"score": 21, "critique": "x"}, "at score"),
        ({"score": 12}, "'critique' is a required property"),
        ({"score": 12, "critique": "x", "author": "A"}, "author"),
        ([GOOD], "at the top"),
        ({"score": 12, "critique": "x" * 5000}, "is too long"),
    ],
)
def test_a_schema_mismatch_says_where_in_few_words(data, where):
    with pytest.raises(SchemaMismatch, match=where) as caught:
        check_answer(json.dumps(data), CHECKED)
    assert len(str(caught.value)) < 450


def test_numbers_that_columns_can_hold_are_let_through():
    assert parse_json("[9223372036854775807, -9223372036854775808, 1e308]") == [2**63 - 1, -(2**63), 1e308]


@pytest.mark.parametrize(
    "text",
    ['{"score": 1, "critique": "' + "x" * LONGEST_ANSWER + '"}', "[" + "[1]," * 3000 + "1]"],
    ids=["characters", "values"],
)
def test_an_answer_that_would_take_long_to_check_is_too_long(text):
    with pytest.raises(AnswerTooLong) as caught:
        check_answer(text, CHECKED)
    assert len(str(caught.value)) < 300


def test_a_fence_inside_a_string_is_no_fence():
    assert check_answer('Sure! {"score": 1, "critique": "a ``` b"}', CHECKED)["critique"] == "a ``` b"


def test_of_many_errors_only_a_few_are_looked_at(monkeypatch):
    made = []

    class Counted(ValidationError):
        def __init__(self, *args, **more):
            made.append(self)
            super().__init__(*args, **more)

    monkeypatch.setattr("jsonschema._keywords.ValidationError", Counted)
    with pytest.raises(SchemaMismatch, match="1 is not of type 'string'"):
        check_answer(json.dumps([1] * 4000), canonical_schema({"items": {"type": "string"}}))
    assert len(made) <= 20


NONE_BUT_THE_LAST = {"anyOf": [*({"const": -number} for number in range(1, 1200)), {"maximum": 8}]}
THREE_TIMES_FIFTEEN = {
    "items": {"$ref": "#/$defs/a"},
    "$defs": {
        "a": {"anyOf": [{"$ref": "#/$defs/b"}] * 15},
        "b": {"anyOf": [{"$ref": "#/$defs/c"}] * 15},
        "c": NONE_BUT_THE_LAST | {"anyOf": NONE_BUT_THE_LAST["anyOf"][-15:]},
    },
}


@pytest.mark.parametrize(
    "schema", [{"items": NONE_BUT_THE_LAST}, THREE_TIMES_FIFTEEN], ids=["long", "referred"]
)
def test_a_large_schema_is_checked_and_words_for_many_values_are_not_looked_for(schema, monkeypatch):
    fitting = [1] * 200
    assert check_answer(json.dumps(fitting), canonical_schema(schema)) == fitting
    monkeypatch.setattr("backends.checking.best_match", None)
    with pytest.raises(SchemaMismatch, match="too large to say where"):
        check_answer(json.dumps([*fitting, 9]), canonical_schema(schema))


@pytest.mark.parametrize(
    "schema",
    [
        {"items": NONE_BUT_THE_LAST},
        THREE_TIMES_FIFTEEN,
        # Without the quick test, for its pattern.
        {"items": {"patternProperties": {"(?a:x)": {}}, "enum": list(range(100))}},
    ],
    ids=["long", "referred", "slow"],
)
def test_more_values_than_can_be_checked_by_a_large_schema_are_too_many(schema):
    with pytest.raises(AnswerTooLong, match="so large a schema"):
        check_answer(json.dumps([1] * 4000), canonical_schema(schema))


def test_a_schema_that_never_ends_is_missed():
    with pytest.raises(SchemaMismatch, match="beyond checking"):
        # The pattern cannot be compiled, so that the validator in Python has to walk it.
        check_answer("{}", canonical_schema({"$ref": "#", "patternProperties": {"(?a:x)": {}}}))


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": "^(a+)+$"},
        {"type": "string", "pattern": "(a|a)*b|(?P<x>a)"},
    ],
)
def test_a_pattern_that_could_be_tried_for_ever_is_not(schema):
    with suppress(SchemaMismatch):
        check_answer(json.dumps("a" * 60 + "!"), canonical_schema(schema))


@pytest.mark.parametrize("pattern", [r"(a)\1", "(?=a)", "("])
def test_a_pattern_beyond_re2_is_refused(pattern):
    with pytest.raises(InvalidRequest, match=r"RE2|not a JSON Schema"):
        check_answer('"aa"', canonical_schema({"type": "string", "pattern": pattern}))


@pytest.mark.parametrize(
    ("answer", "is_right"),
    [({"x_1": 1}, True), ({"x_1": "one"}, False), ({"y": 1}, False), ({"name": "y"}, True)],
)
def test_fields_are_matched_by_patterns_as_json_schema_says(answer, is_right):
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}},
        "patternProperties": {"^x_": {"type": "integer"}},
        "additionalProperties": False,
    }
    if is_right:
        assert check_answer(json.dumps(answer), canonical_schema(schema)) == answer
    else:
        with pytest.raises(SchemaMismatch):
            check_answer(json.dumps(answer), canonical_schema(schema))


def test_free_text_is_not_parsed():
    assert check_answer("no json at all", None) is None


def test_a_reference_to_elsewhere_is_refused_and_never_fetched():
    schema = canonical_schema({"$ref": "http://127.0.0.1:9/schema.json"})
    with pytest.raises(InvalidRequest, match=r"127\.0\.0\.1:9"):
        check_answer("{}", schema)


def test_what_is_no_schema_is_refused():
    with pytest.raises(InvalidRequest, match="not a JSON Schema"):
        check_answer("{}", canonical_schema({"type": "objekt"}))


@given(st.text())
def test_any_text_is_json_or_an_error_of_ours(text):
    with suppress(NotJson):
        parse_json(text)
