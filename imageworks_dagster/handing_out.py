"""Dagster's Celery executor, except that a step whose worker is lost is handed out again.

Celery alone gives a lost worker's message out again after a fixed time, to whomever, be the first one dead or at work
on a long step; and what Redis has sent into a dead connection, never. Here the run's process looks at the step's claim.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import dagster as dg
from celery.exceptions import TaskRevokedError, WorkerLostError
from dagster._core.execution.retries import RetryMode
from dagster._grpc.types import ExecuteStepArgs
from dagster._serdes import pack_value
from dagster_celery.config import TASK_EXECUTE_PLAN_NAME
from dagster_celery.core_execution_loop import core_celery_execution_loop
from dagster_celery.executor import CELERY_CONFIG, CeleryExecutor
from kombu.exceptions import OperationalError
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import TimeoutError as NoAnswer

from imageworks_dagster.errors import BrokerUnreachable, StepLost, WorkerCutOff
from imageworks_dagster.home_mark import mark_of
from imageworks_dagster.opened import open_store
from imageworks_dagster.run_process import process_tags
from imageworks_dagster.step_claims import StepClaim, forget, look, void
from store.errors import DatabaseBusy, DatabaseUnreachable
from store.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imageworks_dagster.opened import OpenStore
    from imageworks_dagster.step_claims import Standing
    from store.database import StateDatabase

_DAY_S: Final = 86_400

_BROKER_AWAY: Final = (OperationalError, NoConnection, NoAnswer)
"""What is raised of a broker that is started anew, by sending and by asking."""

CELERY: Final = {
    "broker_connection_retry_on_startup": True,
    "broker_transport_options": {
        # Longer than a run may last: claims say who is lost, and Celery does not.
        "visibility_timeout": 2 * _DAY_S,
        "socket_keepalive": True,
        "health_check_interval": 10,
    },
    "redis_socket_keepalive": True,
    "redis_backend_health_check_interval": 10,
    # A message is a worker's as long as it works on it: none waits behind a long step while others idle.
    "task_acks_late": True,
    # A broker that is started anew costs no step its worker.
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    "worker_prefetch_multiplier": 1,
    # What a step told is in Dagster's event log.
    "result_expires": 2 * _DAY_S,
}
"""What the run's process and the workers say to Celery."""


@dg.executor(
    name="celery",
    config_schema=CELERY_CONFIG,
    requirements=dg.multiple_process_executor_requirements(),
)
def watched_celery_executor(context: dg.InitExecutorContext) -> CeleryExecutor:
    """Hands steps out to Celery's workers, and again when one is lost."""
    said = context.executor_config
    return _WatchedCeleryExecutor(  # type: ignore[no-untyped-call]
        broker=said.get("broker"),
        backend=said.get("backend"),
        config_source=CELERY,
        include=said.get("include"),
        retries=RetryMode.from_config(said["retries"]),  # type: ignore[arg-type]
    )


class _WatchedCeleryExecutor(CeleryExecutor):
    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[Any]:
        settings = Settings()
        store = open_store(settings)
        run_id = plan_context.dagster_run.run_id
        # No step does so: each has a worker's process, and goes on or not whatever became of this one.
        plan_context.instance.add_run_tags(run_id, process_tags())
        try:
            yield from core_celery_execution_loop(  # type: ignore[no-untyped-call]
                plan_context,
                execution_plan,
                step_execution_fn=partial(_hand_out, store=store, settings=settings),
            )
        finally:
            forget(store.database, run_id)


def _hand_out(  # noqa: PLR0917 - as Dagster's loop calls it
    app: Any,
    plan_context: Any,
    step: Any,
    queue: str,
    priority: int,
    known_state: Any,
    *,
    store: OpenStore,
    settings: Settings,
) -> HandedOut:
    home = mark_of(store.home)
    job = plan_context.reconstructable_job
    packed = pack_value(
        ExecuteStepArgs(
            job_origin=job.get_python_origin(),
            run_id=plan_context.dagster_run.run_id,
            step_keys_to_execute=[step.key],
            instance_ref=plan_context.instance.get_ref(),
            retry_mode=plan_context.executor.retries.for_inner_plan(),
            known_state=known_state,
            print_serialized_events=True,
        )
    )

    def send(start: int) -> Any:
        return app.send_task(
            TASK_EXECUTE_PLAN_NAME,
            kwargs={
                "execute_step_args_packed": packed,
                "executable_dict": job.to_dict(),
                "step": step.key,
                "run_id": plan_context.dagster_run.run_id,
                "start": start,
                # How the batch is divided is the run's, whatever a worker's own setting says.
                "part_photos": settings.part_photos,
                "home": home,
            },
            priority=priority,
            queue=queue,
            routing_key=f"{queue}.execute_plan",
        )

    return HandedOut(
        send,
        store.database,
        plan_context.dagster_run.run_id,
        step.key,
        told=plan_context.log.warning,
        ttl_s=settings.step_ttl_s,
        starts=settings.step_starts,
    )


