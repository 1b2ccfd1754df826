"""One sensor a channel: it tells of each run that failed, in order, and goes on from where it was."""

# Dagster reads the annotations of what it decorates: they are not postponed in this module.

import time
from typing import TYPE_CHECKING, Literal

import dagster as dg

from imageworks_dagster.assembly import Assembly
from store.settings import Settings, variable

if TYPE_CHECKING:
    from imageworks_dagster.alerting.channels import Channel

# Each evaluation loads what it works with: the definitions must load fast.
# ruff: noqa: PLC0415

Set = Literal["alert_webhook_url", "alert_email_to"]
"""The setting that makes a channel."""

AT_A_LOOK = 20
"""Alerts that one look delivers at most."""

LOOK_S = 20.0
"""Seconds after which a look begins no other alert: Dagster ends one that takes a minute, and forgets what it did."""

OUTDATED_S = 86_400.0
"""Seconds after which a failure that nobody could be told of is no news any more."""


def alert_sensors(assembly: Assembly) -> list[dg.SensorDefinition]:
    """The sensors; each runs from the first day if its channel is set."""
    return [
        _telling(assembly, "alert_webhook_url", "Tells a webhook of each run that failed."),
        _telling(assembly, "alert_email_to", "Sends an e-mail about each run that failed."),
    ]


def _telling(assembly: Assembly, setting: Set, description: str) -> dg.SensorDefinition:
    is_set = getattr(assembly.settings, setting) is not None

    # Dagster's own sensor of failed runs goes on after a delivery that failed, and forgets it. It also leaves out the
    # runs that the command made, which belong to no code location.
    @dg.sensor(
        name=f"{setting}_sensor",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING if is_set else dg.DefaultSensorStatus.STOPPED,
        description=description,
    )
    def telling(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        channel = _channel(assembly.settings, setting)
        if channel is None:
            return dg.SkipReason(f"{variable(setting)} is not set")
        last = _last_failure(context.instance)
        if not (context.cursor or "").lstrip("-").isdigit():
            context.update_cursor(str(last))
            return dg.SkipReason("from now on, each run that fails is told")
        return dg.SkipReason(_tell(context, channel, assembly.settings.dagster_url))

    return telling


def _channel(settings: Settings, setting: Set) -> "Channel | None":
    from imageworks_dagster.alerting.channels import mail_of, webhook_of

    return webhook_of(settings) if setting == "alert_webhook_url" else mail_of(settings)


def _last_failure(instance: dg.DagsterInstance) -> int:
    found = instance.fetch_run_status_changes(dg.DagsterEventType.RUN_FAILURE, limit=1).records
    return found[0].storage_id if found else -1


def _tell(context: dg.SensorEvaluationContext, channel: "Channel", web_url: str) -> str:
    """Deliver what is due, and move the cursor past it.

    Raises:
        AlertNotDelivered: nothing could be delivered; the tick fails with its words, and the next one tries again.
    """
    from imageworks_dagster.alerting.alerts import alert_of
    from imageworks_dagster.errors import AlertNotDelivered

    due = context.instance.fetch_run_status_changes(
        dg.RunStatusChangeRecordsFilter(
            event_type=dg.DagsterEventType.RUN_FAILURE, after_storage_id=int(context.cursor or -1)
        ),
        limit=AT_A_LOOK,
        ascending=True,
    ).records
    told, began = 0, time.monotonic()
    missed: set[str] = set()
    for record in due:
        if time.monotonic() - began > LOOK_S:
            break
        run = context.instance.get_run_by_id(record.run_id)
        # One that was deleted meanwhile is nobody's concern.
        if run is not None:
            alert = alert_of(context.instance, run, failed_at=record.timestamp, web_url=web_url)
            try:
                missed.update(channel.send(alert))
            except AlertNotDelivered as problem:
                if time.time() - record.timestamp < OUTDATED_S:
                    if not told:
                        raise
                    # What was delivered stays delivered; the next look fails with these words if it has to.
                    context.log.error("%s", problem)  # noqa: TRY400 - its words say all
                    break
                words = f"Given up after a day, for run {run.run_id}: {problem}"
                context.log.error(words)  # noqa: TRY400 - its words say all
            else:
                told += 1
        context.update_cursor(str(record.storage_id))
    if not told:
        return "no run has failed since the last look"
    # Those whom it reached are not written to again for the sake of others.
    without = f", but not {', '.join(sorted(missed))}: the mail server refuses that address" if missed else ""
    return f"told of {told} failed runs{without}"
