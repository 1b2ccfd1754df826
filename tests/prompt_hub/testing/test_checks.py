"""Assertions: what holds and what does not, for all answers."""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from prompt_hub.testing.assertions import Assertion
from prompt_hub.testing.checks import Said, check, count_words
from prompt_hub.testing.languages import LANGUAGES, language_of

ADAPTER = TypeAdapter(Assertion)
TEXTS = st.text(max_size=60)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9, allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def holds(data_or_text, **assertion):
    return checked(data_or_text, **assertion).holds


def checked(data_or_text, **assertion):
    is_text = isinstance(data_or_text, str)
    data = None if is_text else data_or_text
    text = data_or_text if is_text else json.dumps(data)
    return check(ADAPTER.validate_python(assertion), Said(text, data))


@given(TEXTS.filter(bool), TEXTS, TEXTS)
def test_contains_and_not_contains_are_opposites(part, before, after):
    text = before + part + after
    assert holds(text, type="contains", value=part)
    assert not holds(text, type="not-contains", value=part)


@given(st.text("abAB ", min_size=1, max_size=5))
def test_case_is_ignored_where_that_is_asked_for(part):
    assert holds(part.swapcase(), type="contains", value=part, ignore_case=True)


def test_all_of_several_texts_are_wanted_and_none_of_several_unwanted_ones():
    assert holds("sea and sky", type="contains", value=["sea", "sky"])
    assert checked("sea", type="contains", value=["sea", "sky"]).why == "it lacks 'sky': sea"
    assert checked("sea", type="not-contains", value=["sea", "sky"]).why == "it has 'sea': sea"


@given(JSON, JSON)
def test_equals_is_equality_of_json_in_which_true_is_not_one(one, other):
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert holds({"field": one}, type="equals", field="field", value=one)
    assume(same or one != other or str(one).casefold() != str(other).casefold())
    if holds({"field": one}, type="equals", field="field", value=other):
        assert one == other


def test_true_is_not_one():
    assert not holds({"a": True}, type="equals", field="a", value=1)
    assert not holds({"a": [1]}, type="equals", field="a", value=[True])
    assert holds({"a": 1.0}, type="equals", field="a", value=1)


@given(TEXTS, st.integers(0, 70), st.integers(0, 70))
def test_a_length_is_within_its_bounds(text, low, span):
    assert holds(text, type="length", min=low, max=low + span) == (low <= len(text) <= low + span)


@given(st.lists(st.text(max_size=3), max_size=6), st.integers(0, 6))
def test_the_length_of_a_list_is_its_items(items, most):
    assert holds({"keywords": items}, type="length", field="keywords", max=most) == (len(items) <= most)


@given(st.lists(st.text("abcdé", min_size=1, max_size=6), max_size=20))
def test_words_are_what_spaces_part(words):
    assert count_words(", ".join(words)) == len(words)


def test_what_an_apostrophe_or_a_hyphen_joins_is_one_word():
    assert count_words("the judge's well-known eye\u2019s view - it isn't") == 7


@given(TEXTS)
def test_a_pattern_that_could_take_for_ever_does_not(text):
    assert holds("a" * 20_000 + "!" + text[:0], type="regex", value="^(a+)+$") is False


def test_a_lone_surrogate_is_matched_by_no_letter():
    assert holds("a\ud800", type="regex", value="^a.$")


@pytest.mark.parametrize(
    ("text", "is_so"), [('{"a": 1}', True), ("[]", True), ("{", False), ("a", False), ("[" * 9999, False)]
)
def test_is_json_is_of_the_whole_text(text, is_so):
    assert holds(text, type="is-json") is is_so


@given(JSON)
def test_a_schema_of_a_field_holds_or_says_where_not(value):
    done = checked({"a": value}, type="schema", field="a", schema={"type": "string"})
    assert done.holds == isinstance(value, str)
    assert bool(done.why) != done.holds


def test_a_path_finds_so_many_values_and_each_is_equal():
    answer = {"keywords": [{"word": "cat"}, {"word": "cat"}]}
    assert holds(answer, type="json-path", path="$.keywords[*].word", min=2, max=2, equals="cat")
    assert checked(answer, type="json-path", path="$..word", max=1).why == "it finds 2 values"
    assert checked(answer, type="json-path", path="$.none").why == "it finds 0 values"
    assert holds(answer, type="json-path", path="$.none", min=0)
    assert not holds(answer, type="json-path", path="$..word", equals=None)
    assert not holds("not json", type="json-path", path="$")


@given(JSON)
def test_no_answer_makes_a_path_fail_to_be_followed(value):
    holds({"a": value}, type="json-path", path="$..[?length(@) > 1]", min=0)


@given(TEXTS.filter(str.strip))
def test_a_text_is_similar_to_itself(text):
    assert holds(text, type="similar", value=text, threshold=1)


def test_similarity_knows_the_order_of_words_not_and_their_letters_well():
    assert holds("Dusk at low tide", type="similar", value="low tide at dusk", threshold=1)
    assert not holds("A cup of coffee", type="similar", value="low tide at dusk", threshold=0.8)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("A quiet shore at low tide, with the last light on the wet sand.", "en"),
        ("Ein stilles Ufer bei Ebbe, mit dem letzten Licht auf dem nassen Sand.", "de"),
        ("Un rivage tranquille à marée basse, avec la dernière lumière sur le sable.", "fr"),
    ],
)
def test_a_language_is_told_of_a_sentence(text, code):
    assert language_of(text) == code
    assert holds(text, type="language", value=code)


def test_a_text_without_words_is_in_no_language():
    assert checked("--- 🙂", type="language", value="en").why == "it has no words"


@given(TEXTS)
def test_a_language_is_one_of_those_that_can_be_named(text):
    assert language_of(text) in LANGUAGES


@pytest.mark.parametrize("answer", ["no json", "[1]", '"text"', "null"])
def test_a_field_that_is_not_there_fails_and_says_so(answer):
    done = checked(answer, type="contains", field="caption", value="a")
    assert done.holds is False
    assert "the answer has no field 'caption'" in done.why


def test_without_an_answer_everything_fails():
    said = Said("", failure="there is no answer: timeout")
    for written in (
        {"type": "not-contains", "value": "a"},
        {"type": "latency", "max": 9},
        {"type": "is-json"},
    ):
        done = check(ADAPTER.validate_python(written), said)
        assert (done.holds, done.why) == (False, "there is no answer: timeout")


@pytest.mark.parametrize("kind", ["latency", "cost"])
def test_what_was_spent_is_bounded_and_skipped_for_what_was_recalled_or_not_counted(kind):
    assertion = ADAPTER.validate_python({"type": kind, "max": 100})
    assert check(assertion, Said("", latency_ms=100, tokens=100)).holds
    assert check(assertion, Said("", latency_ms=101, tokens=101)).holds is False
    assert check(assertion, Said("", latency_ms=1, tokens=1, recalled=True)).holds is None
    assert check(assertion, Said("")).holds is None


@given(st.text(max_size=200) | JSON)
def test_no_answer_makes_an_assertion_raise(answer):
    for written in (
        {"type": "contains", "value": "a"}, {"type": "regex", "value": "a"}, {"type": "is-json"}, {"type": "schema"},
        {"type": "json-path", "path": "$.a"}, {"type": "length", "max": 3}, {"type": "words", "max": 3},
        {"type": "similar", "value": "a", "threshold": 0.5}, {"type": "equals", "value": 1},
    ):  # fmt: skip
        for name in ({}, {"field": "a"}):
            if written["type"] not in ("is-json", "schema") or not name:
                assert checked(answer, **written, **name).what.startswith(written["type"])
