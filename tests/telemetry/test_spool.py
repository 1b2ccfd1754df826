"""The spool, with real processes, real kills and real full files."""

from __future__ import annotations

import errno
import os
import random
import resource
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from telemetry.events import Event
from telemetry.spool import Spool
from telemetry.spool_reading import LONGEST_LINE, BadLine, read_spool, spool_files

if TYPE_CHECKING:
    from pathlib import Path

WRITER = """
import os, sys
from pathlib import Path
from telemetry.events import Event, utc_now
from telemetry.spool import Spool

spool = Spool(Path(sys.argv[1]), rotate_bytes=int(sys.argv[2]))
number = 0
while True:
    event = Event(
        event_id=f"{sys.argv[3]}-{number}", request_digest="d" * 64, stage="judge/critiques", model="m",
        enqueued_at=utc_now(), total_ms=1.0, status="ok", error_message="x" * (number % 400),
    )
    spool.append(event)
    # Only what was appended is acknowledged, by a write that a kill cannot take back either.
    os.write(1, b"%d\\n" % number)
    number += 1
"""

LIMITED = """
import resource, signal, sys
from pathlib import Path
from telemetry.events import Event, utc_now
from telemetry.spool import Spool

def event(name):
    return Event(event_id=name, request_digest="d" * 64, stage="s", model="m", enqueued_at=utc_now(),
                 total_ms=1.0, status="ok")

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
spool = Spool(Path(sys.argv[1]))
states = []
for step in sys.argv[2:]:
    limit, count = map(int, step.split(":"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit if limit else soft, hard))
    written = sum(spool.append(event(f"{step}-{number}")) for number in range(count))
    states.append(f"{written},{int(spool.failing)},{spool.dropped}")
spool.close()
print(*states)
"""


CROWDED = """
import resource, sys
from pathlib import Path
from telemetry.events import Event, utc_now
from telemetry.spool import Spool

def event(name):
    return Event(event_id=name, request_digest="d" * 64, stage="s", model="m", enqueued_at=utc_now(),
                 total_ms=1.0, status="ok")

open_one, other = Spool(Path(sys.argv[1]), sync_every_s=0.01), Spool(Path(sys.argv[1]))
said = [open_one.append(event("before"))]
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
said += [open_one.append(event("in the open file")), open_one.sync(), other.append(event("in a new file"))]
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
said += [other.append(event("after")), other.sync(), open_one.append(event("last"))]
said += [open_one.dropped, other.dropped, open_one._syncer.is_alive()]
open_one.close()
other.close()
print(*map(int, said))
"""


def _events(folder: Path) -> list[Event]:
    return [item for path in spool_files(folder) for item in read_spool(path) if isinstance(item, Event)]


def _bad(folder: Path) -> list[BadLine]:
    return [item for path in spool_files(folder) for item in read_spool(path) if isinstance(item, BadLine)]


def test_what_is_appended_is_read_back_in_order(tmp_path, make_event):
    events = [make_event() for _ in range(5)]
    with Spool(tmp_path) as spool:
        for event in events:
            assert spool.append(event)
    read = _events(tmp_path)
    assert [event.seq for event in read] == [0, 1, 2, 3, 4]
    for event in read:
        event.seq = None
    assert read == events


