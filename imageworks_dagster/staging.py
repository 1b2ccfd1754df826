"""Run one stage: enter its run, prepare it, do its work, publish its table, tell what came of it."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg

from imageworks_dagster.assets.batch_nodes import NONE, BatchNode, node_of, observe
from imageworks_dagster.assets.chosen import promoted_facts, promoted_version, scorer_version
from imageworks_dagster.assets.stage import as_failure, picture_markdown, table_markdown
from imageworks_dagster.explained import EXPLAINED
from imageworks_dagster.opened import open_store
from imageworks_dagster.process_memory import settle
from imageworks_dagster.progress import StageProgress
from imageworks_dagster.provenance import provenance_tags
from imageworks_dagster.run_process import process_tags
from imageworks_dagster.runs import enter_run
from imageworks_dagster.stages import Stage, failures_by_class
from imageworks_dagster.tables import SHAPES
from imageworks_dagster.turns import turn
from prompt_hub.revisions.splits import WHOLE
from prompt_hub.revisions.store import PromptStore
from store.batches import batch as registered_batch
from telemetry.manifest import StageSummary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imageworks_dagster.assembly import Assembly
    from imageworks_dagster.assets.stage import StageResources
    from imageworks_dagster.pipelines import Pipeline, StageDeclaration
    from imageworks_dagster.runs import Run
    from imageworks_dagster.stages import Outcome


def run_stage(
    context: dg.AssetExecutionContext,
    pipeline: Pipeline,
    declaration: StageDeclaration,
    body: Callable[[Stage], Outcome],
    *,
    assembly: Assembly,
    resources: StageResources,
) -> dg.MaterializeResult[Any]:
    """Materialize one stage for the run's partition.

    Raises:
        dg.Failure: with an explained error's message.
    """
    try:
        return _run_stage(context, pipeline, declaration, body, assembly=assembly, resources=resources)
    except EXPLAINED as error:
        raise as_failure(error) from error


def _run_stage(
    context: dg.AssetExecutionContext,
    pipeline: Pipeline,
    declaration: StageDeclaration,
    body: Callable[[Stage], Outcome],
    *,
    assembly: Assembly,
    resources: StageResources,
) -> dg.MaterializeResult[Any]:
    settings = assembly.settings
    store = open_store(settings)
    batch = registered_batch(store.database, pipeline.name, context.partition_key)
    run_id = context.run.run_id
    context.instance.add_run_tags(run_id, process_tags())
    # Before the manifest is opened: from here on whatever ends the run, even between two stages, closes it.
    resources.telemetry.close_manifest_in(store)
    resources.telemetry.hold_to_the_end(
        turn(store.home, pipeline.name, batch.name, who=f"run {run_id}", waiting=context.log.warning)
    )
    # Anew: who had the turn before may have changed what is pinned.
    batch = registered_batch(store.database, pipeline.name, context.partition_key)
    hub, registry = resources.prompt_hub.load(), resources.model_registry.load(assembly.embedded_revisions)
    run = enter_run(
        run_id,
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
        config=context.op_execution_context.op_config,
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
    began = time.monotonic()
    try:
        with resources.telemetry.sampler(every_s=settings.gpu_sample_s, run_id=run_id) as stage.sampler:
            outcome = body(stage)
        pointer = stage.publish(outcome)
    except BaseException:
        assembly.progress.stopped(declaration.asset)
        raise
    assembly.progress.finished(declaration.asset)
    seconds = time.monotonic() - began
    run.stage_ended(declaration.asset, _summary(stage, outcome, seconds))
    return dg.MaterializeResult(
        data_version=dg.DataVersion(pointer.data_version),
        metadata=_metadata(stage, outcome, seconds),
        tags={
            **provenance_tags(
                pipeline, declaration, run.manifest, assembly=assembly, hub=hub, registry=registry
            ),
            **_chosen_tags(context.instance, pipeline, declaration, run, batch.name),
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


def _planned(context: dg.AssetExecutionContext, pipeline: Pipeline) -> list[str]:
    steps = set(context.run.step_keys_to_execute or context.job_def.graph.node_names())
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
    manifest = stage.store.home.manifests / f"{stage.run.run_id}.json"
    return {
        **metadata,
        "manifest": dg.MetadataValue.path(str(manifest)),
        "dagster/row_count": len(outcome.rows),
    }
