"""The event: what goes into a spool comes out the same, or is refused by name."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.columns import TEXT_LIMIT, FieldFacts
from telemetry.errors import NewerRecord, RecordFormatError
from telemetry.events import (
    ATTEMPT_FIELDS,
    EVENT_FIELDS,
    Attempt,
    Event,
    utc_now,
)
from telemetry.record_json import from_json, to_json
from telemetry.record_kinds import EVENTS

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
_NUMBER = st.floats(allow_nan=False, allow_infinity=False)


def _values(facts: FieldFacts) -> st.SearchStrategy:
    simple = {
        "text": st.sampled_from(facts.values) if facts.values else _TEXT,
        "integer": st.integers(-(2**63), 2**63 - 1),
        "number": _NUMBER,
        "boolean": st.booleans(),
        "time": st.just(utc_now()),
        "texts": st.lists(_TEXT, max_size=3).map(tuple),
        "rows": st.just(()),
    }[facts.kind]
    return st.none() | simple if facts.nullable else simple


_ATTEMPTS = st.fixed_dictionaries({facts.name: _values(facts) for facts in ATTEMPT_FIELDS}).map(
    lambda values: Attempt(**values)
)
_EVENTS = st.fixed_dictionaries(
    {
        facts.name: st.lists(_ATTEMPTS, max_size=2).map(tuple) if facts.kind == "rows" else _values(facts)
        for facts in EVENT_FIELDS
        if facts.name != "schema_version"
    }
).map(lambda values: Event(**values))


@settings(max_examples=40)
@given(_EVENTS)
def test_an_event_survives_json_exactly(event):
    assert from_json(EVENTS, to_json(event)) == event


@settings(max_examples=40)
@given(_EVENTS)
def test_an_event_is_one_line(event):
    assert b"\n" not in to_json(event)


@given(st.binary(max_size=200))
def test_any_other_bytes_are_refused_as_an_event(line):
    with pytest.raises(RecordFormatError):
        from_json(EVENTS, line)


@settings(max_examples=60)
@given(
    _EVENTS,
    st.sampled_from([facts.name for facts in EVENT_FIELDS]),
    st.recursive(st.none() | st.booleans() | st.integers() | _NUMBER | _TEXT, st.lists, max_leaves=3),
)
def test_a_field_of_any_value_is_taken_or_refused_by_name(event, name, value):
    line = json.dumps({**json.loads(to_json(event)), name: value})
    try:
        taken = from_json(EVENTS, line)
    except RecordFormatError as error:
        refusal = str(error)
    else:
        refusal = name
        assert from_json(EVENTS, to_json(taken)) == taken
    assert name in refusal or "schema version" in refusal


def test_every_field_has_a_description(make_event):
    assert all(facts.column.description for facts in (*EVENT_FIELDS, *ATTEMPT_FIELDS))
    assert [facts.name for facts in EVENT_FIELDS] == list(asdict(make_event()))


def test_durations_sizes_and_tokens_have_units():
    for facts in (*EVENT_FIELDS, *ATTEMPT_FIELDS):
        if facts.name.endswith("_ms"):
            assert facts.column.unit == "ms"
        if facts.name.endswith("_tokens"):
            assert facts.column.unit == "tokens"


@pytest.mark.parametrize("name", ["error_message", "served_model", "finish_reason"])
def test_what_a_backend_says_at_length_is_cut(make_event, name):
    text = getattr(from_json(EVENTS, to_json(make_event(**{name: "x" * 2000}))), name)
    assert len(text) == TEXT_LIMIT
    assert text.endswith("…")


@pytest.mark.parametrize("strange", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_is_left_empty(make_event, strange):
    assert from_json(EVENTS, to_json(make_event(score=strange))).score is None


def test_a_lone_surrogate_becomes_its_escape(make_event):
    assert from_json(EVENTS, to_json(make_event(entry_id="a\udcff.jpg"))).entry_id == "a\\udcff.jpg"


def test_an_object_that_json_does_not_know_becomes_its_text(make_event):
    event = make_event(error_message=ValueError("boom"))
    assert from_json(EVENTS, to_json(event)).error_message == "boom"


def test_an_event_of_a_newer_schema_is_told_apart(make_event):
    with pytest.raises(NewerRecord, match="Update the software"):
        from_json(EVENTS, to_json(make_event(schema_version=99)))


def test_an_unknown_field_is_named(make_event):
    line = json.dumps({**json.loads(to_json(make_event())), "colour": "red"})
    with pytest.raises(RecordFormatError, match="colour"):
        from_json(EVENTS, line)


def test_a_time_is_kept_in_utc(make_event):
    event = from_json(EVENTS, to_json(make_event(enqueued_at="2026-03-01T01:30:00+02:00")))
    assert event.enqueued_at == "2026-02-28T23:30:00.000000+00:00"


def test_a_time_without_zone_is_refused(make_event):
    with pytest.raises(RecordFormatError, match="time zone"):
        from_json(EVENTS, to_json(make_event(enqueued_at="2026-03-01T01:30:00")))


def test_appending_events_needs_no_heavy_import():
    code = "import sys, telemetry.events, telemetry.spool; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"pyarrow", "duckdb", "pydantic", "sqlalchemy", "numpy"} & set(loaded.split())


def test_a_manifest_needs_neither_arrow_nor_duckdb():
    code = "import sys, telemetry.manifest; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"pyarrow", "duckdb", "sqlalchemy", "numpy"} & set(loaded.split())
