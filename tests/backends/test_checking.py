from __future__ import annotations

import json
from contextlib import suppress

import pytest
from client_desk import SCHEMA
from hypothesis import given
from hypothesis import strategies as st

from backends.checking import check_answer, parse_json
from backends.errors import InvalidRequest, NotJson, SchemaMismatch
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
    ],
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
