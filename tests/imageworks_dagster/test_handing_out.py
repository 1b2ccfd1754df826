"""A step that workers have is sent again when one is lost, when nobody takes it up, and so often at most."""

from __future__ import annotations

from types import SimpleNamespace

import dagster as dg
import pytest
from celery.exceptions import TaskRevokedError, WorkerLostError
from dagster._core.execution.retries import RetryMode
from kombu.exceptions import OperationalError
from redis.exceptions import ConnectionError as NoConnection
from sqlalchemy import update

from imageworks_dagster import handing_out
from imageworks_dagster.errors import BrokerUnreachable, StepLost, WorkerCutOff
from imageworks_dagster.handing_out import HandedOut
from imageworks_dagster.opened import close_stores
from imageworks_dagster.run_process import tagged_process
from imageworks_dagster.step_claims import StepClaim, held, look, take
from store.database import StateDatabase
from store.errors import DatabaseUnreachable
from store.tables import step_claims
from telemetry.processes import this_process

TTL_S = 60.0
STEP = ("run", "judge__critiques")


@dg.job
def small_job():
    """Nothing."""


class Result:
    """Celery's, in the hands of a test."""

    def __init__(self, broker) -> None:
        self.result = None
        self.revoked = False
        self.broker = broker

    def ready(self) -> bool:
        if self.broker.away:
            raise NoConnection("Error 111 connecting to broker:6379. Connection refused.")
        return self.result is not None

    def get(self):
        return self.result

    def revoke(self) -> None:
        if self.broker.away:
            raise OperationalError("Error 111 connecting to broker:6379. Connection refused.")
        self.revoked = True


class Workers:
    """Those that steps are sent to."""

    def __init__(self, database, *, away=False) -> None:
        self.database = database
        self.away = away
        self.now = 1000.0
        self.sent: dict[int, Result] = {}
        self.told: list[str] = []
        self.step = HandedOut(
            self.send,
            database,
            *STEP,
            told=self.told.append,
            ttl_s=TTL_S,
            starts=2,
            clock=lambda: self.now,
        )

    def send(self, start):
        if self.away:
            raise OperationalError("Error 111 connecting to broker:6379. Connection refused.")
        self.sent[start] = Result(self)
        return self.sent[start]

    def take_up(self, start):
        return take(self.database, StepClaim(*STEP, start), worker=f"worker {start}", ttl_s=TTL_S)

    def lose(self):
        self.database.write(lambda connection: connection.execute(update(step_claims).values(expires_at=1.0)))


@pytest.fixture
def workers(settings):
    with StateDatabase.open(settings) as database:
        yield Workers(database)


def test_a_step_that_is_carried_out_is_sent_once(workers):
    assert not workers.step.ready()
    assert workers.take_up(1)
    workers.now += 100 * TTL_S
    assert not workers.step.ready()
    workers.sent[1].result = ["done"]
    assert workers.step.ready()
    assert workers.step.get() == ["done"]
    assert list(workers.sent) == [1]


def test_a_step_whose_worker_says_nothing_any_longer_is_sent_again(workers):
    assert workers.take_up(1)
    workers.lose()
    assert not workers.step.ready()
    assert list(workers.sent) == [1, 2]
    assert workers.told == ["Step judge__critiques was lost with worker 1; it is started again."]
    assert workers.take_up(2)
    workers.sent[2].result = ["done"]
    assert workers.step.ready()


def test_what_the_lost_worker_says_later_is_not_heard(workers):
    assert workers.take_up(1)
    workers.lose()
    assert not workers.step.ready()
    workers.sent[1].result = ["late"]
    assert not workers.step.ready()


def test_a_step_whose_process_ended_is_sent_again_at_once(workers):
    assert workers.take_up(1)
    workers.sent[1].result = WorkerLostError("signal 9 (SIGKILL)")
    assert not workers.step.ready()
    assert workers.take_up(2)


def test_a_step_whose_worker_is_cut_off_is_sent_again_at_once(workers):
    assert workers.take_up(1)
    workers.sent[1].result = WorkerCutOff("process 7 on alpha, which reached no database")
    assert not workers.step.ready()
    assert workers.told == [
        "Step judge__critiques was lost with process 7 on alpha, which reached no database; it is started again."
    ]
    assert workers.take_up(2)


def test_a_worker_that_is_cut_off_before_it_begins_fails_no_step(workers):
    workers.sent[1].result = WorkerCutOff("process 7 on alpha, which reached no database")
    assert not workers.step.ready()
    assert list(workers.sent) == [1]
    workers.now += TTL_S
    assert not workers.step.ready()
    assert workers.take_up(2)
    workers.sent[2].result = ["done"]
    assert workers.step.ready()
    assert workers.step.get() == ["done"]


