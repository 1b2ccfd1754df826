"""Run a pipeline on a batch from the terminal, through the same definitions and instance as the web UI."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError

from imageworks.errors import ImageWorksError
from imageworks.judge_vision.competition_file import load_competition
from imageworks_dagster.assets.nodes import observe_now
from imageworks_dagster.choices import resolve_choices
from imageworks_dagster.command.commands import VERBS
from imageworks_dagster.command.terminal import TerminalProgress, asked_line, prompt_lines, run_lines, say
from imageworks_dagster.definitions import assemble, definitions_of
from imageworks_dagster.errors import PlatformError
from imageworks_dagster.instance import open_instance
from imageworks_dagster.opened import open_store
from imageworks_dagster.partitions import add_batches
from imageworks_dagster.pipelines import PIPELINES
from imageworks_dagster.reasons import asset_of
from imageworks_dagster.run_process import close_dead_runs, process_tags
from imageworks_dagster.step_claims import forget
from imageworks_dagster.switches import default_reference, pins_in_force, refuse_switched_off
from imageworks_dagster.turns import turn
from prompt_hub.errors import PromptHubError
from prompt_hub.revisions.store import PromptStore
from registry.errors import RegistryError
from store.batches import batch as registered_batch
from store.batches import name_for, register
from store.errors import BatchError
from telemetry.compaction import compact
from telemetry.errors import MissingManifest, TelemetryError
from telemetry.manifest import mark_crashed, read_manifest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from rich.console import Console

    from imageworks_dagster.assembly import Assembly
    from imageworks_dagster.opened import OpenStore
    from imageworks_dagster.pipelines import PipelineName
    from store.batches import Batch
    from store.settings import Settings

# The terminal shows progress; Dagster's own lines are in the web UI.
QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}

_OF_ONE = (PlatformError, PromptHubError, RegistryError, ImageWorksError, BatchError)
"""What a batch alone may suffer from: it has chosen a prompt, a model or rules that are gone or cannot be used."""

INTERRUPTION = DagsterExecutionInterruptedError.__name__


class Interrupted(Exception):
    """The run was interrupted and ended cleanly; the message says how to go on."""


@dataclass(frozen=True)
class Finished:
    """A run that has ended: its id, whether it succeeded, why not, and whether any of its models works by rule."""

    run_id: str
    success: bool
    reasons: tuple[str, ...] = ()
    by_rule: bool = False


def register_folder(
    settings: Settings, pipeline: PipelineName, folder: Path, *, name: str | None, rules: Path | None
) -> str:
    """Register the folder as a batch, and return the batch's name.

    Raises:
        store.errors.BatchError: another folder has this name, or the name is no slug.
    """
    if rules is not None:
        load_competition(rules)  # a file that cannot be used is not remembered
    store = open_store(settings)
    chosen = name or name_for(store.database, pipeline, folder)
    return register(store.database, pipeline=pipeline, name=chosen, folder=folder, rules=rules).name


def run_batch(
    settings: Settings,
    pipeline_name: PipelineName,
    batch: str,
    *,
    console: Console,
    configured: Mapping[str, Mapping[str, Any]],
    only: Sequence[str] | None = None,
    resume: str,
) -> Finished:
    """Materialize a batch's stages with live progress, and print what came of it.

    Args:
        settings: the settings in force.
        pipeline_name: ``judge`` or ``tagger``.
        batch: a registered batch.
        console: where to print.
        configured: configuration by asset.
        only: assets to materialize; all of the pipeline by default.
        resume: the command that goes on after an interruption.

    Raises:
        WrongChoice: a profile or model is wrong; no run was started.
        Interrupted: after Ctrl-C or SIGTERM.
    """
    store = open_store(settings)
    if registered_batch(store.database, pipeline_name, batch).state == "published":
        words = f"Batch {batch!r} is published: what was announced may differ from what this run finds."
        say(console, words, style="yellow")
    try:
        with TerminalProgress(console) as progress, open_instance(store.home) as instance:
            parts = assemble(settings, {"progress": progress})
            _check_choices(parts, store, pipeline_name, batch, configured=configured, only=only)
            its_turn = turn(
                store.home,
                pipeline_name,
                batch,
                who=f"imageworks {VERBS[pipeline_name]}",
                waiting=lambda words: say(console, words, style="yellow"),
            )
            with its_turn:
                for run_id in close_dead_runs(instance):
                    # Workers that have steps of it end them: nobody waits for those any more.
                    forget(store.database, run_id)
                for error in mark_crashed(store.home).damaged:
                    say(console, f"{error}", style="yellow")
                result = _execute(instance, parts, pipeline_name, batch, configured=configured, only=only)
    except KeyboardInterrupt:
        raise Interrupted(f"Interrupted. What was answered is kept; go on with:\n  {resume}") from None
    try:
        compact(store.home)
    except (TelemetryError, OSError) as error:
        say(console, f"Telemetry could not be compacted; the run stands. {error}")
    finished = Finished(result.run_id, result.success, tuple(_reasons(result)))
    try:
        manifest = read_manifest(store.home, result.run_id)
    except MissingManifest:  # the run failed before its first stage began
        return finished
    for line in (*run_lines(manifest), asked_line(manifest), *prompt_lines(manifest)):
        say(console, line)
    models = [parts.registry.models.get(pinned.model) for pinned in manifest.models.values()]
    return replace(finished, by_rule=any(model is not None and model.is_embedded for model in models))


def run_each(
    settings: Settings,
    batches: Iterable[tuple[str, Batch]],
    *,
    count: int,
    console: Console,
    configured: Mapping[str, Mapping[str, Any]],
    resume: str,
) -> bool:
    """Run batches one after another; one that cannot be run is told of, and the others do not suffer from it.

    Args:
        settings: the settings in force.
        batches: each with what it is called.
        count: how many there are.
        console: where to print.
        configured: configuration by asset.
        resume: the command that goes on after an interruption.

    Returns:
        Whether each succeeded.

    Raises:
        Interrupted: after Ctrl-C or SIGTERM.
    """
    succeeded = True
    for number, (called, batch) in enumerate(batches, 1):
        say(console, f"{number} of {count}: {called}", style="bold")
        try:
            finished = run_batch(
                settings, batch.pipeline, batch.name, console=console, configured=configured, resume=resume
            )
        except _OF_ONE as error:
            say(console, str(error), style="red")
            succeeded = False
            continue
        for reason in finished.reasons:
            say(console, reason, style="yellow" if finished.success else "red")
        succeeded = succeeded and finished.success
    return succeeded


def _check_choices(
    parts: Assembly,
    store: OpenStore,
    pipeline_name: PipelineName,
    batch: str,
    *,
    configured: Mapping[str, Mapping[str, Any]],
    only: Sequence[str] | None,
) -> None:
    pipeline = PIPELINES[pipeline_name]
    refuse_switched_off(pipeline, configured, parts.settings)
    pins = registered_batch(store.database, pipeline_name, batch).pins
    resolve_choices(
        pipeline,
        planned=only or [stage.asset for stage in pipeline.stages],
        configured=configured,
        pins=pins_in_force(pipeline, pins, parts.settings),
        hub=parts.hub,
        prompts=PromptStore.over(store.database),
        registry=parts.registry,
        default_profile=default_reference(pipeline, parts.settings),
    )


def _execute(
    instance: dg.DagsterInstance,
    parts: Assembly,
    pipeline_name: PipelineName,
    batch: str,
    *,
    configured: Mapping[str, Mapping[str, Any]],
    only: Sequence[str] | None,
) -> dg.ExecuteInProcessResult:
    pipeline = PIPELINES[pipeline_name]
    add_batches(instance, pipeline_name, [batch])
    observe_now(instance, parts)
    job = definitions_of(parts).resolve_job_def(pipeline_name)
    ops = {
        pipeline.stage(asset).op_name: {"config": dict(config)}
        for asset, config in configured.items()
        if only is None or asset in only
    }
    run_id = str(uuid4())
    try:
        result = job.execute_in_process(
            instance=instance,
            partition_key=batch,
            run_config={"ops": ops, "loggers": QUIET},
            run_id=run_id,
            tags=process_tags(),
            raise_on_error=False,
            asset_selection=[dg.AssetKey(asset.split("/")) for asset in only] if only else None,
        )
    except KeyboardInterrupt:
        # It came before the first step; from there on Dagster takes it, and ends the run itself.
        run = instance.get_run_by_id(run_id)
        if run is not None and not run.is_finished:
            instance.report_run_canceled(run)
        raise
    if result.dagster_run.status is dg.DagsterRunStatus.CANCELED or _was_interrupted(result):
        raise KeyboardInterrupt
    return result


def _was_interrupted(result: dg.ExecuteInProcessResult) -> bool:
    """Whether anything failed of an interrupt: Dagster takes one that comes while a step is set up for a failure."""
    errors = [getattr(event.event_specific_data, "error", None) for event in result.all_events]
    while errors:
        error = errors.pop()
        if error is not None and error.cls_name == INTERRUPTION:
            return True
        if error is not None:
            errors.append(error.cause)
    return False


def _reasons(result: dg.ExecuteInProcessResult) -> Iterator[str]:
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            asset = asset_of(event.step_key or "")
            if data.user_failure_data is not None:
                yield f"{asset}: {data.user_failure_data.description}"
            elif data.error is not None:
                yield f"{asset}: {data.error.message.strip()}"
    failed: dict[tuple[str, str | None], list[str]] = {}
    for check in result.get_asset_check_evaluations():
        if not check.passed:
            assets = failed.setdefault((check.check_name, check.description), [])
            assets.append(check.asset_key.to_user_string())
    # What is the same of several stages is said once.
    for (name, description), assets in failed.items():
        yield f"check {name} of {', '.join(assets)}: {description}"


@contextmanager
def terminations_as_interrupts() -> Iterator[None]:
    """SIGTERM ends a run as cleanly as Ctrl-C."""

    def interrupt(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
