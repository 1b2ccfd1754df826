"""Run one stage: enter its run, prepare it, do its work, publish its table, tell what came of it."""

from __future__ import annotations

import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg

from imageworks_dagster.assets.batch_nodes import NONE, BatchNode, node_of, observe
from imageworks_dagster.assets.chosen import promoted_facts, promoted_version, scorer_version
from imageworks_dagster.assets.stage import as_failure, picture_markdown, table_markdown
from imageworks_dagster.explained import EXPLAINED
from imageworks_dagster.opened import open_store
from imageworks_dagster.owning import own, owned
from imageworks_dagster.process_memory import settle
from imageworks_dagster.progress import StageProgress
from imageworks_dagster.provenance import provenance_tags
from imageworks_dagster.run_process import process_tags, tagged_process
from imageworks_dagster.runs import enter_run
from imageworks_dagster.stages import Stage, failures_by_class
from imageworks_dagster.step_claims import under_claim
from imageworks_dagster.tables import SHAPES
from imageworks_dagster.turns import turn
from prompt_hub.revisions.splits import WHOLE
from prompt_hub.revisions.store import PromptStore
from store.batches import batch as registered_batch
from telemetry.manifest import StageSummary
from telemetry.processes import this_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from imageworks_dagster.assembly import Assembly
    from imageworks_dagster.assets.stage import StageStep
    from imageworks_dagster.opened import OpenStore
    from imageworks_dagster.pipelines import Pipeline, StageDeclaration
    from imageworks_dagster.runs import Run
    from imageworks_dagster.stages import Outcome
    from prompt_hub.hub import PromptHub
    from store.pointers import TablePointer


@contextmanager
def explained() -> Iterator[None]:
    """What a step does: Dagster shows an explained error's message as a failure, and no stack.

    Raises:
        dg.Failure: with that message.
    """
    try:
        yield
    except EXPLAINED as error:
        raise as_failure(error) from error


def run_stage(step: StageStep, body: Callable[[Stage], Outcome]) -> dg.MaterializeResult[Any]:
    """Materialize one stage for the run's partition.

    Raises:
        dg.Failure: with an explained error's message.
    """
    with explained():
        stage, hub = enter_stage(step)
        began = time.monotonic()
        with at_work(stage, step.assembly):
            outcome = body(stage)
            pointer = stage.publish(outcome)
        seconds = time.monotonic() - began
        return end_stage(step, stage, outcome=outcome, pointer=pointer, seconds=seconds, hub=hub)


def enter_stage(step: StageStep, *, together: bool = False) -> tuple[Stage, PromptHub]:
    """The prepared stage of the run's partition, and the prompts as they are now.

    Args:
        step: the step.
        together: whether other steps of this stage work at the same time, each on its part of the batch.

    Raises:
        imageworks_dagster.errors.BatchTaken: another run that is under way owns the batch.
    """
    context, pipeline, declaration = step.context, step.pipeline, step.declaration
    assembly, resources = step.assembly, step.resources
    settings = assembly.settings
    store = open_store(settings)
    batch = registered_batch(store.database, pipeline.name, context.partition_key)
    run_id = context.run.run_id
    tags: Mapping[str, str] = context.run.tags
    if not under_claim():  # else the run has a process elsewhere, which goes on when this one ends
        tags = process_tags(settings.executor)
        context.instance.add_run_tags(run_id, dict(tags))
    # Before the manifest is opened: from here on whatever ends the run, even between two stages, closes it.
    resources.telemetry.close_manifest_in(store)
    in_one_process, ownership = settings.executor == "in_process", _ownership(step, store)
    if not in_one_process:
        # Who may not have it does not wait for it either: that would keep a worker from the steps of the owner.
        own(**ownership)
    resources.telemetry.hold_to_the_end(
        turn(
            store.home,
            pipeline.name,
            batch.name,
            who=f"run {run_id}",
            waiting=context.log.warning,
            # One process has its turn alone: the step that wants it so later would wait for this one.
            together=together and not in_one_process,
        )
    )
    if in_one_process:
        resources.telemetry.hold_to_the_end(owned(**ownership))
    else:
        # Who waited may have lost it meanwhile.
        own(**ownership)
    # Anew: who had the turn before may have changed what is pinned.
    batch = registered_batch(store.database, pipeline.name, context.partition_key)
    hub, registry = resources.prompt_hub.load(), resources.model_registry.load(assembly.embedded_revisions)
    run = enter_run(
        run_id,
        process=tagged_process(tags) or this_process(),
        pipeline=pipeline,
        batch=batch,
        planned=_planned(context, pipeline),
        configured=_configured(context.run.run_config, pipeline),
        settings=settings,
        store=store,
        hub=hub,
        registry=registry,
    )
    stage = Stage(
        shape=SHAPES[declaration.asset],
        run=run,
        batch=batch,
        store=store,
        settings=settings,
        config=context.op_config,
        choice=run.choice(declaration.asset),
        scorer=run.scorer(declaration.asset),
        progress=StageProgress(declaration.asset, 0, assembly.progress, context.log.info),
        log=context.log,
        expected=store.tables.current(declaration.asset, batch.name),
        resources=resources,
        registry=registry,
        embedded=assembly.embedded,
    )
    settle()
    return stage, hub


