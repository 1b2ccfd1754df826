"""Compaction: killed anywhere, it loses nothing and doubles nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter

import duckdb
import pyarrow.parquet as pq
import pytest

from store.home import Home
from telemetry.arrow import arrow_schema
from telemetry.catalog import connect
from telemetry.compaction import compact
from telemetry.errors import CompactionError, DamagedParquet
from telemetry.events import EVENT_FIELDS
from telemetry.fsck import fsck
from telemetry.parquet import STAGING, publish_parquet
from telemetry.record_kinds import EVENTS, GPU_SAMPLES
from telemetry.spool import Spool
from telemetry.spool_reading import spool_files

AT_CALLS = 24
AT_TIMES = 8

# Forks a child for each point: at the n-th system call of interest of its compaction the child kills itself.
# Points of time within pyarrow's writing, where no such call is, come from the parent's own SIGKILLs.
KILLER = """
import os, random, shutil, signal, sys, time
from pathlib import Path
from store.home import Home
from telemetry.compaction import compact

template, work = Path(sys.argv[1]), Path(sys.argv[2])
seed, at_calls, at_times = map(int, sys.argv[3:])
WATCHED = {"open", "os.rename", "os.remove", "os.mkdir", "fcntl.flock"}
calls = 0
last = 0

def step():
    global calls
    calls += 1
    if calls == last:
        os.kill(os.getpid(), signal.SIGKILL)

def fsync(descriptor, sync=os.fsync):
    step()
    sync(descriptor)
    step()

def child(name, point=0, wait=None):
    global last
    folder = work / name
    shutil.copytree(template, folder)
    pid = os.fork()
    if pid == 0:
        last = point
        os.fsync = fsync
        sys.addaudithook(lambda name, arguments: step() if name in WATCHED else None)
        compact(Home(folder))
        (work.parent / "calls").write_text(str(calls))
        os._exit(0)
    if wait is not None:
        time.sleep(wait)
        os.kill(pid, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])

begun = time.monotonic()
child("whole")
whole = time.monotonic() - begun
total = int((work.parent / "calls").read_text())
chance = random.Random(seed)
points = chance.sample(range(1, total), min(at_calls, total - 1))
at_call = sum(child(f"call-{point}", point=point) for point in points)
at_time = sum(child(f"time-{number}", wait=chance.uniform(0, whole)) for number in range(at_times))
print(len(points), at_call, at_time)
"""

LIMITED = """
import resource, signal, sys
from pathlib import Path
from store.home import Home
from telemetry.compaction import compact
from telemetry.errors import CompactionError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
try:
    compact(Home(Path(sys.argv[1])))
except CompactionError as error:
    print(error)
"""


def _published(home: Home, kind=EVENTS) -> list[str]:
    """What an analyst's own DuckDB sees."""
    folder = kind.folder(home)
    if not any(folder.glob("*/*.parquet")):
        return []
    rows = duckdb.sql(f"SELECT {kind.id_field} FROM read_parquet('{folder}/**/*.parquet')").fetchall()
    return [row[0] for row in rows]


def _spool(home, events, **options) -> None:
    with Spool(home.spool, **options) as spool:
        assert all(spool.append(event) for event in events)


def _two_days(make_event, count: int) -> list:
    return [
        make_event(enqueued_at=f"2026-03-0{1 + number % 2}T10:00:00.{number:06}+00:00")
        for number in range(count)
    ]


def test_spools_become_parquet_by_day(home, make_event):
    events = _two_days(make_event, 10)
    _spool(home, events)
    report = compact(home)
    assert report.events == 10
    assert [path.parent.name for path in report.files] == ["date=2026-03-01", "date=2026-03-02"]
    assert spool_files(home.spool) == []
    assert sorted(_published(home)) == sorted(event.event_id for event in events)


def test_every_field_arrives_in_parquet(home, make_event):
    event = make_event(
        photo_ids=("a", "b"),
        score=12.5,
        schema_valid=True,
        error_message="é—\n",
        dropped_parameters=("min_p",),
    )
    _spool(home, [event])
    (path,) = compact(home).files
    (row,) = pq.read_table(path, partitioning=None).to_pylist()
    assert row["photo_ids"] == ["a", "b"]
    assert row["dropped_parameters"] == ["min_p"]
    assert row["score"] == 12.5
    assert row["error_message"] == "é—\n"
    assert row["attempts"][0]["http_status"] == 200
    assert row["enqueued_at"].isoformat() == "2026-03-01T10:00:00"
    assert list(row) == [facts.name for facts in EVENT_FIELDS]


