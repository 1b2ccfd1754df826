"""A run owns the batch that it divides until it is over, ended or dead; who lost it does not take it back."""

import subprocess
import sys

import dagster as dg
import pytest

from imageworks_dagster.errors import BatchTaken
from imageworks_dagster.owning import own, owner_of
from imageworks_dagster.run_process import HOST, PID, process_tags
from store.home import Home

BATCH = "spring-round"
STARTED = dg.DagsterRunStatus.STARTED


@dg.job
def nothing():
    """Of no steps."""


@pytest.fixture
def home(settings):
    return Home.of(settings).create()


@pytest.fixture
def begin(instance):
    """Begins a run, under way in a process, and gives its id."""
    return lambda tags=None: instance.create_run_for_job(nothing, status=STARTED, tags=tags or {}).run_id


@pytest.fixture
def take(home, instance):
    """Makes a batch the run's own."""
    return lambda run, began=False, batch=BATCH: own(
        home, "judge", batch, run_id=run, began=began, instance=instance
    )


def test_the_run_that_divides_a_batch_has_it_until_it_has_ended(home, instance, begin, take):
    first, second = begin(process_tags()), begin()
    take(first)

    with pytest.raises(BatchTaken, match=f"{BATCH!r} is being worked on by run {first}"):
        take(second)
    take(first, began=True)
    assert owner_of(home, "judge", BATCH, instance) == first

    instance.report_run_failed(instance.get_run_by_id(first))
    assert owner_of(home, "judge", BATCH, instance) is None
    take(second)
    assert owner_of(home, "judge", BATCH, instance) == second


def test_a_run_that_was_taken_for_ended_does_not_take_its_batch_back(instance, begin, take):
    first, second = begin(), begin()
    take(first)
    instance.report_run_failed(instance.get_run_by_id(first))
    take(second)
    with pytest.raises(BatchTaken, match="being worked on"):
        take(first, began=True)

    instance.report_run_failed(instance.get_run_by_id(second))
    with pytest.raises(BatchTaken, match=f"was divided anew by run {second}"):
        take(first, began=True)


def test_a_run_whose_process_is_gone_has_its_batch_no_longer(home, instance, begin, take):
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    dead = begin({**process_tags(), PID: str(ended.pid)})
    take(dead)
    take(begin())

    elsewhere = begin({**process_tags(), PID: str(ended.pid), HOST: "another-host"})
    take(elsewhere, batch="april")
    assert owner_of(home, "judge", "april", instance) == elsewhere


def test_a_run_that_this_dagster_knows_nothing_of_keeps_nobody_waiting(home, instance, begin, take):
    take("of-a-history-that-was-deleted")
    assert owner_of(home, "judge", BATCH, instance) is None
    take(begin())


def test_batches_are_owned_each_by_itself(home, instance, begin, take):
    take(begin())
    take(begin(), batch="april")
    assert owner_of(home, "tagger", BATCH, instance) is None
