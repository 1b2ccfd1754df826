"""How a run ended stands in its manifest and in Dagster, wherever in the run the end came."""

from __future__ import annotations

import signal
import socket

import dagster as dg
import pytest

from imageworks_dagster import checking, runs, staging
from imageworks_dagster.checks import ACCOUNTED, SPREAD
from imageworks_dagster.run_process import BOOT, HOST, PID, PID_STARTED
from telemetry.processes import Process, boot_id, start_of

pytestmark = pytest.mark.slow


def interrupting(function):
    """The function, with a Ctrl-C just after it."""

    def call(*arguments, **options):
        result = function(*arguments, **options)
        signal.raise_signal(signal.SIGINT)
        return result

    return call


@pytest.fixture
def round_of(platform, entries_folder):
    return platform, platform.register("judge", entries_folder)


def test_a_runs_manifest_names_the_process_that_goes_on_until_the_run_is_over(round_of, monkeypatch):
    platform, batch = round_of
    of_the_run = Process(host=socket.gethostname(), boot_id=boot_id(), pid=1, started=start_of(1))
    # As where each step has a process of its own.
    tags = {HOST: of_the_run.host, BOOT: of_the_run.boot_id, PID: "1", PID_STARTED: str(of_the_run.started)}
    monkeypatch.setattr(staging, "process_tags", lambda _executor: tags)

    result = platform.run("judge", batch, only=["judge/entries"])

    assert platform.manifest(result).process == of_the_run


def assert_canceled(platform, result, *, after):
    assert result.dagster_run.status is dg.DagsterRunStatus.CANCELED
    manifest = platform.manifest(result)
    assert manifest.status == "canceled"
    assert manifest.ended_at
    assert list(manifest.stages) == after


def test_an_interrupt_between_the_manifests_opening_and_the_stages_body_closes_it(round_of, monkeypatch):
    platform, batch = round_of
    monkeypatch.setattr(runs, "open_manifest", interrupting(runs.open_manifest))

    result = platform.run("judge", batch)

    assert_canceled(platform, result, after=[])


def test_an_interrupt_after_a_stages_table_was_published_closes_the_manifest(round_of, monkeypatch):
    platform, batch = round_of
    monkeypatch.setattr(runs, "update_manifest", interrupting(runs.update_manifest))

    result = platform.run("judge", batch)

    assert_canceled(platform, result, after=["judge/entries"])
    assert platform.store.tables.current("judge/entries", batch).run_id == result.run_id


def test_an_interrupt_between_two_stages_ends_the_run_before_the_second_begins(round_of, monkeypatch):
    platform, batch = round_of
    store_event = platform.instance.handle_new_event

    def handle(entry, **options):
        store_event(entry, **options)
        event = entry.dagster_event
        if event is not None and event.is_step_success and event.step_key == "judge__compliance":
            # Dagster is at work here, not a stage: it takes the interrupt in, for the next stage to end by.
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(platform.instance, "handle_new_event", handle)

    result = platform.run("judge", batch)

    assert_canceled(platform, result, after=["judge/entries", "judge/compliance"])


def test_an_interrupt_in_a_check_closes_the_manifest(round_of, monkeypatch):
    platform, batch = round_of
    monkeypatch.setitem(checking.CHECKS, SPREAD, interrupting(checking.CHECKS[SPREAD]))

    result = platform.run("judge", batch)

    assert_canceled(
        platform, result, after=["judge/entries", "judge/compliance", "judge/signals", "judge/critiques"]
    )


def test_a_check_that_blocks_what_comes_after_fails_the_run_and_its_manifest(round_of, monkeypatch):
    platform, batch = round_of

    def found_missing(_checked):
        return checking.CheckOutcome(passed=False, grave=True, description="one is missing")

    monkeypatch.setitem(checking.CHECKS, ACCOUNTED, found_missing)

    result = platform.run("judge", batch)

    assert result.dagster_run.status is dg.DagsterRunStatus.FAILURE
    assert platform.manifest(result).status == "failed"
    assert platform.store.tables.current("judge/results", batch) is None


def test_the_run_after_an_interrupted_one_goes_on_and_succeeds(round_of, monkeypatch):
    platform, batch = round_of
    with monkeypatch.context() as patch:
        patch.setitem(checking.CHECKS, SPREAD, interrupting(checking.CHECKS[SPREAD]))
        platform.run("judge", batch)

    again = platform.run("judge", batch)

    assert again.success
    assert platform.manifest(again).status == "ok"
    assert "judge/critiques" not in platform.asked(again)
