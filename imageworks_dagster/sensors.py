"""The sensors: prompts, models and roles observed, inbox, library and promotions watched, dead runs closed, alerts."""

# Dagster reads the annotations of what it decorates: they are not postponed in this module.

import json
import time
from collections.abc import Sequence
from typing import Any

import dagster as dg

from imageworks_dagster.alerting.sensors import alert_sensors
from imageworks_dagster.assembly import Assembly
from imageworks_dagster.assets.nodes import changed_observations
from imageworks_dagster.partitions import PARTITIONS
from prompt_hub.hub import PromptHub
from registry.registry import Registry
from store.home import Home
from store.path_text import path_text

LIBRARY_RUNS = 20
"""Runs that one look at the library starts at most."""

# Each evaluation loads what it works with: the definitions must load fast.
# ruff: noqa: PLC0415


def platform_sensors(assembly: Assembly, jobs: Sequence[Any]) -> list[dg.SensorDefinition]:
    """All sensors; those that start nothing run from the first day."""
    return [
        _observing(assembly),
        _inbox(assembly, jobs),
        _library(assembly, jobs),
        _promotions(assembly, jobs),
        _upkeep(assembly),
        *alert_sensors(assembly),
    ]


def _observing(assembly: Assembly) -> dg.SensorDefinition:
    @dg.sensor(
        name="observe_prompts_and_models_sensor",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Sees edits of prompts, models and roles, so that what they make stale shows as stale.",
    )
    def observing(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        from imageworks_dagster.assets.chosen import changed_choices

        home = Home.of(assembly.settings)
        registry = Registry.load(home.registry, embedded=assembly.embedded_revisions)
        hub = PromptHub.load_cached(home.prompts, home.cached_prompts)
        changed = [
            *changed_observations(context.instance, assembly, hub=hub, registry=registry),
            *changed_choices(context.instance, assembly.settings, registry),
        ]
        if not changed:
            return dg.SkipReason("no prompt, no model and no role has changed")
        return dg.SensorResult(asset_events=changed)

    return observing


def _inbox(assembly: Assembly, jobs: Sequence[Any]) -> dg.SensorDefinition:
    @dg.sensor(
        name="inbox_sensor",
        jobs=list(jobs),
        minimum_interval_seconds=15,
        default_status=(
            dg.DefaultSensorStatus.RUNNING if assembly.settings.inbox else dg.DefaultSensorStatus.STOPPED
        ),
        description="IMAGEWORKS_INBOX/{judge,tag}/<batch>: registers and runs a folder once it has been quiet, "
        "and again when photos are added.",
    )
    def inbox(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        from imageworks_dagster.inbox import ready_folders
        from imageworks_dagster.opened import open_store

        if assembly.settings.inbox is None:
            return dg.SkipReason("IMAGEWORKS_INBOX is not set")
        store = open_store(assembly.settings)
        ready = ready_folders(
            store.database, assembly.settings.inbox, quiet_s=assembly.settings.inbox_quiet_s, log=context.log
        )
        if not ready:
            return dg.SkipReason("no folder with photos has been quiet for long enough")
        return dg.SensorResult(
            # Dagster runs each run key once: a folder that has not changed since is not run again.
            run_requests=[
                dg.RunRequest(run_key=folder.run_key, job_name=folder.pipeline, partition_key=folder.batch)
                for folder in ready
            ],
            dynamic_partitions_requests=[
                PARTITIONS[folder.pipeline].build_add_request([folder.batch]) for folder in ready
            ],
        )

    return inbox


def _library(assembly: Assembly, jobs: Sequence[Any]) -> dg.SensorDefinition:
    @dg.sensor(
        name="library_sensor",
        jobs=[job for job in jobs if job.name == "tagger"],
        minimum_interval_seconds=300,
        default_status=(
            dg.DefaultSensorStatus.RUNNING if assembly.settings.library else dg.DefaultSensorStatus.STOPPED
        ),
        description="IMAGEWORKS_LIBRARY: tags each part of the library in which photos are new, changed, moved or "
        "gone, once it is as it was a look ago.",
    )
    def library(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        from imageworks_dagster.library import look_through
        from imageworks_dagster.opened import open_store

        settings = assembly.settings
        if settings.library is None:
            return dg.SkipReason("IMAGEWORKS_LIBRARY is not set")
        store = open_store(settings)
        found = look_through(store, settings.library, most=settings.library_batch)
        for problem in found.problems:
            context.log.warning("%s: %s", problem.path_text, problem.message)
        before = dict(json.loads(context.cursor or "{}"))
        # A run that failed is for the night to try again: a model that is away stays away for a while.
        changed = [part for part in found.due if part.due != "unfinished"]
        # What differs from the last look may be on its way still.
        quiet = [part for part in changed if before.get(path_text(part.folder)) == part.digest]
        context.update_cursor(json.dumps({path_text(part.folder): part.digest for part in changed}))
        due = {part.registered(store).name: part for part in quiet[:LIBRARY_RUNS]}
        if not due:
            changing = f"; {len(changed)} are to be looked at once more" if changed else ""
            return dg.SkipReason(f"no batch of the library is to be tagged{changing}")
        return dg.SensorResult(
            # Dagster runs each run key once.
            run_requests=[
                dg.RunRequest(
                    run_key=f"library:{name}:{part.digest}:{part.listed_by}",
                    job_name="tagger",
                    partition_key=name,
                )
                for name, part in due.items()
            ],
            dynamic_partitions_requests=[PARTITIONS["tagger"].build_add_request([*due])],
        )

    return library


def _promotions(assembly: Assembly, jobs: Sequence[Any]) -> dg.SensorDefinition:
    @dg.sensor(
        name="promotion_sensor",
        jobs=list(jobs),
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells which open batches a promoted prompt made stale, or runs them: IMAGEWORKS_PROMOTION_RUNS. "
        "What has a kept answer is not asked again.",
    )
    def promotions(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        from imageworks_dagster.opened import has_home, open_store
        from imageworks_dagster.promotions import overtaken

        stale = (
            overtaken(open_store(assembly.settings), assembly.settings) if has_home(assembly.settings) else []
        )
        if not stale:
            context.update_cursor("[]")
            return dg.SkipReason("no promotion has made a batch stale")
        mode, keys = assembly.settings.promotion_runs, {one.key for one in stale}
        # Each once. Where a kill loses the cursor, Dagster still runs each run key once.
        told = {tuple(each) for each in json.loads(context.cursor or "[]") if each[1] in keys}
        new = [one for one in stale if (mode, one.key) not in told]
        begun = new if mode == "offer" else new[: assembly.settings.promotion_runs_a_tick]
        context.update_cursor(json.dumps(sorted(told | {(mode, one.key) for one in begun})))
        words = "; ".join(f"{one.batch.pipeline} {one.batch.name}: {', '.join(one.assets)}" for one in stale)
        if mode == "offer":
            for one in begun:
                context.log.info(
                    "A promotion made %s of %s stale. Materialize the batch to ask anew.",
                    ", ".join(one.assets),
                    one.batch.name,
                )
            return dg.SkipReason(f"stale by a promotion: {words}")
        if not begun:
            return dg.SkipReason(f"run already, and stale still: {words}")
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(run_key=one.key, job_name=one.batch.pipeline, partition_key=one.batch.name)
                for one in begun
            ],
            dynamic_partitions_requests=[
                PARTITIONS[one.batch.pipeline].build_add_request([one.batch.name]) for one in begun
            ],
        )

    return promotions


def _pruned(assembly: Assembly) -> int:
    """Kept answers that were let go: whoever asks prunes too, but a house that asks nothing any more keeps nobody's."""
    from backends.recall import prune
    from imageworks_dagster.opened import has_home, open_store

    settings = assembly.settings
    if not has_home(settings):
        return 0
    pruned = open_store(settings).database.write(
        lambda connection: prune(connection, days=settings.kept_answers_days, mib=settings.kept_answers_mib)
    )
    return pruned.too_old + pruned.over_size


def _upkeep(assembly: Assembly) -> dg.SensorDefinition:
    @dg.sensor(
        name="upkeep_sensor",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Closes runs whose process is gone and marks their manifests; each hour, lets telemetry and "
        "kept answers go that are too old, and compacts telemetry.",
    )
    def upkeep(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        from imageworks_dagster.opened import open_store
        from imageworks_dagster.run_process import close_dead_runs
        from imageworks_dagster.step_claims import forget
        from telemetry.compaction import compact
        from telemetry.manifest import mark_crashed
        from telemetry.retention import let_go

        home = Home.of(assembly.settings)
        closed = close_dead_runs(context.instance)
        for run_id in closed:
            # Workers that have steps of it end them: nobody waits for those any more.
            forget(open_store(assembly.settings).database, run_id)
        crashed = mark_crashed(home)
        done = [f"closed {len(closed)} dead runs", f"marked {len(crashed.runs)} manifests"]
        done += [str(error) for error in crashed.damaged]
        # A compaction makes a file of its own, and many small files are slow to query.
        hour = str(int(time.time() // 3600))
        if context.cursor != hour:
            # What makes room goes first: on a full disk nothing else can be done.
            done.append(f"let {let_go(home, days=assembly.settings.telemetry_days)} days of telemetry go")
            done.append(f"let {_pruned(assembly)} kept answers go")
            done.append(f"compacted {compact(home).events} events")
            context.update_cursor(hour)
        return dg.SkipReason(", ".join(done))

    return upkeep
