"""The Celery application of a worker: `celery -A imageworks_dagster.worker worker`.

Dagster's own, with the broker that the settings name, so that a worker needs no configuration file; and a step is
carried out under a claim, so that no two workers ever have it at once. How a batch is divided is said by the run that
the step is of, so that no worker's own setting can make other steps of it.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from typing import Any

import dagster as dg
from celery import Task
from celery.exceptions import Ignore
from dagster._core.definitions.reconstruct import ReconstructableJob
from dagster._grpc.types import ExecuteStepArgs
from dagster._serdes import unpack_value
from dagster_celery.make_app import make_app
from dagster_celery.tasks import create_task
from sqlalchemy.exc import InterfaceError, OperationalError

from imageworks_dagster.errors import CannotExecute, OtherHome, WorkerCutOff
from imageworks_dagster.handing_out import CELERY
from imageworks_dagster.home_mark import mark_of
from imageworks_dagster.opened import open_store
from imageworks_dagster.step_claims import StepClaim, held, take
from store.errors import DatabaseBusy, DatabaseUnreachable
from store.path_text import path_text
from store.settings import PREFIX, Settings

log = logging.getLogger(__name__)

_DEFINITIONS = "imageworks_dagster.location"
_PART_PHOTOS = f"{PREFIX}PART_PHOTOS"


def divide_as(part_photos: int) -> None:
    """Have the definitions of this process divide batches as a run does: what it loads from now on, and has loaded.

    Args:
        part_photos: the run's setting.
    """
    if Settings().part_photos == part_photos:
        return
    os.environ[_PART_PHOTOS] = str(part_photos)
    # A process has done steps of other runs before, and Dagster keeps the definitions that it loaded for them.
    sys.modules.pop(_DEFINITIONS, None)
    ReconstructableJob.get_definition.cache_clear()
    ReconstructableJob.get_repository_definition.cache_clear()


class _UnderClaim(Task):  # type: ignore[misc]
    """A step that is carried out by whoever claims it first; others drop its message."""

    abstract = True
    # What the claim needs comes beside the arguments of Dagster's function.
    typing = False

    def __call__(self, **arguments: Any) -> Any:
        worker = f"process {os.getpid()} on {socket.gethostname()}"
        try:
            return self._carry_out(worker, **arguments)
        # The errors of a step are told as its events; what comes here is of what carries it out.
        except Exception as error:
            if not _of_a_connection(error):
                raise
            log.warning("No database is reached, so another worker may have step %s.", arguments["step"])
            raise WorkerCutOff(f"{worker}, which reached no database") from error

    def _carry_out(
        self,
        worker: str,
        *,
        run_id: str,
        step: str,
        start: int,
        part_photos: int,
        home: str,
        **arguments: Any,
    ) -> Any:
        settings = Settings()
        store = open_store(settings)
        database = store.database
        claim = StepClaim(run_id, step, start)
        if mark_of(store.home) != home:
            raise OtherHome(
                f"The home of {worker}, {path_text(store.home.root)}, is another than that of run {run_id}, so it has "
                f"not begun step {step}. Mount the run's home there under IMAGEWORKS_HOME, and start the worker anew; "
                "what was answered is kept."
            )
        if not _goes_on(run_id, arguments["execute_step_args_packed"]):
            log.warning("Start %d of step %s is passed over: run %s is over.", start, step, run_id)
            raise Ignore
        if not take(database, claim, worker=worker, ttl_s=settings.step_ttl_s):
            log.warning(
                "Start %d of step %s of run %s is passed over: it is taken or over.", start, step, run_id
            )
            raise Ignore
        divide_as(part_photos)
        with held(database, claim, ttl_s=settings.step_ttl_s):
            return self.run(**arguments)


def _of_a_connection(error: BaseException | None) -> bool:
    """Whether it is for want of the state database, or of Dagster's, which wraps what its driver says."""
    while error is not None:
        if isinstance(error, DatabaseUnreachable | DatabaseBusy | OperationalError | InterfaceError):
            return True
        error = error.__cause__
    return False


def _goes_on(run_id: str, packed: Any) -> bool:
    """Whether the run of a step has not ended, and nobody wants its end.

    A message that was sent twice, or taken back while its worker was away, comes when the run and its claims are gone.
    """
    where = unpack_value(packed, as_type=ExecuteStepArgs).instance_ref
    assert where is not None  # noqa: S101 - the run's process, which has an instance, says which
    with dg.DagsterInstance.from_ref(where) as instance:
        run = instance.get_run_by_id(run_id)
    return run is not None and run.status is dg.DagsterRunStatus.STARTED


def _app() -> Any:
    broker = Settings().broker_url
    if broker is None:
        raise CannotExecute(
            "A worker needs a broker: name it in IMAGEWORKS_BROKER_URL, such as redis://127.0.0.1:6379/0."
        )
    url = broker.get_secret_value()
    # How a step ended is told once the broker answers again.
    told = {**CELERY, "result_backend_always_retry": True}
    made = make_app({"broker": url, "backend": url, "config_source": told})  # type: ignore[no-untyped-call]
    create_task(made, base=_UnderClaim)  # type: ignore[no-untyped-call]
    return made


app = _app()
