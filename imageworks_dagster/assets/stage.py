"""Make a Dagster asset of a declared stage: configuration, dependencies, run, manifest, table, metadata."""

# Dagster reads the annotations of what it decorates: they are not postponed in this module.

import base64
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from imageworks_dagster.assembly import Assembly
from imageworks_dagster.assets.batch_nodes import node_of
from imageworks_dagster.choices import DEFAULT, candidate_models, scoring_models, usable_profiles
from imageworks_dagster.partitions import PARTITIONS
from imageworks_dagster.pipelines import Pipeline, StageDeclaration
from imageworks_dagster.resources import (
    ModelRegistryResource,
    ModelsResource,
    PromptHubResource,
    TelemetryResource,
)

if TYPE_CHECKING:
    from imageworks_dagster.stages import Outcome, Stage

TABLE_ROWS = 12
"""Rows of the table shown with a materialization: event logs are never pruned, so it stays short."""

CELL_CHARACTERS = 120


@dataclass(frozen=True)
class StageResources:
    """The resources of a stage, as Dagster handed them in."""

    models: ModelsResource
    prompt_hub: PromptHubResource
    model_registry: ModelRegistryResource
    telemetry: TelemetryResource


@dataclass(frozen=True)
class StageStep:
    """A step that works on a stage, or on a part of one: its context, what it is of, and its resources."""

    context: dg.OpExecutionContext
    pipeline: Pipeline
    declaration: StageDeclaration
    assembly: Assembly
    resources: StageResources


def stage_asset(
    pipeline: Pipeline,
    declaration: StageDeclaration,
    body: Callable[["Stage"], "Outcome"],
    *,
    assembly: Assembly,
    description: str,
    options: Mapping[str, dg.Field] | None = None,
) -> dg.AssetsDefinition:
    """The asset of one stage.

    Args:
        pipeline: the pipeline it belongs to.
        declaration: its key, what it reads and what it asks.
        body: from a prepared stage to its outcome; loads heavy modules itself.
        assembly: the parts the definitions are built from.
        description: shown in the web UI.
        options: configuration beyond the choice of profile and model.
    """
    if declaration.by_entry and assembly.settings.part_photos:
        from imageworks_dagster.assets.divided import divided_asset  # noqa: PLC0415 - built on this module

        return divided_asset(pipeline, declaration, body, assembly=assembly, description=description)

    @dg.asset(
        key=declaration.asset.split("/"),
        deps=[key.split("/") for key in dependencies(pipeline, declaration, assembly)],
        group_name=pipeline.group,
        partitions_def=PARTITIONS[pipeline.name],
        description=description,
        kinds={"python", "parquet"},
        config_schema={**choice_options(pipeline, declaration, assembly), **(options or {})},
        retry_policy=None,
    )
    def asset(
        context: dg.AssetExecutionContext,
        models: ModelsResource,
        prompt_hub: PromptHubResource,
        model_registry: ModelRegistryResource,
        telemetry: TelemetryResource,
    ) -> dg.MaterializeResult[Any]:
        from imageworks_dagster.staging import run_stage  # noqa: PLC0415 - loads the store

        resources = StageResources(models, prompt_hub, model_registry, telemetry)
        return run_stage(
            StageStep(context.op_execution_context, pipeline, declaration, assembly, resources), body
        )

    return asset


def dependencies(pipeline: Pipeline, declaration: StageDeclaration, assembly: Assembly) -> list[str]:
    """Keys of all that a stage's table is made from: what it reads, and every prompt, model and role on the way.

    Dagster looks one step back for what makes an asset stale. A stage that named its own prompts alone would show
    as fresh after an edit of an earlier stage's prompt, until that earlier stage had run again.
    """
    stages = (declaration, *(pipeline.stage(asset) for asset in declaration.reads))
    nodes = {key for stage in stages for key in node_keys(pipeline, stage, assembly)}
    return [*declaration.reads, *sorted(nodes)]


def node_keys(pipeline: Pipeline, declaration: StageDeclaration, assembly: Assembly) -> list[str]:
    """Keys of the prompts and models that a stage may itself ask with, and of its role, which chooses the model.

    And of the node that says what a batch has chosen for itself: the model that scores it, a revision of the prompt.
    """
    node = node_of(pipeline, declaration)
    chosen = [node.key] if node is not None else []
    if declaration.asks is None:
        return chosen
    asks = declaration.asks
    prompts = [
        f"prompts/{name}/{asks.profile_stage}" for name in usable_profiles(pipeline, asks, assembly.hub)
    ]
    models = [f"models/{name}" for name in candidate_models(asks.role, assembly.registry)]
    roles = [f"roles/{asks.role}"] if asks.role in assembly.registry.roles else []
    return [*chosen, *prompts, *models, *roles]