@contextmanager
def at_work(stage: Stage, assembly: Assembly) -> Iterator[None]:
    """While the stage's body works: samples devices, and shows that it was stopped if it does not come to its end."""
    telemetry, every_s = stage.resources.telemetry, stage.settings.gpu_sample_s
    try:
        with telemetry.sampler(every_s=every_s, run_id=stage.run.run_id) as stage.sampler:
            yield
    except BaseException:
        assembly.progress.stopped(stage.asset)
        raise


def end_stage(
    step: StageStep, stage: Stage, *, outcome: Outcome, pointer: TablePointer, seconds: float, hub: PromptHub
) -> dg.MaterializeResult[Any]:
    """Tell the manifest and Dagster what came of a stage whose table is published."""
    pipeline, declaration, assembly = step.pipeline, step.declaration, step.assembly
    run, registry = stage.run, stage.registry
    assembly.progress.finished(declaration.asset)
    run.stage_ended(declaration.asset, _summary(stage, outcome, seconds))
    return dg.MaterializeResult(
        data_version=dg.DataVersion(pointer.data_version),
        metadata=_metadata(stage, outcome, seconds),
        tags={
            **provenance_tags(
                pipeline, declaration, run.manifest, assembly=assembly, hub=hub, registry=registry
            ),
            **_chosen_tags(step.context.instance, pipeline, declaration, run, stage.batch.name),
        },
    )


def _chosen_tags(
    instance: dg.DagsterInstance, pipeline: Pipeline, declaration: StageDeclaration, run: Run, batch: str
) -> dict[str, str]:
    """What the batch has chosen for the tables of this run, of the stages on the way that it has planned."""
    tags: dict[str, str] = {}
    for stage in (declaration, *(pipeline.stage(asset) for asset in declaration.reads)):
        node = node_of(pipeline, stage)
        if node is not None and stage.asset in run.planned:
            tags |= observe(
                instance, node, batch, _chosen_version(node, run), partial(_chosen_facts, node, run)
            )
    return tags


def _chosen_version(node: BatchNode, run: Run) -> str:
    asset = node.stage.asset
    if node.kind == "scorers":
        model = run.scorer(asset)
        return NONE if model is None else scorer_version(model.name, model.model_revision)
    if judges := run.manifest.judges.get(asset):
        kept = [judge.profile for judge in judges if judge.profile.is_kept]
        return promoted_version((WHOLE, one.profile_id, one.stage_hash) for one in kept) or NONE
    profile = run.manifest.profiles[asset]
    if not profile.is_kept:
        return NONE
    parts = [(share.percent, share.profile_id, share.stage_hash) for share in profile.shares]
    return promoted_version(parts or [(WHOLE, profile.profile_id, profile.stage_hash)])


def _chosen_facts(node: BatchNode, run: Run) -> Mapping[str, dg.MetadataValue]:
    choice = run.choice(node.stage.asset)
    if choice is None or not choice.reference:
        return {}
    parts = [(share.percent, share.profile) for share in choice.shares] or [(WHOLE, choice.profile)]
    prompts = PromptStore.over(run.store.database)
    told = [
        (percent, profile, prompts.revisions.get(profile.id, profile.hash).layers)
        for percent, profile in parts
    ]
    return promoted_facts(told, choice.profile_stage, prompts)


def _ownership(step: StageStep, store: OpenStore) -> dict[str, Any]:
    """Who is to own what, as `own` takes it."""
    run_id = step.context.run.run_id
    return {
        "home": store.home,
        "pipeline": step.pipeline.name,
        "batch": step.context.partition_key,
        "run_id": run_id,
        "began": _manifest_of(store, run_id).exists(),
        "instance": step.context.instance,
    }


def _manifest_of(store: OpenStore, run_id: str) -> Path:
    return store.home.manifests / f"{run_id}.json"


def _planned(context: dg.OpExecutionContext, pipeline: Pipeline) -> list[str]:
    keys = context.run.step_keys_to_execute or context.job_def.graph.node_names()
    steps = {key.partition(".")[0] for key in keys}
    return [stage.asset for stage in pipeline.stages if stage.op_name in steps]


