"""SIGKILL at random moments: nothing kept is lost, nothing is doubled or torn, and little is asked again."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from soak import amount
from sqlalchemy import select

from store.database import StateDatabase
from store.home import Home
from store.settings import Settings
from store.tables import kept_answer_photos, kept_answers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
DOUBLES = ROOT / "tests" / "doubles"
COUNT = amount(200, 90)
CONCURRENCY = 6
KILLS = amount(17, 6)


@contextmanager
def server():
    command = [sys.executable, str(DOUBLES / "vllm_double.py"), "--latency", "0.04"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def trace_id(run):
    return f"{run:032x}"


def run_client(home, url, run, kill_after, moment_s=0.0):
    """Run a client; kill it a moment after it printed so many lines (None: let it end). Gives the lines."""
    command = [
        sys.executable,
        str(DOUBLES / "client_process.py"),
        str(home),
        url,
        str(COUNT),
        str(CONCURRENCY),
        trace_id(run),
    ]
    environ = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{DOUBLES}"}
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.split())
            if kill_after is not None and len(lines) >= kill_after:
                # Not to wait for anything: so that the kill hits any step of asking, not only the printing.
                time.sleep(moment_s)
                process.send_signal(signal.SIGKILL)
                break
        process.stdout.read()
    if kill_after is None:
        assert process.returncode == 0
    return lines


def history_of(url):
    return httpx.get(f"{url}/double/history").json()


def events_of(home):
    """Whole lines of all spools, each in its order; a torn one may stand at the end of a killed process's only."""
    events = []
    for path in Home.of(Settings(home=home)).spool.glob("*.jsonl"):
        lines = path.read_bytes().split(b"\n")
        events += [json.loads(line)["event"] for line in lines[:-1]]
    return events


def kept_in(home):
    with StateDatabase.open(Settings(home=home)) as database, database.read() as connection:
        kept = dict(
            connection.execute(select(kept_answers.c.request_digest, kept_answers.c.answered_by)).all()
        )
        links = connection.execute(select(kept_answer_photos.c.photo_id)).scalars().all()
    return kept, links


def asked_in(run, history):
    return [one for one in history if one["headers"]["traceparent"].split("-")[1] == trace_id(run)]


def in_flight_at_the_kill(run, history, events, kept):
    """How many requests of a killed run were asked and are not kept; each is checked to have been in flight."""
    asked = {one["request_id"] for one in asked_in(run, history)}
    recorded = [
        event["event_id"]
        for event in events
        if event["trace_id"] == trace_id(run) and event["status"] == "ok"
    ]
    # A request holds one of the client's slots from before it is asked until its event is written.
    unrecorded = asked - set(recorded)
    assert len(unrecorded) <= CONCURRENCY
    # Answers are kept in the order of their events, so those that were on the way to the disk are the last ones. How
    # many they are is for the disk to say: who waits for it holds no slot.
    was_kept = [event_id in kept.values() for event_id in recorded]
    assert was_kept == sorted(was_kept, reverse=True)
    return len(unrecorded) + was_kept.count(False)


def test_kills_lose_nothing_and_ask_again_only_what_was_in_flight(tmp_path):
    chance = random.Random(17)
    home = tmp_path / "home"
    told = set()
    # What was kept before each run.
    kept_before = [{}]
    with server() as url:
        for run in range(KILLS):
            before = kept_before[run]
            lines = run_client(home, url, run, len(before) + chance.randint(1, 9), chance.uniform(0, 0.08))
            told |= {(number, by) for number, _, by in (line for line in lines if len(line) == 3)}
            kept, _ = kept_in(home)
            # Nothing that was kept is lost or changed.
            assert before.items() <= kept.items()
            kept_before.append(kept)
        lines = run_client(home, url, KILLS, None)
        history = history_of(url)
        assert lines[-1] == ["done"]
        assert len(lines) == COUNT + 1

    kept, links = kept_in(home)
    assert len(kept) == COUNT
    assert sorted(links) == sorted(f"photo-{number}" for number in range(COUNT))
    events = events_of(home)
    assert max(Counter(event["event_id"] for event in events).values()) == 1
    good = Counter(event["event_id"] for event in events if event["status"] == "ok")
    assert all(good[answered_by] == 1 for answered_by in kept.values())
    # Whatever a client was told before it was killed is what is still there.
    final = {number: by for number, _, by in lines[:-1]}
    assert all(final[number] == by for number, by in told)
    # Nothing that was kept was asked again.
    question = {event["request_digest"]: event["entry_id"].removeprefix("club/") for event in events}
    for run, before in enumerate(kept_before):
        assert not {one["text"] for one in asked_in(run, history)} & {question[digest] for digest in before}
    # Each question was asked once, and once more for each kill that found it in flight.
    again = sum(in_flight_at_the_kill(run, history, events, kept_before[run + 1]) for run in range(KILLS))
    assert len({one["text"] for one in history}) == COUNT
    assert len(history) == COUNT + again
    print(f"{again} of {COUNT} asked again over {KILLS} kills")  # noqa: T201 - shown with -s
