"""A worker carries out the steps of any run of its home, however its own host is set to divide batches."""

from __future__ import annotations

import os
import socket
from contextlib import closing

import dagster as dg
import judging_run
import pytest
from celery.exceptions import Ignore
from dagster._check import CheckError
from dagster._core.code_pointer import CodePointer
from dagster._grpc.types import ExecuteStepArgs
from dagster._serdes import pack_value
from dagster_celery.config import TASK_EXECUTE_PLAN_NAME
from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy.exc import OperationalError

from imageworks_dagster.errors import OtherHome, WorkerCutOff
from imageworks_dagster.home_mark import mark_of
from imageworks_dagster.opened import close_stores, open_store
from imageworks_dagster.step_claims import look
from store.home import Home
from store.settings import Settings


@dg.job
def small_job():
    """Nothing: what is asked of it is how its run stands."""


@pytest.fixture
def worker(monkeypatch, tmp_path):
    monkeypatch.setenv("IMAGEWORKS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("IMAGEWORKS_BROKER_URL", "redis://127.0.0.1:6379/11")
    monkeypatch.setenv("IMAGEWORKS_PART_PHOTOS", "0")
    from imageworks_dagster import worker  # noqa: PLC0415 - reads the broker when it is loaded

    return worker


def test_a_worker_whose_home_is_another_than_the_runs_begins_no_step_and_says_what_to_do(worker, tmp_path):
    step = worker.app.tasks[TASK_EXECUTE_PLAN_NAME]
    of_run = Home(tmp_path / "of-the-run").create()
    try:
        with pytest.raises(OtherHome, match=f"{tmp_path / 'home'}, is another than that of run 1") as told:
            step(run_id="1", step="judge__entries", start=1, part_photos=0, home=mark_of(of_run))
        assert "IMAGEWORKS_HOME" in str(told.value)
        assert look(open_store(Settings()).database, "1", "judge__entries") is None
    finally:
        close_stores()


@pytest.fixture
def sent(tmp_path):
    """A step of a run with this status, as it is sent to workers, and the run's id."""
    quiet = {"telemetry": {"enabled": False}}
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster"), overrides=quiet) as instance:

        def send(status):
            job = dg.reconstructable(judging_run.judge_job)
            run = instance.create_run_for_job(small_job, status=status)
            arguments = ExecuteStepArgs(
                job_origin=job.get_python_origin(),
                run_id=run.run_id,
                step_keys_to_execute=["judge__entries"],
                instance_ref=instance.get_ref(),
            )
            return run.run_id, pack_value(arguments)

        yield send
        close_stores()


def begin(worker, run_id, packed):
    worker.app.tasks[TASK_EXECUTE_PLAN_NAME](
        run_id=run_id,
        step="judge__entries",
        start=2,
        part_photos=0,
        home=mark_of(open_store(Settings()).home),
        execute_step_args_packed=packed,
        executable_dict=None,
    )


@pytest.mark.parametrize(
    "status", [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELING]
)
def test_a_message_that_comes_when_its_run_is_over_or_terminated_begins_nothing(worker, sent, status):
    run_id, packed = sent(status)
    with pytest.raises(Ignore):
        begin(worker, run_id, packed)
    assert look(open_store(Settings()).database, run_id, "judge__entries") is None


def test_a_step_of_a_run_under_way_is_claimed_and_begun(worker, sent):
    run_id, packed = sent(dg.DagsterRunStatus.STARTED)
    with pytest.raises(CheckError, match="executable_dict"):
        begin(worker, run_id, packed)
    assert look(open_store(Settings()).database, run_id, "judge__entries").start == 2


def test_a_worker_that_reaches_no_state_database_says_that_another_may_have_the_step(worker, monkeypatch):
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv(
            "IMAGEWORKS_STATE_URL", f"postgresql://club@127.0.0.1:{taken.getsockname()[1]}/state"
        )
        with pytest.raises(WorkerCutOff, match=rf"^process {os.getpid()} on .*, which reached no database$"):
            worker.app.tasks[TASK_EXECUTE_PLAN_NAME](
                run_id="1", step="judge__entries", start=1, part_photos=0, home="any"
            )


def test_a_worker_that_does_not_reach_dagsters_database_says_so_too(worker, sent, monkeypatch):
    def out_of_reach(*_):
        wanting = OperationalError("SELECT 1", {}, OSError("no route to host"))
        raise DagsterPostgresException("too many retries for DB connection") from wanting

    monkeypatch.setattr(worker, "_goes_on", out_of_reach)
    with pytest.raises(WorkerCutOff):
        begin(worker, *sent(dg.DagsterRunStatus.STARTED))


def test_a_home_keeps_its_mark_and_no_other_has_it(tmp_path):
    one, other = (Home(tmp_path / name).create() for name in ("one", "other"))
    assert mark_of(one) == mark_of(Home(tmp_path / "one")) != mark_of(other)


def location_job():
    """As Dagster's servers name it to a worker."""
    own = dg.reconstructable(judging_run.judge_job)
    servers = CodePointer.from_module("imageworks_dagster.location", "defs", None)
    return own._replace(repository=own.repository._replace(pointer=servers), job_name="judge")


@pytest.mark.parametrize("job", [lambda: dg.reconstructable(judging_run.judge_job), location_job])
def test_its_definitions_divide_a_batch_as_the_run_says_and_not_as_its_own_setting_does(
    worker, monkeypatch, job
):
    monkeypatch.setenv("DAGSTER_HOME", "")
    loaded = job()

    def steps():
        return {str(handle) for handle in loaded.get_definition().graph.iterate_node_handles()}

    worker.divide_as(0)
    assert "judge__critiques.part" not in steps()

    worker.divide_as(2)
    assert "judge__critiques.part" in steps()

    # The next run that it has a step of may be one that was begun with another setting.
    worker.divide_as(0)
    assert "judge__critiques.part" not in steps()