def _configured(run_config: Mapping[str, Any], pipeline: Pipeline) -> dict[str, dict[str, Any]]:
    ops = run_config.get("ops", {})
    return {stage.asset: ops.get(stage.op_name, {}).get("config", {}) for stage in pipeline.stages}


def _summary(stage: Stage, outcome: Outcome, seconds: float) -> StageSummary:
    failed = failures_by_class(outcome.rows)
    return StageSummary(
        entries=len(outcome.rows),
        ok=len(outcome.rows) - sum(failed.values()),
        failed=failed,
        asked=stage.tally.asked,
        recalled=stage.tally.recalled,
        seconds=round(seconds, 3),
        input_tokens=stage.tally.input_tokens,
        output_tokens=stage.tally.output_tokens,
        lease_wait_ms=round(stage.tally.lease_wait_ms, 3),
        **_lost_events(stage),
    )


def _lost_events(stage: Stage) -> dict[str, Any]:
    return {
        "dropped_events": stage.tally.dropped_events,
        "unsynced_events": stage.tally.unsynced_events,
        "telemetry_failing": stage.tally.telemetry_failing,
    }


def _leasing(stage: Stage) -> dict[str, Any]:
    """How leases went; while they are only observed, what would have gone so."""
    mode = stage.resources.models.leases
    if mode == "off":
        return {}
    switches = stage.tally.model_switches
    table = table_markdown(switches, ("what", "model", "device", "seconds")) if switches else "none"
    return {
        "lease_waits": len(stage.tally.lease_waiters),
        "model_switches": dg.MetadataValue.md(f"{table}\n\nOnly observed." if mode == "observe" else table),
    }


def _metadata(stage: Stage, outcome: Outcome, seconds: float) -> dict[str, Any]:
    """In the order of the web UI: what a person looks at, what came of it, what it was made with, where more is."""
    failed = failures_by_class(outcome.rows)
    metadata: dict[str, Any] = {}
    if outcome.picture:
        metadata["picture"] = dg.MetadataValue.md(picture_markdown(outcome.picture))
    if outcome.headline:
        metadata["first_rows"] = dg.MetadataValue.md(table_markdown(outcome.rows, outcome.headline))
    metadata |= {
        **outcome.metadata,
        "entries": len(outcome.rows),
        "without_result": sum(failed.values()),
        "failures_by_class": failed,
        "entries_per_second": round(len(outcome.rows) / seconds, 2) if seconds else 0.0,
    }
    if stage.choice is not None:
        profile = stage.choice.profile
        metadata |= {
            "profile": profile.id,
            "profile_hash": profile.hash,
            "stage_hash": profile.stage_hash(stage.choice.profile_stage),
        }
        if stage.choice.judges:
            metadata["judges"] = dg.MetadataValue.md(
                table_markdown(
                    [
                        {
                            "judge": judge.text,
                            "samples": judge.samples,
                            "model_revision": judge.model.model_revision,
                            "stage_hash": judge.profile.stage_hash(stage.choice.profile_stage),
                        }
                        for judge in stage.choice.judges
                    ],
                    ("judge", "samples", "model_revision", "stage_hash"),
                )
            )
        if stage.choice.shares:
            shares = [
                {
                    "share": f"{share.percent} %",
                    "profile": share.reference,
                    "stage_hash": share.profile.stage_hash(stage.choice.profile_stage),
                }
                for share in stage.choice.shares
            ]
            metadata["split"] = dg.MetadataValue.md(
                table_markdown(shares, ("share", "profile", "stage_hash"))
            )
    model = stage.choice.model if stage.choice is not None else stage.scorer
    if model is not None:
        metadata |= {
            "model": model.name,
            "model_revision": model.model_revision,
            "deployments": ", ".join(sorted(stage.tally.deployments)) or "none asked",
            "requests_asked": stage.tally.asked,
            "requests_recalled": stage.tally.recalled,
            "input_tokens": stage.tally.input_tokens,
            "output_tokens": stage.tally.output_tokens,
            "lease_wait_ms": round(stage.tally.lease_wait_ms, 1),
            **_leasing(stage),
        }
    if any(_lost_events(stage).values()):
        metadata |= _lost_events(stage)
    switches = stage.run.manifest.switches
    if switches:
        metadata["switches"] = ", ".join(f"{name} {words}" for name, words in switches.items())
    return {
        **metadata,
        "manifest": dg.MetadataValue.path(str(_manifest_of(stage.store, stage.run.run_id))),
        "dagster/row_count": len(outcome.rows),
    }
