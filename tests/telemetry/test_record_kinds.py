"""Decisions and GPU samples go the way of events: spool, compaction, catalog, fsck; each kind by itself."""

from __future__ import annotations

import math
import shutil
from dataclasses import asdict
from zlib import crc32

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.catalog import connect, select
from telemetry.columns import TEXT_LIMIT, FieldFacts
from telemetry.compaction import compact
from telemetry.errors import NewerRecord, RecordFormatError
from telemetry.events import utc_now
from telemetry.fsck import fsck
from telemetry.record_json import from_json, to_json
from telemetry.record_kinds import DECISIONS, EVENTS, GPU_SAMPLES, KINDS
from telemetry.spool import Spool
from telemetry.spool_reading import BadLine, read_spool, spool_files

_OTHERS = pytest.mark.parametrize("kind", [DECISIONS, GPU_SAMPLES], ids=lambda kind: kind.view)

# Written by the version that knew events alone.
OLD_EVENT = (
    b'{"event_id":"old","request_digest":"d","stage":"s","model":"m","enqueued_at":"2026-01-01T00:00:00.000000+00:00",'
    b'"total_ms":1.0,"status":"ok","sample":0,"priority":"batch","attempts":[{"number":1,"started_ms":0.5,'
    b'"duration_ms":0.25,"status":"ok","http_status":200,"error_class":null,"input_tokens":null,"output_tokens":null}],'
    b'"attempt_count":1,"repaired":false,"answer_kept":false,"host":"h","pid":7,"schema_version":1}'
)


def _any(facts: FieldFacts) -> st.SearchStrategy:
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
    simple = {
        "text": st.sampled_from(facts.values) if facts.values else text,
        "integer": st.integers(-(2**63), 2**63 - 1),
        "number": st.floats(allow_nan=False, allow_infinity=False),
        "time": st.just(utc_now()),
    }[facts.kind]
    return st.none() | simple if facts.nullable else simple


@pytest.fixture
def make(make_event, make_decision, make_sample):
    """Makes a record of a kind."""
    makers = {EVENTS: make_event, DECISIONS: make_decision, GPU_SAMPLES: make_sample}
    return lambda kind, /, **values: makers[kind](**values)


@pytest.fixture
def spool_all(home, make):
    """Spools two records of each kind, of two days."""

    def spool(**values):
        with Spool(home.spool) as opened:
            for day in (1, 2):
                for kind in KINDS:
                    time = {kind.time_field: f"2026-03-0{day}T10:00:00+00:00"}
                    assert opened.append(make(kind, **time, **values))

    return spool


def _shown(home, kind, *, locked=False):
    with connect(home, locked=locked) as connection:
        return select(connection, f"SELECT {kind.id_field} FROM {kind.view} ORDER BY ALL").fetchall()


@_OTHERS
def test_a_record_survives_json_exactly(kind):
    columns = {facts.name: _any(facts) for facts in kind.fields if facts.name != "schema_version"}

    @settings(max_examples=40)
    @given(st.fixed_dictionaries(columns))
    def survives(values):
        record = kind.record(**values)
        line = to_json(record)
        assert b"\n" not in line
        assert from_json(kind, line) == record

    survives()


@_OTHERS
def test_every_field_has_a_description_and_what_is_measured_a_unit(kind, make):
    assert [facts.name for facts in kind.fields] == list(asdict(make(kind)))
    units = {"_ms": "ms", "_mib": "MiB", "_w": "W", "_c": "°C"}
    for facts in kind.fields:
        assert facts.column.description
        for ending, unit in units.items():
            assert not facts.name.endswith(ending) or facts.column.unit == unit


@_OTHERS
def test_a_word_that_is_none_of_its_fields_values_is_refused_by_name(kind, make):
    with pytest.raises(RecordFormatError, match=rf"The {kind.word}'s field 'kind' is 'sulk'; it is one of"):
        from_json(kind, to_json(make(kind, kind="sulk")))


def test_a_long_reason_is_cut(make_decision):
    decision = from_json(DECISIONS, to_json(make_decision(reason="x" * 2000)))
    assert len(decision.reason) == TEXT_LIMIT


