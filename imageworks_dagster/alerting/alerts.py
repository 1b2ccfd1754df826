"""What is said about a run that failed: where, which kind of error, and where to look; never the error's words.

Words of errors may quote a title, a path or a server's answer, and an alert leaves the machine.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from imageworks_dagster.pipelines import PIPELINES
from imageworks_dagster.reasons import asset_of, error_class

if TYPE_CHECKING:
    from collections.abc import Iterator

PARTITION = "dagster/partition"
WILL_RETRY = "dagster/will_retry"


@dataclass(frozen=True)
class Alert:
    """A run that failed.

    Attributes:
        run_id: Dagster's id of the run.
        pipeline: ``judge`` or ``tagger``; else the name of Dagster's job.
        batch: the batch; None where the run has none.
        stage: the first asset that failed; None where the run's process ended without a word.
        error_class: the error's class, such as ``ModelUnreachable``; None likewise.
        failed_checks: blocking checks that failed, such as ``judge/critiques: every_entry_accounted_for``.
        tried_again: whether Dagster starts the run once more by itself.
        failed_at: when it failed, ISO 8601 in UTC.
        url: the run in Dagster's web UI.
    """

    run_id: str
    pipeline: str
    batch: str | None
    stage: str | None
    error_class: str | None
    failed_checks: tuple[str, ...]
    tried_again: bool
    failed_at: str
    url: str

    @property
    def subject(self) -> str:
        """One line."""
        what = f"{self.pipeline} {self.batch}" if self.batch else self.pipeline
        return f"ImageWorks: {what} failed"

    @property
    def text(self) -> str:
        """What a person reads: a few lines."""
        return "\n".join(self._lines())

    def as_json(self) -> dict[str, Any]:
        """What a webhook is sent. ``text`` is what chat services show."""
        return {"event": "run_failed", **asdict(self), "text": f"{self.subject}\n{self.text}"}

    def _lines(self) -> Iterator[str]:
        if self.stage is None:
            yield "Its process ended without saying so (killed, or the machine stopped)."
        else:
            yield f"Stage {self.stage}: {self.error_class or 'no error is known'}."
        if self.failed_checks:
            yield f"Failed checks: {', '.join(self.failed_checks)}."
        if self.tried_again:
            yield "Dagster tries it again by itself."
        else:
            yield "What it had answered is kept; materialize the batch again to go on."
        yield self.url


def alert_of(instance: dg.DagsterInstance, run: dg.DagsterRun, *, failed_at: float, web_url: str) -> Alert:
    """The alert about a run that failed.

    Args:
        instance: where the run's events are.
        run: the run.
        failed_at: when, in seconds since 1970.
        web_url: address of Dagster's web UI.
    """
    failure = _first_failure(instance, run.run_id)
    step = failure.step_key if failure is not None else None
    return Alert(
        run_id=run.run_id,
        pipeline=run.job_name if run.job_name in PIPELINES else _pipeline_of(step) or run.job_name,
        batch=run.tags.get(PARTITION),
        stage=asset_of(step) if step else None,
        error_class=error_class(failure.step_failure_data.error) if failure is not None else None,
        failed_checks=tuple(_failed_checks(instance, run.run_id)),
        tried_again=run.tags.get(WILL_RETRY) == "true",
        failed_at=datetime.fromtimestamp(failed_at, UTC).isoformat(timespec="seconds"),
        url=f"{web_url.rstrip('/')}/runs/{run.run_id}",
    )


def _pipeline_of(step: str | None) -> str | None:
    # A run of a few assets alone has a job without a name of ours.
    name = (step or "").split("__", maxsplit=1)[0]
    return name if name in PIPELINES else None


def _first_failure(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterEvent | None:
    found = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_FAILURE, limit=1).records
    return found[0].event_log_entry.dagster_event if found else None


def _failed_checks(instance: dg.DagsterInstance, run_id: str) -> Iterator[str]:
    kind = dg.DagsterEventType.ASSET_CHECK_EVALUATION
    for record in instance.get_records_for_run(run_id, of_type=kind).records:
        event = record.event_log_entry.dagster_event
        if event is None:
            continue
        check = event.asset_check_evaluation_data
        if check.blocking and not check.passed:
            yield f"{check.asset_key.to_user_string()}: {check.check_name}"