def choice_options(
    pipeline: Pipeline, declaration: StageDeclaration, assembly: Assembly
) -> dict[str, dg.Field]:
    """The launchpad's choice of profile and model, with the right ones in the descriptions.

    Checked against the files when the run starts, not when the definitions were loaded, so that a model added to
    ``registry.yaml`` can be chosen without a reload.
    """
    if declaration.scores is not None:
        return _scorer_options(declaration, assembly)
    if declaration.asks is None:
        return {}
    asks = declaration.asks
    profiles = usable_profiles(pipeline, asks, assembly.hub)
    models = candidate_models(asks.role, assembly.registry)
    return {
        "profile": dg.Field(
            str,
            default_value="",
            description=f"Prompt profile: {', '.join(profiles)}, or a kept revision of one, such as "
            f"{pipeline.default_profile}@production{_or_split(pipeline)}. "
            f"Empty: the batch's, else {pipeline.default_profile}; {DEFAULT!r} "
            f"ends the batch's.",
        ),
        "model": dg.Field(
            str,
            default_value="",
            description=(
                f"Model or model role: {', '.join(models)}, or any other of the "
                f"registry that can. Empty: the batch's, else {_others(declaration)}role {asks.role!r}; {DEFAULT!r} "
                f"ends the batch's."
            ),
        ),
        **({"judges": _judges(models)} if declaration.panel else {}),
        "fresh": _fresh(),
    }


def _others(declaration: StageDeclaration) -> str:
    """Who is asked before the role's model is, in words."""
    return f"the judges of {declaration.panel_of}, where several are, else " if declaration.panel_of else ""


def _judges(models: Sequence[str]) -> dg.Field:
    some = ", ".join(f"{name}*2" if index else name for index, name in enumerate(models[:2]))
    return dg.Field(
        str,
        default_value="",
        description=(
            f"Several judges instead of the one model: model, model:profile or model:profile*samples, with commas "
            f"between, such as {some}. Empty: the batch's, else none; {DEFAULT!r} ends the batch's."
        ),
    )


def _or_split(pipeline: Pipeline) -> str:
    if not pipeline.may_split:
        return ""
    name = pipeline.default_profile
    return f", or several, each for a share of the photos: {name}@production:80,{name}@staging:20"


def _scorer_options(declaration: StageDeclaration, assembly: Assembly) -> dict[str, dg.Field]:
    models = scoring_models(declaration, assembly.registry)
    return {
        "model": dg.Field(
            str,
            default_value="",
            description=(
                f"Image-quality model or role {declaration.scores!r}: {', '.join(models)}, or any other of the "
                f"registry that can. Empty: the batch's, else none; {DEFAULT!r} ends the batch's."
            ),
        ),
        "fresh": _fresh(),
    }


def _fresh() -> dg.Field:
    return dg.Field(bool, default_value=False, description="Ask again, even what has a kept answer.")


def as_failure(error: Exception) -> dg.Failure:
    """An error that the person who started the run can put right, as Dagster shows it: words, no stack."""
    return dg.Failure(description=str(error), metadata={"error": type(error).__name__}, allow_retries=False)


def picture_markdown(picture: bytes) -> str:
    """A small picture as markdown that the web UI shows."""
    media_type = "image/png" if picture.startswith(b"\x89PNG") else "image/jpeg"
    return f"![picture](data:{media_type};base64,{base64.b64encode(picture).decode('ascii')})"


def table_markdown(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """The first rows as a markdown table, those with a result before the others.

    Hostile text cannot leave its cell.
    """
    lines = [" | ".join(columns), " | ".join("---" for _ in columns)]
    shown = sorted(rows, key=lambda row: bool(row.get("error_class")))[:TABLE_ROWS]
    lines += [" | ".join(_cell(row.get(column)) for column in columns) for row in shown]
    if len(rows) > TABLE_ROWS:
        lines.append(" | ".join(["…", *[""] * (len(columns) - 1)]))
    return "\n".join(f"| {line} |" for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = (
        f"{value:.3g}"
        if isinstance(value, float)
        else ", ".join(value)
        if isinstance(value, list)
        else str(value)
    )
    text = " ".join(text.split())
    if len(text) > CELL_CHARACTERS:
        text = text[: CELL_CHARACTERS - 1] + "…"
    # Any punctuation can begin markup or a link; each may be escaped (CommonMark 2.4).
    return "".join(f"\\{c}" if c in string.punctuation else c for c in text)
