"""A run's manifest from the floor of Dagster: what it resolved at its start, stage summaries, its end.

The first stage of a run resolves every prompt and model of the run, and the competition's rules, and writes the open
manifest; later stages of the same run read them back from it, so an edit reaches the next run and never the middle of
one. The last planned stage closes it; `end_run` closes it for a run that ends in any other way, between two stages or
in a check too. A run whose process died leaves it open, and so is visible.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import duckdb
from dagster._core.execution.plan.objects import ErrorSource

from backends.devices import devices
from imageworks_dagster.choices import (
    Choice,
    ChosenShare,
    Judge,
    ScorerChoice,
    explicit_pins,
    resolve_choices,
    resolved_roles,
)
from imageworks_dagster.judging.rules import rules_of
from imageworks_dagster.pipelines import JUDGE
from imageworks_dagster.switches import (
    default_reference,
    pins_in_force,
    refuse_switched_off,
    switches_told,
)
from prompt_hub.revisions.access import system_user
from prompt_hub.revisions.store import PromptStore
from prompt_hub.schema import PromptProfile
from registry.schema import Model
from store.batches import pin
from telemetry.code import describe_code
from telemetry.errors import MissingManifest, TelemetryError
from telemetry.manifest import (
    LatencySummary,
    PinnedJudge,
    PinnedModel,
    PinnedProfile,
    PinnedShare,
    RunManifest,
    StageSummary,
    Status,
    close_manifest,
    open_manifest,
    read_manifest,
    update_manifest,
)
from telemetry.summary import run_summary

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from imageworks_dagster.opened import OpenStore
    from imageworks_dagster.pipelines import Pipeline
    from prompt_hub.hub import PromptHub
    from registry.registry import Registry
    from store.batches import Batch
    from store.settings import Settings
    from telemetry.processes import Process

log = logging.getLogger(__name__)
PROJECT_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Run:
    """A run under way: its id, what it planned, and what it asks with."""

    run_id: str
    planned: tuple[str, ...]
    manifest: RunManifest
    store: OpenStore

    def choice(self, asset: str) -> Choice | None:
        """What ``asset`` asks with in this run; None for a stage that asks nothing."""
        if asset not in self.manifest.profiles:
            return None
        profile, model = self.manifest.profiles[asset], self.manifest.models[asset]
        return Choice(
            asset=asset,
            profile=PromptProfile.model_validate(profile.content),
            profile_stage=profile.profile_stage,
            model=Model.model_validate(model.content),
            reference=profile.reference,
            judges=tuple(
                Judge(
                    text=judge.judge,
                    samples=judge.samples,
                    profile=PromptProfile.model_validate(judge.profile.content),
                    model=Model.model_validate(judge.model.content),
                    reference=judge.profile.reference,
                )
                for judge in self.manifest.judges.get(asset, [])
            ),
            shares=tuple(
                ChosenShare(share.reference, share.percent, PromptProfile.model_validate(share.content))
                for share in profile.shares
            ),
        )

    def scorer(self, asset: str) -> Model | None:
        """The image-quality model that ``asset`` asks in this run; None where none was chosen."""
        if asset in self.manifest.profiles or asset not in self.manifest.models:
            return None
        return Model.model_validate(self.manifest.models[asset].content)

    def stage_ended(self, asset: str, summary: StageSummary) -> None:
        """Put the stage's summary into the manifest; the last planned stage closes it."""

        def add(manifest: RunManifest) -> RunManifest:
            return manifest.model_copy(update={"stages": {**manifest.stages, asset: summary}})

        manifest = update_manifest(self.store.home, self.run_id, add)
        if set(self.planned) <= manifest.stages.keys():
            _close(self.store, self.run_id, "ok")