def test_a_worker_that_comes_back_after_another_has_the_step_takes_nothing_from_it(workers):
    workers.now += TTL_S
    assert not workers.step.ready()
    assert workers.take_up(2)
    workers.sent[1].result = WorkerCutOff("process 7 on alpha, which reached no database")
    assert not workers.step.ready()
    assert list(workers.sent) == [1, 2]
    assert not look(workers.database, *STEP).lost


def test_a_step_that_is_lost_too_often_fails_and_says_with_whom(workers):
    for start in (1, 2):
        assert workers.take_up(start)
        workers.lose()
        workers.step.ready()
    assert workers.step.ready()
    assert list(workers.sent) == [1, 2]
    with pytest.raises(StepLost, match=r"worker 1, then worker 2.*IMAGEWORKS_STEP_STARTS=2"):
        workers.step.get()


def test_a_message_that_nobody_takes_up_is_sent_again_ever_more_seldom(workers):
    for waits, sent in ((1, 2), (1, 2), (1, 3), (3, 3), (1, 4)):
        workers.now += waits * TTL_S
        assert not workers.step.ready()
        assert len(workers.sent) == sent
    assert workers.take_up(2)
    assert not workers.take_up(4)


def test_a_result_that_is_lost_in_the_last_moment_is_made_again(workers):
    assert workers.take_up(1)
    with held(workers.database, StepClaim(*STEP, 1), ttl_s=TTL_S):
        pass
    assert not workers.step.ready()
    workers.now += TTL_S
    assert not workers.step.ready()
    assert workers.take_up(2)


def test_a_database_that_is_away_for_a_moment_ends_no_step_and_one_that_stays_away_does(workers, monkeypatch):
    def away(*_):
        raise DatabaseUnreachable("it is started anew")

    assert workers.take_up(1)
    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(handing_out, "look", away)
            assert not workers.step.ready()
            workers.now += TTL_S - 1
            assert not workers.step.ready()
        assert not workers.step.ready()
    assert list(workers.sent) == [1]
    monkeypatch.setattr(handing_out, "look", away)
    assert not workers.step.ready()
    workers.now += TTL_S
    with pytest.raises(DatabaseUnreachable):
        workers.step.ready()


def test_a_broker_that_is_away_for_a_moment_ends_no_step_and_one_that_stays_away_does(workers):
    assert workers.take_up(1)
    for _ in range(2):
        workers.away = True
        assert not workers.step.ready()
        workers.now += TTL_S - 1
        assert not workers.step.ready()
        workers.away = False
        assert not workers.step.ready()
    assert list(workers.sent) == [1]
    workers.away = True
    assert not workers.step.ready()
    workers.now += TTL_S
    with pytest.raises(BrokerUnreachable, match=r"IMAGEWORKS_BROKER_URL.* 60 s.*Start it.*kept"):
        workers.step.ready()


def test_a_step_that_could_not_be_sent_is_sent_when_the_broker_is_back(settings):
    with StateDatabase.open(settings) as database:
        workers = Workers(database, away=True)
        for _ in range(3):
            assert not workers.step.ready()
        assert workers.sent == {}
        workers.away = False
        assert not workers.step.ready()
        assert workers.take_up(1)
        workers.lose()
        workers.away = True
        assert not workers.step.ready()
        workers.away = False
        assert not workers.step.ready()
        assert list(workers.sent) == [1, 2]
        workers.sent[2].result = ["done"]
        assert workers.step.ready()


def test_a_step_that_is_taken_back_while_the_broker_is_away_is_taken_from_its_worker_too(workers):
    assert workers.take_up(1)
    workers.away = True
    workers.step.revoke()
    assert look(workers.database, *STEP).lost
    (words,) = workers.told
    assert words.startswith(
        "Step judge__critiques stays in the queue, and is passed over when it is taken up: "
    )


def test_a_step_that_is_taken_back_is_taken_from_its_worker(workers):
    assert workers.take_up(1)
    workers.step.revoke()
    assert workers.step.ready()
    assert look(workers.database, *STEP).lost
    assert workers.sent[1].revoked
    with pytest.raises(TaskRevokedError):
        workers.step.get()


def test_a_run_whose_steps_workers_have_names_its_own_process(settings, instance, monkeypatch):
    monkeypatch.setenv("IMAGEWORKS_HOME", str(settings.home))
    run = instance.create_run_for_job(small_job)
    context = SimpleNamespace(dagster_run=run, instance=instance)
    told: list[str] = []

    def loop(_context, _plan, *, step_execution_fn):
        told.append(f"under way: {tagged_process(instance.get_run_by_id(run.run_id).tags)}")
        yield step_execution_fn.func

    monkeypatch.setattr(handing_out, "core_celery_execution_loop", loop)
    executor = handing_out._WatchedCeleryExecutor(retries=RetryMode.DISABLED)
    try:
        assert list(executor.execute(context, None))
    finally:
        close_stores()
    assert told == [f"under way: {this_process()}"]