def test_a_reading_that_is_no_number_is_left_empty(make_sample):
    assert from_json(GPU_SAMPLES, to_json(make_sample(power_w=math.nan))).power_w is None


def test_a_spool_takes_every_kind_and_gives_them_back_in_order(home, make):
    records = [make(kind) for kind in (GPU_SAMPLES, EVENTS, DECISIONS, EVENTS)]
    with Spool(home.spool) as spool:
        assert all(spool.append(record) for record in records)
    (path,) = spool_files(home.spool)
    read = list(read_spool(path))
    assert [type(record) for record in read] == [type(record) for record in records]
    assert [record.seq for record in read] == [0, 1, 2, 3]
    assert b',"decision":{"decision_id":"decision-00000",' in path.read_bytes()


def test_what_is_no_record_is_dropped_and_counted_and_fails_nothing(home, caplog):
    with Spool(home.spool) as spool:
        assert not spool.append("an event")
        assert spool.dropped == 1
    assert "a telemetry record of class str" in caplog.text.lower()


def test_events_spooled_before_there_were_other_kinds_are_read(home):
    path = home.spool / "spool-host-1-1-0.jsonl"
    path.write_bytes(b'{"seq":3,"crc":%d,"event":%b}\n' % (crc32(OLD_EVENT), OLD_EVENT))
    (event,) = read_spool(path)
    assert (event.event_id, event.seq, event.attempts[0].http_status) == ("old", 3, 200)
    assert compact(home).events == 1
    assert _shown(home, EVENTS) == [("old",)]


def test_a_home_made_before_there_were_other_kinds_is_shown_checked_and_compacted(home, make_event):
    with Spool(home.spool) as spool:
        spool.append(make_event())
    compact(home)
    home.decisions.rmdir()
    home.gpu_samples.rmdir()
    assert [len(_shown(home, kind)) for kind in KINDS] == [1, 0, 0]
    assert fsck(home).problems == ()
    assert compact(home).files == ()


@_OTHERS
def test_a_line_whose_kind_was_damaged_is_a_bad_line(home, make, kind):
    with Spool(home.spool) as spool:
        spool.append(make(kind))
    (path,) = spool_files(home.spool)
    path.write_bytes(path.read_bytes().replace(f'"{kind.word}"'.encode(), b'"evont"'))
    (bad,) = read_spool(path)
    assert isinstance(bad, BadLine)
    assert bad.reason == "the checksum is wrong"


def test_a_kind_of_a_newer_version_waits_for_it(home):
    body = b'{"some":"thing"}'
    path = home.spool / "spool-host-1-1-0.jsonl"
    path.write_bytes(b'{"seq":0,"crc":%d,"omen":%b}\n' % (crc32(body, crc32(b"omen")), body))
    with pytest.raises(NewerRecord, match="'omen' is not known"):
        list(read_spool(path))
    assert compact(home).newer == (path,)
    assert path.exists()


def test_each_kind_becomes_parquet_by_day_in_a_folder_of_its_own(home, spool_all):
    spool_all()
    report = compact(home)
    assert (report.events, report.decisions, report.gpu_samples, report.known) == (2, 2, 2, 0)
    assert {(path.parent.parent.name, path.parent.name) for path in report.files} == {
        (kind.view, f"date=2026-03-0{day}") for kind in KINDS for day in (1, 2)
    }
    assert spool_files(home.spool) == []


@_OTHERS
def test_every_field_arrives_in_parquet(home, make, kind):
    record = make(kind, run_id="run-1")
    with Spool(home.spool) as spool:
        spool.append(record)
    (path,) = compact(home).files
    (row,) = pq.read_table(path, partitioning=None).to_pylist()
    time = row.pop(kind.time_field)
    expected = {**asdict(record), "seq": 0}
    assert expected.pop(kind.time_field).startswith(time.isoformat())
    assert row == expected


