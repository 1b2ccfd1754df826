"""Tag a Dagster run with the process it lives in, and close runs whose process is gone.

A run whose process was killed stays STARTED for ever under Dagster's default launcher. The tags name host, boot,
pid and the pid's start time, so that a pid used again is not taken for the run's own.
"""

from __future__ import annotations

import multiprocessing
from dataclasses import replace
from typing import TYPE_CHECKING

import dagster as dg

from telemetry.processes import Process, start_of, this_process

if TYPE_CHECKING:
    from collections.abc import Mapping

# Dagster keeps tags of this prefix to itself: four labels on every run would bury what people look for.
HOST, BOOT, PID, PID_STARTED = (
    f".dagster/imageworks/{name}" for name in ("host", "boot", "pid", "pid_started")
)

RUNNING = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def process_tags(executor: str = "in_process") -> dict[str, str]:
    """Run tags that name the process which goes on until the run is over.

    Args:
        executor: as the settings name it; each step has a process of its own under ``multiprocess``, and ends while
            others of its run, such as the parts of one batch, go on.
    """
    process, starter = this_process(), multiprocessing.parent_process()
    if executor == "multiprocess" and starter is not None and starter.pid is not None:
        process = replace(process, pid=starter.pid, started=start_of(starter.pid))
    return {
        HOST: process.host,
        BOOT: process.boot_id,
        PID: str(process.pid),
        PID_STARTED: str(process.started or ""),
    }


def tagged_process(tags: Mapping[str, str]) -> Process | None:
    """The process that a run is tagged with; None for a run without such tags."""
    if HOST not in tags or not tags.get(PID, "").isdigit():
        return None
    started = tags.get(PID_STARTED, "")
    return Process(
        host=tags[HOST],
        boot_id=tags.get(BOOT, ""),
        pid=int(tags[PID]),
        started=int(started) if started.isdigit() else None,
    )


def process_of(run: dg.DagsterRun, instance: dg.DagsterInstance) -> Process | None:
    """The process that a run has named as its own; None as long as it has named none.

    One that Dagster starts once more has the tags of the run before it, whose process is gone, until its own tags it.
    """
    process = tagged_process(run.tags)
    if process is None or run.parent_run_id is None:
        return process
    before = instance.get_run_by_id(run.parent_run_id)
    return None if before is not None and tagged_process(before.tags) == process else process


def close_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Report how runs ended whose process, on this host, has ended without saying so: failed, or terminated.

    Returns:
        The run ids that were closed.
    """
    closed = []
    for listed in instance.get_runs(filters=dg.RunsFilter(statuses=RUNNING)):
        process = process_of(listed, instance)
        if process is None or not process.is_gone():
            continue
        # Anew: it may have said how it ended since, and has no more to say.
        run = instance.get_run_by_id(listed.run_id)
        if run is None or run.status not in RUNNING:
            continue
        words = (
            f"Process {process.pid} of this run ended without saying so (killed, or the machine stopped). "
            "What it had answered is kept; materialize again to go on."
        )
        if run.status is dg.DagsterRunStatus.CANCELING:
            # Somebody wanted its end: it is no failure to tell of, nor to be started once more.
            instance.report_run_canceled(run, words)
        else:
            instance.report_run_failed(run, words)
        closed.append(run.run_id)
    return closed