def test_compacting_again_does_nothing(home, make_event):
    _spool(home, _two_days(make_event, 4))
    compact(home)
    before = sorted(home.events.rglob("*.parquet"))
    report = compact(home)
    assert (report.events, report.known, report.spools) == (0, 0, ())
    assert sorted(home.events.rglob("*.parquet")) == before


def test_a_replay_of_the_same_spool_makes_no_doubles(home, make_event, tmp_path):
    _spool(home, _two_days(make_event, 6))
    shutil.copytree(home.spool, tmp_path / "kept")
    compact(home)
    shutil.copytree(tmp_path / "kept", home.spool, dirs_exist_ok=True)
    # Together with a new spool, so that the replay is grouped differently.
    _spool(home, _two_days(make_event, 3))
    report = compact(home)
    assert (report.events, report.known) == (3, 6)
    assert max(Counter(_published(home)).values()) == 1
    assert len(_published(home)) == 9


def test_the_same_events_make_a_file_of_the_same_name(home, make_event, tmp_path):
    events = _two_days(make_event, 6)
    _spool(home, events)
    names = {path.name for path in compact(home).files}
    other = Home(tmp_path / "other").create()
    _spool(other, reversed(events), rotate_bytes=1)
    assert {path.name for path in compact(other).files} == names


def test_a_live_spool_is_left_alone(home, make_event):
    with Spool(home.spool) as spool:
        spool.append(make_event())
        report = compact(home)
        assert report.live == (spool.path,)
        assert report.events == 0
    assert compact(home).events == 1


def test_a_torn_tail_is_cut_and_kept_in_quarantine(home, make_event):
    _spool(home, _two_days(make_event, 3))
    (path,) = spool_files(home.spool)
    path.write_bytes(path.read_bytes()[:-20])
    report = compact(home)
    assert (report.events, report.bad_tails, report.bad_lines) == (2, 1, 0)
    (kept,) = [json.loads(line) for line in report.quarantined[0].read_text(encoding="utf-8").splitlines()]
    assert kept["source"] == path.name
    assert kept["is_tail"]
    assert spool_files(home.spool) == []


def test_a_bad_line_in_the_middle_is_quarantined_and_the_later_ones_are_kept(home, make_event):
    _spool(home, _two_days(make_event, 5))
    (path,) = spool_files(home.spool)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2][:40] + b"#" + lines[2][41:]
    path.write_bytes(b"".join(lines))
    report = compact(home)
    assert (report.events, report.bad_lines, report.bad_tails) == (4, 1, 0)
    assert len(_published(home)) == 4


def test_a_spool_of_a_newer_version_waits_for_it(home, make_event):
    _spool(home, [make_event(), make_event(schema_version=99)])
    _spool(home, [make_event()])
    report = compact(home)
    assert len(report.newer) == 1
    assert report.events == 1
    assert spool_files(home.spool) == list(report.newer)


def test_an_empty_spool_of_a_killed_process_goes(home):
    (home.spool / "spool-host-1-1-0.jsonl").touch()
    assert len(compact(home).spools) == 1
    assert spool_files(home.spool) == []


def test_a_full_disk_keeps_the_spools_and_says_so(home, make_event):
    events = _two_days(make_event, 200)
    _spool(home, events)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(home.root)], capture_output=True, text=True, check=True
    )
    assert "The spools are untouched" in done.stdout
    assert _published(home) == []
    assert list((home.events / STAGING).glob("*")) == []
    assert compact(home).events == 200


def test_a_damaged_parquet_file_of_the_day_stops_compaction_and_names_itself(home, make_event):
    _spool(home, [make_event()])
    (path,) = compact(home).files
    path.write_bytes(path.read_bytes()[:-8])
    _spool(home, [make_event()])
    with pytest.raises(DamagedParquet, match=path.name):
        compact(home)
    assert len(spool_files(home.spool)) == 1
    assert fsck(home, repair=True).clean
    assert compact(home).events == 1