def test_a_spool_without_events_leaves_no_file(tmp_path):
    with Spool(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_many_threads_may_append(tmp_path, make_event):
    events = [make_event() for _ in range(400)]
    with Spool(tmp_path, rotate_bytes=20_000) as spool:
        threads = [
            threading.Thread(target=lambda mine: [spool.append(one) for one in mine], args=(events[part::8],))
            for part in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    read = _events(tmp_path)
    assert sorted(event.seq for event in read) == list(range(400))
    assert {event.event_id for event in read} == {event.event_id for event in events}
    assert len(spool_files(tmp_path)) > 1


@pytest.mark.parametrize("seed", range(12))
def test_a_sigkill_takes_no_event_that_was_appended(tmp_path, seed):
    chance = random.Random(seed)
    rotate = chance.choice([5_000, 1 << 30])
    command = [sys.executable, "-c", WRITER, str(tmp_path), str(rotate), "kill"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            for _ in range(chance.randrange(1, 400)):
                acknowledged = int(process.stdout.readline())
        finally:
            process.send_signal(signal.SIGKILL)
        if rest := process.stdout.read().splitlines():
            acknowledged = int(rest[-1])
    ids = [int(event.event_id.rpartition("-")[2]) for event in _events(tmp_path)]
    # One more may be written that the kill kept from being acknowledged; none may be missing or double.
    assert sorted(ids) in (list(range(acknowledged + 1)), list(range(acknowledged + 2)))
    assert all(line.is_tail for line in _bad(tmp_path))


def test_a_file_that_is_full_is_left_and_the_event_goes_into_a_new_one(tmp_path):
    states = _limited(tmp_path, "1000:20")
    assert states == ["20,0,0"]
    assert len(_events(tmp_path)) == 20
    assert len(spool_files(tmp_path)) > 1


def test_a_full_disk_is_counted_and_seen_and_fails_nobody(tmp_path):
    states = _limited(tmp_path, "0:2", "10:50", "0:3")
    assert states == ["2,0,0", "0,1,50", "3,0,50"]
    assert len(_events(tmp_path)) == 5
    # What could not hold an event is not left lying about.
    assert all(path.stat().st_size for path in tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_fails_nobody(tmp_path, make_event):
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    with Spool(tmp_path / "file" / "spool") as spool:
        assert not spool.append(make_event())
        assert spool.failing
        assert spool.dropped == 1


def test_a_device_that_is_full_fails_nobody(tmp_path, make_event, monkeypatch):
    monkeypatch.setattr(
        "telemetry.spool._locked_file", lambda _: (os.open("/dev/full", os.O_WRONLY), tmp_path / "full")
    )
    with Spool(tmp_path) as spool:
        assert not spool.append(make_event())
        assert spool.failing
        assert spool.dropped == 1


class Syncs:
    """Stands before ``os.fdatasync``: knows the files that were synced, and fails the next so many times."""

    def __init__(self):
        self.real = os.fdatasync
        self.failures = 0
        self.tried = []
        self.done = set()

    def __call__(self, descriptor):
        file = os.fstat(descriptor).st_ino
        self.tried.append(file)
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EIO, "Input/output error")
        self.real(descriptor)
        self.done.add(file)


@pytest.fixture
def syncs(monkeypatch):
    syncs = Syncs()
    monkeypatch.setattr(os, "fdatasync", syncs)
    return syncs


def _ids_in(folder: Path, files: set[int]) -> set[str]:
    paths = [path for path in spool_files(folder) if path.stat().st_ino in files]
    return {item.event_id for path in paths for item in read_spool(path) if isinstance(item, Event)}


def test_after_a_failed_sync_the_descriptor_is_never_trusted_again(tmp_path, make_event, syncs):
    spool = Spool(tmp_path, sync_every_s=3600)
    spool.append(make_event())
    syncs.failures = 2
    assert not spool.sync()
    assert spool.failing
    assert spool.unsynced == 1
    assert spool.append(make_event())
    assert not spool.failing
    spool.sync()
    spool.close()
    assert len(syncs.tried) == len(set(syncs.tried)) == 3
    assert {event.event_id for event in _events(tmp_path)} == {"event-00000", "event-00001"}


def test_events_whose_sync_failed_are_on_the_disk_in_another_file(tmp_path, make_event, syncs):
    spool = Spool(tmp_path, sync_every_s=3600)
    for _ in range(3):
        spool.append(make_event())
    syncs.failures = 1
    assert spool.sync()
    assert spool.unsynced == 0
    assert _ids_in(tmp_path, syncs.done) == {"event-00000", "event-00001", "event-00002"}
    spool.close()


def test_a_sync_never_vouches_for_events_that_an_earlier_one_lost(tmp_path, make_event, syncs):
    spool = Spool(tmp_path, sync_every_s=3600)
    spool.append(make_event())
    syncs.failures = 2
    assert not spool.sync()
    spool.append(make_event())
    assert not spool.sync()
    assert spool.unsynced == 1
    assert _ids_in(tmp_path, syncs.done) == {"event-00001"}
    spool.close()


def test_a_sync_waits_for_another_one_and_tells_of_its_failure(tmp_path, make_event, syncs, monkeypatch):
    spool = Spool(tmp_path, sync_every_s=3600)
    spool.append(make_event())
    entered, go = threading.Event(), threading.Event()

    def failing_in_the_first(descriptor):
        if threading.current_thread().name == "first":
            entered.set()
            go.wait()
            syncs.failures = 1
        syncs(descriptor)

    monkeypatch.setattr(os, "fdatasync", failing_in_the_first)
    said = []
    threads = [
        threading.Thread(target=lambda: said.append(spool.sync()), name=name) for name in ("first", "second")
    ]
    threads[0].start()
    entered.wait()
    threads[1].start()
    go.set()
    for thread in threads:
        thread.join()
    assert said == [False, False]
    spool.close()


def test_events_in_a_file_that_was_left_when_it_was_full_are_synced_too(tmp_path, make_event, syncs):
    spool = Spool(tmp_path, sync_every_s=3600)
    spool.append(make_event())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (spool.path.stat().st_size + 100, hard))
    try:
        assert spool.append(make_event())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert spool.sync()
    assert _ids_in(tmp_path, syncs.done) == {"event-00000", "event-00001"}
    spool.close()


def test_a_sync_vouches_for_files_that_were_rotated_away_too(tmp_path, make_event, syncs):
    spool = Spool(tmp_path, sync_every_s=3600, rotate_bytes=1)
    syncs.failures = 1
    for _ in range(20):
        spool.append(make_event())
    assert spool.sync()
    assert _ids_in(tmp_path, syncs.done) == {f"event-{number:05}" for number in range(20)}
    spool.close()


def test_a_process_without_descriptors_fails_nobody(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CROWDED, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1", "1", "1", "0", "1", "1", "1", "0", "1", "1"]
    assert len(_events(tmp_path)) == 4


def test_an_event_that_is_too_long_for_a_reader_is_counted_as_dropped(tmp_path, make_event):
    with Spool(tmp_path) as spool:
        assert not spool.append(make_event(entry_id="x" * LONGEST_LINE))
        assert spool.append(make_event())
    assert spool.dropped == 1
    assert [event.event_id for event in _events(tmp_path)] == ["event-00001"]
    assert _bad(tmp_path) == []


def test_an_answer_whose_backend_calls_itself_endlessly_has_its_event(tmp_path, make_event):
    with Spool(tmp_path) as spool:
        assert spool.append(make_event(served_model="x" * 2_000_000, finish_reason="y" * 2_000_000))
    assert [event.event_id for event in _events(tmp_path)] == ["event-00000"]


def test_written_events_are_synced_without_being_asked(tmp_path, make_event, monkeypatch):
    done = threading.Event()
    real = os.fdatasync

    def watched(descriptor):
        real(descriptor)
        done.set()

    monkeypatch.setattr(os, "fdatasync", watched)
    with Spool(tmp_path, sync_every_s=0.01) as spool:
        spool.append(make_event())
        assert done.wait(timeout=60)


def test_an_event_after_the_close_is_counted_as_dropped(tmp_path, make_event):
    spool = Spool(tmp_path)
    spool.close()
    assert not spool.append(make_event())
    assert spool.dropped == 1


def test_a_forked_child_writes_a_file_of_its_own(tmp_path):
    code = """
import os, sys
from pathlib import Path
from telemetry.events import Event, utc_now
from telemetry.spool import Spool

def event(name):
    return Event(event_id=name, request_digest="d", stage="s", model="m", enqueued_at=utc_now(), total_ms=1.0,
                 status="ok")

spool = Spool(Path(sys.argv[1]))
spool.append(event("parent"))
if os.fork() == 0:
    spool.append(event("child"))
    spool.close()
    os._exit(0)
os.wait()
spool.append(event("parent-again"))
spool.close()
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code, str(tmp_path)], check=True)
    files = [{item.event_id for item in read_spool(path)} for path in spool_files(tmp_path)]
    assert sorted(files, key=len) == [{"child"}, {"parent", "parent-again"}]


def test_a_bad_line_in_the_middle_costs_itself_alone(tmp_path, make_event):
    path = _written(tmp_path, make_event, 4)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b"critiques", b"critiquez")
    lines[2] = b"\x00" * 50 + b"\n"
    path.write_bytes(b"".join(lines))
    read = list(read_spool(path))
    assert [type(item) for item in read] == [Event, BadLine, BadLine, Event]
    assert read[1].reason == "the checksum is wrong"
    assert read[1].offset == len(lines[0])
    assert not read[1].is_tail


def test_a_tail_is_kept_if_its_checksum_is_right_and_reported_if_not(tmp_path, make_event):
    path = _written(tmp_path, make_event, 2)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert [type(item) for item in read_spool(path)] == [Event, Event]
    path.write_bytes(whole[:-2])
    read = list(read_spool(path))
    assert [type(item) for item in read] == [Event, BadLine]
    assert read[1].is_tail


def test_garbage_without_an_end_is_read_in_bounded_pieces(tmp_path):
    path = tmp_path / "spool-x-1-1-1.jsonl"
    path.write_bytes(b"x" * 2_500_000)
    assert [len(item.content) for item in read_spool(path)] == [1 << 20, 1 << 20, 2_500_000 - (1 << 21)]


def _written(folder: Path, make_event, count: int) -> Path:
    with Spool(folder) as spool:
        for _ in range(count):
            spool.append(make_event())
    return spool_files(folder)[0]


def _limited(folder: Path, *steps: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(folder), *steps], capture_output=True, text=True, check=True
    )
    return done.stdout.split()