def enter_run(
    run_id: str,
    *,
    process: Process,
    pipeline: Pipeline,
    batch: Batch,
    planned: Collection[str],
    configured: Mapping[str, Mapping[str, Any]],
    settings: Settings,
    store: OpenStore,
    hub: PromptHub,
    registry: Registry,
) -> Run:
    """The run that a stage belongs to; the first stage to come resolves and opens it.

    Args:
        run_id: Dagster's run id.
        process: the process that goes on until the run is over; a step's own may end before.
        pipeline: the pipeline that runs.
        batch: the batch it works on.
        planned: assets that the run will materialize.
        configured: the run's configuration by asset.
        settings: the settings in force.
        store: the opened store.
        hub: the prompt profiles as they are now.
        registry: the models as they are now.

    Raises:
        WrongChoice: a profile or model is wrong; nothing has been done yet.
        imageworks.errors.CompetitionError: the rules cannot be used; likewise.
        imageworks.errors.VocabularyFileError: the vocabulary cannot be used; likewise.
    """
    ordered = tuple(stage.asset for stage in pipeline.stages if stage.asset in planned)
    try:
        manifest = read_manifest(store.home, run_id)
    except MissingManifest:
        if "tagger/keywords" in planned:
            from imageworks_dagster.tagging.knowledge import keyword_rules  # noqa: PLC0415 - loads tables of words

            keyword_rules(settings)  # what cannot be used is told before anything is asked
        refuse_switched_off(pipeline, configured, settings)
        prompts = PromptStore.over(store.database)
        choices = resolve_choices(
            pipeline,
            planned=planned,
            configured=configured,
            pins=pins_in_force(pipeline, batch.pins, settings),
            hub=hub,
            prompts=prompts,
            registry=registry,
            default_profile=default_reference(pipeline, settings),
        )
        _keep_profiles(prompts, choices.values(), hub, run_id)
        for asset, chosen in explicit_pins(pipeline, configured).items():
            pin(store.database, pipeline.name, batch.name, asset, **chosen)
        code = describe_code(PROJECT_ROOT)
        manifest = RunManifest(
            run_id=run_id,
            pipeline=pipeline.name,
            batch=batch.name,
            host=process.host,
            boot_id=process.boot_id,
            pid=process.pid,
            pid_started=process.started,
            git_sha=code.git_sha,
            git_dirty=code.git_dirty,
            git_dirty_digest=code.git_dirty_digest,
            python=code.python,
            packages=dict(code.packages),
            registry_version=registry.version,
            prompt_hub_version=hub.version,
            profiles={
                asset: _pinned_profile(choice)
                for asset, choice in choices.items()
                if isinstance(choice, Choice)
            },
            models={asset: _pinned_model(choice.model) for asset, choice in choices.items()},
            judges={
                asset: [_pinned_judge(judge, choice.profile_stage) for judge in choice.judges]
                for asset, choice in choices.items()
                if isinstance(choice, Choice) and choice.judges
            },
            roles=resolved_roles(registry),
            rules=rules_of(batch) if pipeline is JUDGE else None,
            switches=switches_told(pipeline, batch.pins, settings),
            settings=settings.masked(),
            devices=[device.as_dict() for device in devices()],
        )
        manifest = open_manifest(store.home, manifest)
    return Run(run_id=run_id, planned=ordered, manifest=manifest, store=store)


def end_run(store: OpenStore, instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Say in the manifest that a run failed or was interrupted; called when its last step is over.

    An interrupt that nobody asked for through the web UI (Ctrl-C, a stopped service) is a cancellation too, and
    Dagster is told so, which takes it for a failure otherwise.

    Args:
        store: the opened store.
        instance: the Dagster instance of the run.
        run: the run.
    """
    sources = [
        entry.get_dagster_event().step_failure_data.error_source
        for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    ]
    if not sources:
        return
    interrupted = ErrorSource.INTERRUPT in sources
    current = instance.get_run_by_id(run.run_id)
    if interrupted and current is not None and current.status is dg.DagsterRunStatus.STARTED:
        instance.report_run_canceling(current, "The run was interrupted.")
    with suppress(MissingManifest):  # nothing was resolved yet
        _close(store, run.run_id, "canceled" if interrupted else "failed")


def _close(store: OpenStore, run_id: str, status: Status) -> None:
    # Telemetry that cannot be read takes nothing from a run whose tables stand: the summary is told as missing.
    summary: list[LatencySummary] | None = None
    try:
        summary = run_summary(store.home, run_id, store.database)
    except (TelemetryError, duckdb.Error, OSError):
        log.exception("The summary of run %s cannot be made; try `python -m telemetry fsck`.", run_id)
    close_manifest(store.home, run_id, status, summary=summary)


def _keep_profiles(
    prompts: PromptStore, choices: Iterable[Choice | ScorerChoice], hub: PromptHub, run_id: str
) -> None:
    """Keep the profiles that a run asks with: what answered can be looked at, and asked with, ever after."""
    asking = [choice for choice in choices if isinstance(choice, Choice)]
    every: list[Choice | Judge] = [*asking, *(judge for choice in asking for judge in choice.judges)]
    for one in every:
        if not one.reference:
            prompts.revisions.keep(
                one.profile,
                author=str(system_user()),
                message=f"Used by run {run_id}.",
                layers=hub.provenance[one.profile.id],
            )


def _pinned_profile(choice: Choice) -> PinnedProfile:
    profile = choice.profile
    return PinnedProfile(
        profile_id=profile.id,
        reference=choice.reference,
        profile_stage=choice.profile_stage,
        profile_hash=profile.hash,
        stage_hash=profile.stage_hash(choice.profile_stage),
        content=profile.model_dump(mode="json"),
        shares=[
            PinnedShare(
                reference=share.reference,
                percent=share.percent,
                profile_id=share.profile.id,
                profile_hash=share.profile.hash,
                stage_hash=share.profile.stage_hash(choice.profile_stage),
                content=share.profile.model_dump(mode="json"),
            )
            for share in choice.shares
        ],
    )


def _pinned_judge(judge: Judge, profile_stage: str) -> PinnedJudge:
    return PinnedJudge(
        judge=judge.text,
        samples=judge.samples,
        profile=PinnedProfile(
            profile_id=judge.profile.id,
            reference=judge.reference,
            profile_stage=profile_stage,
            profile_hash=judge.profile.hash,
            stage_hash=judge.profile.stage_hash(profile_stage),
            content=judge.profile.model_dump(mode="json"),
        ),
        model=_pinned_model(judge.model),
    )


def _pinned_model(model: Model) -> PinnedModel:
    return PinnedModel(
        model=model.name,
        model_revision=model.model_revision,
        deployments=[deployment.model_dump(mode="json") for deployment in model.deployments],
        content=model.model_dump(mode="json"),
    )
