"""One nightly schedule a pipeline: every open batch is materialized again, and only what is new is asked."""

# Dagster reads the annotations of what it decorates: they are not postponed in this module.

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from imageworks_dagster.assembly import Assembly
from imageworks_dagster.partitions import add_batches
from imageworks_dagster.pipelines import PIPELINES, Pipeline

NIGHT = {"judge": "0 2 * * *", "tagger": "30 2 * * *"}


def nightly_schedules(assembly: Assembly, jobs: Sequence[Any]) -> list[dg.ScheduleDefinition]:
    """The schedules, stopped until somebody starts them in the web UI."""
    return [_nightly(PIPELINES[job.name], job, assembly) for job in jobs]


def _nightly(pipeline: Pipeline, job: Any, assembly: Assembly) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=f"{pipeline.name}_nightly",
        job=job,
        cron_schedule=NIGHT[pipeline.name],
        description=f"Every open {pipeline.name} batch, each night; published batches are left alone, and those "
        "whose folder is gone.",
    )
    def nightly(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        from imageworks_dagster.opened import open_store  # noqa: PLC0415 - loads the store
        from store.batches import batches  # noqa: PLC0415 - as above
        from store.path_text import path_text  # noqa: PLC0415 - as above

        store = open_store(assembly.settings)
        open_batches = [batch for batch in batches(store.database, pipeline.name) if batch.state == "open"]
        names = [batch.name for batch in open_batches if batch.has_folder]
        gone = ", ".join(
            f"{batch.name} ({path_text(batch.folder)})" for batch in open_batches if not batch.has_folder
        )
        if gone:
            context.log.warning("Left alone, because their folders are gone: %s", gone)
        if not names:
            there = f" whose folder is there; gone: {gone}" if gone else ""
            yield dg.SkipReason(f"there is no open {pipeline.name} batch{there}")
            return
        # The store says which batches there are. Dagster refuses a partition that it does not know, and with it
        # the whole night.
        add_batches(context.instance, pipeline.name, names)
        night = context.scheduled_execution_time.isoformat()
        for name in names:
            yield dg.RunRequest(run_key=f"{name}:{night}", partition_key=name)

    return nightly
