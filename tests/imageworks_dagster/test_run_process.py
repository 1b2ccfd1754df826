import json
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import dagster as dg
import pytest

from imageworks_dagster.owning import is_under_way
from imageworks_dagster.run_process import HOST, PID, close_dead_runs, process_tags, tagged_process

pytestmark = pytest.mark.slow

TAGS_OF_A_CHILD = (
    "import json; from imageworks_dagster.run_process import process_tags; print(json.dumps(process_tags()))"
)


@dg.op
def nothing():
    pass


@dg.job
def small_job():
    nothing()


def tags_of_a_process_that_ended():
    child = subprocess.run(
        [sys.executable, "-c", TAGS_OF_A_CHILD], capture_output=True, check=True, text=True
    )
    return json.loads(child.stdout)


def started_run(instance, tags):
    return instance.create_run_for_job(small_job, tags=tags, status=dg.DagsterRunStatus.STARTED).run_id


def test_the_process_of_a_step_names_the_one_that_started_it_and_goes_on():
    with ProcessPoolExecutor(1, get_context("forkserver")) as pool:
        of_the_run = pool.submit(process_tags, "multiprocess").result()
        own = pool.submit(process_tags).result()

    assert of_the_run == process_tags()
    assert own[PID] != str(os.getpid())


def test_tags_name_the_process_and_are_read_back():
    process = tagged_process(process_tags())

    assert process is not None
    assert not process.is_gone()


def test_a_run_without_tags_names_no_process():
    assert tagged_process({HOST: "somewhere"}) is None


def test_a_run_whose_process_is_gone_is_closed_as_failed(instance):
    dead = started_run(instance, tags_of_a_process_that_ended())

    assert close_dead_runs(instance) == [dead]
    assert instance.get_run_by_id(dead).status == dg.DagsterRunStatus.FAILURE


def test_a_run_that_was_being_terminated_is_closed_as_canceled(instance):
    dead = started_run(instance, tags_of_a_process_that_ended())
    instance.report_run_canceling(instance.get_run_by_id(dead))

    assert close_dead_runs(instance) == [dead]
    assert instance.get_run_by_id(dead).status == dg.DagsterRunStatus.CANCELED


def test_a_run_that_ended_just_after_it_was_listed_stays_as_it_ended(instance, monkeypatch):
    ended = started_run(instance, tags_of_a_process_that_ended())
    listed = instance.get_runs()
    instance.report_run_canceled(instance.get_run_by_id(ended))
    monkeypatch.setattr(instance, "get_runs", lambda **_: listed)

    assert close_dead_runs(instance) == []
    assert instance.get_run_by_id(ended).status == dg.DagsterRunStatus.CANCELED


def test_a_run_that_is_started_once_more_is_not_taken_for_the_dead_one_whose_tags_it_has(instance):
    dead = started_run(instance, tags_of_a_process_that_ended())
    assert close_dead_runs(instance) == [dead]
    # As Dagster makes the second: with all tags of the first.
    again = instance.create_run_for_job(
        small_job,
        tags=instance.get_run_by_id(dead).tags,
        status=dg.DagsterRunStatus.STARTING,
        parent_run_id=dead,
        root_run_id=dead,
    )

    assert close_dead_runs(instance) == []
    assert is_under_way(again.run_id, instance)

    instance.add_run_tags(again.run_id, tags_of_a_process_that_ended())
    assert not is_under_way(again.run_id, instance)
    assert close_dead_runs(instance) == [again.run_id]


def test_runs_of_living_processes_of_other_hosts_and_without_tags_are_left_alone(instance):
    for tags in (process_tags(), {**tags_of_a_process_that_ended(), HOST: "elsewhere"}, {}):
        started_run(instance, tags)

    assert close_dead_runs(instance) == []