class HandedOut:
    """A step in the hands of workers, in the place of a Celery result: Dagster's loop looks at it every second.

    Once sent, it is sent again when its worker is lost, and when nobody takes it up for long: a message may be lost
    with the connection that it was sent into. The second one to take it up is turned away by the claim.
    """

    def __init__(
        self,
        send: Callable[[int], Any],
        database: StateDatabase,
        run_id: str,
        step: str,
        *,
        told: Callable[[str], object],
        ttl_s: float,
        starts: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Send it for the first time.

        Args:
            send: sends it to the workers, as this start of it, from 1; gives Celery's result.
            database: where claims are.
            run_id: the run.
            step: the step's key.
            told: told in words that it is sent again.
            ttl_s: seconds after which a worker that says nothing is lost, and after which a message that nobody has
                taken up is sent again, then after twice as long, and so on.
            starts: workers that it may be lost with.
            clock: seconds.
        """
        self._send = send
        self._database = database
        self._run_id = run_id
        self._step = step
        self._told = told
        self._ttl_s = ttl_s
        self._starts = starts
        self._clock = clock
        self._wait_s = ttl_s
        self._start = 0
        # Until it could be sent once, it is due.
        self._sent_at = clock() - ttl_s
        self._results: dict[int, Any] = {}
        self._lost: list[str] = []
        self._given_up = False
        self._revoked = False
        self._done: Any = None
        self._over_since: float | None = None
        self._unseen_since: float | None = None
        self.ready()

    def ready(self) -> bool:
        """Whether it is over; sends it again where it must.

        Raises:
            DatabaseUnreachable, DatabaseBusy, BrokerUnreachable: nobody could look for as long as a worker may say
                nothing.
        """
        if self._revoked or self._given_up:
            return True
        # Workers go on while the database or the broker is started anew, and keep their claims.
        try:
            over = self._look_after()
        except (DatabaseUnreachable, DatabaseBusy):
            if self._unseen_for_long():
                raise
            return False
        except _BROKER_AWAY as error:
            if self._unseen_for_long():
                raise BrokerUnreachable(
                    f"The broker of IMAGEWORKS_BROKER_URL has not answered for {self._ttl_s:g} s, so nobody knows how "
                    f"step {self._step} stands: {error}. Start it, then run the batch again; what was answered is kept."
                ) from error
            return False
        self._unseen_since = None
        return over

    def _unseen_for_long(self) -> bool:
        now = self._clock()
        self._unseen_since = now if self._unseen_since is None else self._unseen_since
        return now - self._unseen_since >= self._ttl_s

    def _look_after(self) -> bool:
        standing = look(self._database, self._run_id, self._step)
        if self._hear(standing) or self._given_up:
            return True
        if standing is not None and standing.start in self._results:
            if standing.over:
                self._await_result(standing.start)
            elif standing.lost:
                self._lose(standing.worker, standing.start)
        elif self._clock() - self._sent_at >= self._wait_s:
            # Taken up by nobody: not sent yet, lost on its way, or all are at work.
            waited_in_vain = bool(self._results)
            self._send_next()
            if waited_in_vain:
                self._wait_s *= 2
        return self._given_up

    def _hear(self, standing: Standing | None) -> bool:
        """What workers say of how the step ended; False where another must do it."""
        for start, result in list(self._results.items()):
            if not result.ready():
                continue
            if isinstance(result.result, WorkerLostError):
                self._lose("a process that ended", start)
            elif not isinstance(result.result, WorkerCutOff):
                self._done = result
                return True
            elif standing is not None and standing.start == start:
                self._lose(str(result.result), start)
            else:
                # It had not begun, so nothing is lost; where nobody else takes it up it is sent again.
                del self._results[start]
        return False

    def get(self) -> Any:
        """What the step told, as Dagster's loop takes it.

        Raises:
            celery.exceptions.TaskRevokedError: the run was terminated.
            StepLost: it was lost with as many workers as it may be.
        """
        if self._revoked:
            raise TaskRevokedError
        if self._given_up:
            raise StepLost(
                f"Step {self._step} was lost with {', then '.join(self._lost)}, and is not started again "
                f"(IMAGEWORKS_STEP_STARTS={self._starts}). See whether a photo of the batch, or the memory of the "
                f"workers, ends them; what was answered is kept."
            )
        return self._done.get()

    def revoke(self) -> None:
        """Take it back from whoever has it: it ends its process within a part of ``ttl_s``."""
        self._revoked = True
        for start in self._results:
            void(self._database, StepClaim(self._run_id, self._step, start))
        try:
            for result in self._results.values():
                result.revoke()
        except _BROKER_AWAY as error:
            self._told(
                f"Step {self._step} stays in the queue, and is passed over when it is taken up: {error}"
            )

    def _await_result(self, start: int) -> None:
        """Of a step that is over the result may be lost, with a worker or a connection, in the last moment."""
        if self._over_since is None:
            self._over_since = self._clock()
        elif self._clock() - self._over_since >= self._ttl_s:
            self._over_since = None
            self._lose("a worker that told nothing", start)

    def _lose(self, worker: str, start: int) -> None:
        void(self._database, StepClaim(self._run_id, self._step, start))
        self._results.pop(start, None)
        self._lost.append(worker)
        if len(self._lost) >= self._starts:
            self._given_up = True
            return
        self._told(f"Step {self._step} was lost with {worker}; it is started again.")
        self._wait_s = self._ttl_s
        self._send_next()

    def _send_next(self) -> None:
        sent = self._send(self._start + 1)
        self._start += 1
        self._results[self._start] = sent
        self._sent_at = self._clock()
