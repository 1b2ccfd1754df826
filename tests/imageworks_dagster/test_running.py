"""The command's runs, interrupted before their first step; later moments are in test_runs and test_terminations."""

from __future__ import annotations

import io
import signal

import dagster as dg
import pytest
from rich.console import Console

from imageworks_dagster.command import running
from imageworks_dagster.instance import open_instance
from imageworks_dagster.opened import close_stores
from imageworks_dagster.resources import TelemetryResource
from store.home import Home


def interrupting(function):
    def call(*arguments, **options):
        result = function(*arguments, **options)
        signal.raise_signal(signal.SIGTERM)
        return result

    return call


@pytest.fixture
def judge(settings, entries_folder, monkeypatch):
    """Judges the folder as the command does; gives the console's text."""
    monkeypatch.setenv("DAGSTER_HOME", "")

    def run():
        console = Console(file=io.StringIO())
        name = running.register_folder(settings, "judge", entries_folder, name=None, rules=None)
        with running.terminations_as_interrupts():
            return running.run_batch(
                settings, "judge", name, console=console, configured={}, resume="imageworks judge again"
            )

    yield run
    close_stores()


def test_a_signal_before_there_is_a_run_leaves_none(judge, settings, monkeypatch):
    monkeypatch.setattr(running, "observe_now", interrupting(running.observe_now))

    with pytest.raises(running.Interrupted, match=r"go on with:\n  imageworks judge again"):
        judge()

    with open_instance(Home.of(settings)) as instance:
        assert instance.get_runs() == []


@pytest.mark.slow
def test_a_signal_between_a_runs_record_and_its_first_step_cancels_the_run(judge, settings, monkeypatch):
    created = interrupting(dg.DagsterInstance.create_run_for_job)
    monkeypatch.setattr(dg.DagsterInstance, "create_run_for_job", created)

    with pytest.raises(running.Interrupted):
        judge()

    with open_instance(Home.of(settings)) as instance:
        assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.CANCELED]


@pytest.mark.slow
def test_a_signal_while_a_step_is_set_up_is_an_interrupt_and_no_failure(judge, monkeypatch):
    begun = interrupting(TelemetryResource.yield_for_execution)
    monkeypatch.setattr(TelemetryResource, "yield_for_execution", begun)

    with pytest.raises(running.Interrupted):
        judge()


@pytest.mark.slow
def test_the_signals_meaning_is_as_before_when_the_command_is_over(judge):
    before = signal.getsignal(signal.SIGTERM)

    assert judge().success

    assert signal.getsignal(signal.SIGTERM) is before