def test_a_table_that_reads_back_otherwise_is_never_published(home, make_event, monkeypatch):
    _spool(home, [make_event()])
    monkeypatch.setattr("telemetry.parquet.rows_in", lambda _: 0)
    with pytest.raises(CompactionError, match="does not hold"):
        compact(home)
    assert _published(home) == []
    assert len(spool_files(home.spool)) == 1


@pytest.mark.slow
def test_a_kill_at_any_moment_loses_nothing_and_doubles_nothing(tmp_path, make_event, make_sample):
    template = Home(tmp_path / "template").create()
    earlier = _two_days(make_event, 4)
    _spool(template, earlier)
    compact(template)
    events = _two_days(make_event, 400)
    samples = [make_sample() for _ in range(40)]
    mixed = [record for ten in range(40) for record in (*events[10 * ten : 10 * ten + 10], samples[ten])]
    _spool(template, mixed, rotate_bytes=60_000)
    torn = spool_files(template.spool)[0]
    torn.write_bytes(torn.read_bytes() + b'{"seq":1,"crc":2,"ev')
    expected = {
        EVENTS: Counter(event.event_id for event in [*earlier, *events]),
        GPU_SAMPLES: Counter(sample.sample_id for sample in samples),
    }

    work = tmp_path / "work"
    work.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", KILLER, str(template.root), str(work), "7", str(AT_CALLS), str(AT_TIMES)],
        capture_output=True,
        text=True,
        check=True,
    )
    points, killed_at_call, killed_at_time = map(int, done.stdout.split())
    assert killed_at_call == points == AT_CALLS
    assert killed_at_time > 0
    for folder in sorted(work.iterdir()):
        home = Home(folder)
        for kind, ids in expected.items():
            assert not Counter(_published(home, kind)) - ids, folder.name
            with connect(home) as connection:
                rows = connection.execute(f"SELECT {kind.id_field} FROM {kind.view}").fetchall()
            assert Counter(row[0] for row in rows) == ids, folder.name
        compact(home)
        for kind, ids in expected.items():
            assert Counter(_published(home, kind)) == ids, folder.name
        assert spool_files(home.spool) == []
        report = fsck(home)
        assert report.problems == (), folder.name
        assert report.quarantined == 1


def test_what_a_killed_compaction_staged_is_swept_and_never_read(home, make_event):
    staged = home.events / STAGING / "2026-03-01-x.pq.tmp"
    staged.parent.mkdir()
    staged.write_bytes(b"half a file")
    _spool(home, [make_event()])
    assert len(_published(home)) == 0
    assert [problem.path for problem in fsck(home).problems] == [staged]
    compact(home)
    assert not staged.exists()
    assert len(_published(home)) == 1


def test_fsck_finds_and_rewrites_doubles(home, make_event):
    _spool(home, _two_days(make_event, 4))
    files = compact(home).files
    table = pq.read_table(files[0], partitioning=None, schema=arrow_schema(EVENTS))
    publish_parquet(home, EVENTS, "2026-03-01", table.slice(0, 1))
    report = fsck(home)
    assert any(problem.what == "holds events twice" for problem in report.problems)
    assert fsck(home, repair=True).clean
    assert fsck(home).problems == ()
    assert len(_published(home)) == 4


def test_fsck_finds_a_changed_byte(home, make_event):
    _spool(home, _two_days(make_event, 50))
    path = compact(home).files[0]
    content = bytearray(path.read_bytes())
    column = pq.read_metadata(path).row_group(0).column(1)
    content[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    path.write_bytes(content)
    report = fsck(home)
    assert not report.clean
    assert {problem.path for problem in report.problems} == {path}


def test_fsck_finds_a_file_in_the_wrong_place(home, make_event):
    _spool(home, [make_event()])
    (path,) = compact(home).files
    (home.events / "date=2026-12-31").mkdir()
    path.rename(home.events / "date=2026-12-31" / path.name)
    (home.events / "notes.txt").write_text("?", encoding="utf-8")
    assert sorted(problem.what for problem in fsck(home).problems) == [
        "holds events of 2026-03-01",
        "is no file of events",
    ]
