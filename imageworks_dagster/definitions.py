"""Put the parts together for Dagster. The command, the web server and the tests all call `build_definitions`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dagster as dg

from imageworks.baseline.functions import EMBEDDED, embedded_revisions
from imageworks_dagster.assembly import Assembly
from imageworks_dagster.assets.batch_nodes import batch_node_assets
from imageworks_dagster.assets.judge import judge_assets
from imageworks_dagster.assets.nodes import node_assets
from imageworks_dagster.assets.tagger import tagger_assets
from imageworks_dagster.checks import asset_checks
from imageworks_dagster.executing import executor_of
from imageworks_dagster.pipelines import PIPELINES
from imageworks_dagster.resources import (
    ModelRegistryResource,
    ModelsResource,
    PromptHubResource,
    TelemetryResource,
)
from imageworks_dagster.schedules import nightly_schedules
from imageworks_dagster.sensors import platform_sensors
from prompt_hub.hub import PromptHub
from registry.registry import Registry
from store.home import Home
from store.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping


def build_definitions(
    *, settings: Settings | None = None, overrides: Mapping[str, Any] | None = None
) -> dg.Definitions:
    """The whole platform as Dagster definitions.

    Args:
        settings: the settings; by default from the environment.
        overrides: fields of `Assembly` to put in place of the usual ones, such as ``progress`` or ``embedded``.

    Raises:
        store.errors.SettingsError, registry.errors.RegistryError, prompt_hub.errors.PromptHubError: a file or
            variable cannot be used; the message names it.
    """
    return definitions_of(assemble(settings or Settings(), overrides or {}))


def assemble(settings: Settings, overrides: Mapping[str, Any]) -> Assembly:
    """The parts that the definitions are built from, with ``overrides`` in place of the usual ones."""
    home = Home.of(settings)
    revisions = overrides.get("embedded_revisions") or embedded_revisions()
    usual = Assembly(
        settings=settings,
        hub=PromptHub.load_cached(home.prompts, home.cached_prompts),
        registry=Registry.load(home.registry, embedded=revisions),
        embedded=EMBEDDED,
        embedded_revisions=revisions,
    )
    return replace(usual, **overrides)


def definitions_of(assembly: Assembly) -> dg.Definitions:
    """The Dagster definitions of these parts."""
    home = Home.of(assembly.settings)
    executor = executor_of(assembly.settings)
    jobs = [
        dg.define_asset_job(
            pipeline.name,
            selection=dg.AssetSelection.groups(pipeline.group),
            description=f"All stages of {pipeline.group} for one batch.",
            executor_def=executor,
        )
        for pipeline in PIPELINES.values()
    ]
    return dg.Definitions(
        assets=[
            *judge_assets(assembly),
            *tagger_assets(assembly),
            node_assets(assembly),
            *batch_node_assets(),
        ],
        asset_checks=asset_checks(assembly),
        jobs=jobs,
        schedules=nightly_schedules(assembly, jobs),
        sensors=platform_sensors(assembly, jobs),
        executor=executor,
        resources={
            "models": ModelsResource.from_settings(assembly.settings),
            "prompt_hub": PromptHubResource(user_folder=str(home.prompts)),
            "model_registry": ModelRegistryResource(user_file=str(home.registry)),
            "telemetry": TelemetryResource(spool_folder=str(home.spool)),
        },
    )