def test_a_replay_makes_no_doubles_of_any_kind(home, spool_all, tmp_path):
    spool_all()
    shutil.copytree(home.spool, tmp_path / "kept")
    compact(home)
    shutil.copytree(tmp_path / "kept", home.spool, dirs_exist_ok=True)
    spool_all()
    report = compact(home)
    assert (report.events, report.decisions, report.gpu_samples, report.known) == (2, 2, 2, 6)
    assert [len(_shown(home, kind)) for kind in KINDS] == [4, 4, 4]


def test_records_of_two_kinds_may_have_the_same_id(home, make):
    with Spool(home.spool) as spool:
        for kind in KINDS:
            spool.append(make(kind, **{kind.id_field: "one"}))
    assert [_shown(home, kind) for kind in KINDS] == [[("one",)]] * 3
    assert compact(home).known == 0
    assert [_shown(home, kind) for kind in KINDS] == [[("one",)]] * 3


@_OTHERS
def test_a_record_shows_once_before_and_after_compaction_in_a_locked_catalog_too(home, make, kind):
    with Spool(home.spool) as spool:
        spool.append(make(kind))
    with Spool(home.spool) as spool:
        spool.append(make(kind))
        assert len(_shown(home, kind)) == 2
        compact(home)
        assert len(_shown(home, kind)) == 2
    compact(home)
    assert len(_shown(home, kind, locked=True)) == 2


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.view)
def test_every_column_can_be_named_without_quotes(home, kind):
    with connect(home) as connection:
        for facts in kind.fields:
            connection.execute(f"SELECT max({facts.name}) FROM {kind.view} GROUP BY {facts.name}")


def test_what_a_device_did_joins_what_was_asked_meanwhile(home, make_event, make_sample, make_decision):
    with Spool(home.spool) as spool:
        spool.append(make_event(run_id="run-1", total_ms=5000.0))
        spool.append(make_sample(run_id="run-1", memory_used_mib=123))
        spool.append(make_decision(run_id="run-1"))
    with connect(home) as connection:
        row = connection.execute(
            """
            SELECT events.model, decisions.reason, gpu_samples.memory_used_mib
            FROM events
            JOIN decisions USING (run_id, model)
            JOIN gpu_samples ON sampled_at BETWEEN enqueued_at AND enqueued_at + to_milliseconds(total_ms::BIGINT)
            """
        ).fetchall()
    assert row == [("qwen2.5-vl-7b", "the chat has waited for 31 s", 123)]


def test_fsck_counts_each_kind_and_tells_of_its_files_in_the_wrong_place(home, spool_all):
    spool_all()
    assert fsck(home).spooled == 6
    compact(home)
    report = fsck(home)
    assert (report.events, report.decisions, report.gpu_samples, report.problems) == (2, 2, 2, ())
    (path,) = (home.decisions / "date=2026-03-01").iterdir()
    path.rename(home.gpu_samples / "date=2026-03-01" / path.name)
    (problem,) = fsck(home).problems
    assert problem.path.is_relative_to(home.gpu_samples)


@_OTHERS
def test_fsck_rewrites_doubles_and_quarantines_what_cannot_be_read(home, make, kind):
    for _ in range(2):
        with Spool(home.spool) as spool:
            spool.append(make(kind))
        compact(home)
    first, second = sorted(kind.folder(home).glob("*/*.parquet"))
    table = pq.read_table(first, partitioning=None)
    pq.write_table(table, first.with_stem("twice"))
    assert {problem.what for problem in fsck(home, repair=True).problems} >= {f"holds {kind.view} twice"}
    assert len(_shown(home, kind)) == 2
    second.write_bytes(second.read_bytes()[:-8])
    assert [problem.path for problem in fsck(home, repair=True).problems] == [second]
    assert fsck(home).quarantined == 1
    assert len(_shown(home, kind)) == 1


def test_plain_duckdb_reads_the_samples(home, spool_all):
    spool_all()
    compact(home)
    query = f"SELECT count(*) FROM read_parquet('{home.gpu_samples}/*/*.parquet') WHERE device = 'gpu-0'"
    assert duckdb.sql(query).fetchall() == [(2,)]
