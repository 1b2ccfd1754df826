"""SIGKILL of the command in the middle of its work: nothing kept is lost or doubled, little is asked again."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from dagster import DagsterRunStatus
from durable_home import ANSWERS_WITH, CONCURRENCY, DurableHome, question, questions_of, write_round
from soak import amount
from web_ui import until

from imageworks_dagster.pipelines import JUDGE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

DOUBLE = Path(__file__).parents[1] / "doubles" / "vllm_double.py"
ENTRIES = 40
KILLS = amount(3, 2)
WAIT_S = 120


@contextmanager
def server():
    command = [sys.executable, str(DOUBLE), "--latency", "0.15"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def critiques_asked(url):
    """The requests of judge/critiques, in the order in which the server got them."""
    history = httpx.get(f"{url}/double/history").json()
    return [
        asked
        for asked in history
        if ANSWERS_WITH["judge/critiques"]
        in asked["body"]["response_format"]["json_schema"]["schema"]["properties"]
    ]


def test_kills_ask_again_only_what_was_in_flight_and_leave_whole_accounts(tmp_path):
    chance = random.Random(4)
    folder = write_round(tmp_path / "Spring Round", ENTRIES, seed=1)
    with server() as url:
        durable = DurableHome.make(tmp_path / "home", url)
        judge = ("judge", folder, "--model", "double-vlm")
        killed = []
        kept_before = {}
        for _ in range(KILLS):
            asked_before = len(critiques_asked(url))
            moment = asked_before + chance.randint(CONCURRENCY + 1, 11)
            with durable.start(*judge) as process:
                until(lambda moment=moment: len(critiques_asked(url)) >= moment, WAIT_S, f"{moment} asked")
                process.kill()
            killed.append(durable.last_manifest())
            kept, history = durable.kept(), critiques_asked(url)

            assert killed[-1].status == "open"
            assert killed[-1].has_crashed()
            assert kept_before.items() <= kept.items()
            asked = {question(one) for one in history[asked_before:]}
            assert not asked & questions_of(history, kept_before.values())
            # What was asked and is not kept was in flight, or its answer was on its way into the store.
            assert len(history) - asked_before - (len(kept) - len(kept_before)) <= 2 * CONCURRENCY
            kept_before = kept
        status = durable.command("status")
        durable.command(*judge)
        history = critiques_asked(url)

    assert "crashed" in status
    assert f"--batch {killed[-1].batch}" in status
    assert len({manifest.run_id for manifest in killed}) == KILLS
    for manifest in killed:
        assert durable.manifest(manifest.run_id).status == "crashed"
        assert durable.run_status(manifest.run_id) is DagsterRunStatus.FAILURE
    last = durable.last_manifest()
    assert last.status == "ok"
    assert durable.run_status(last.run_id) is DagsterRunStatus.SUCCESS
    assert last.stages["judge/critiques"].recalled == len(kept_before)
    assert last.stages["judge/critiques"].asked == ENTRIES - len(kept_before)

    times = Counter(question(asked) for asked in history)
    assert len(times) == ENTRIES
    assert times.total() - ENTRIES <= KILLS * 2 * CONCURRENCY
    assert kept_before.items() <= durable.kept().items()
    durable.assert_accounts_are_right()
    for stage in JUDGE.stages:
        rows = durable.rows(stage.asset, last.batch)
        assert {row["run_id"] for row in rows} == {last.run_id}
        if stage.asset != "judge/playoff":
            assert len({row["entry_id"] for row in rows}) == len(rows) == ENTRIES
    critiques = durable.rows("judge/critiques", last.batch)
    assert [row["error_class"] for row in critiques] == [None] * ENTRIES
    assert {row["request_digest"]: row["answered_by"] for row in critiques}.items() <= durable.kept().items()
    print(f"{times.total() - ENTRIES} of {ENTRIES} asked again over {KILLS} kills")  # noqa: T201 - shown with -s
