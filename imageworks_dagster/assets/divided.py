"""Make a Dagster asset of a stage that several workers may have parts of: one node of the graph, three kinds of steps.

`divide` looks how large the batch is, `part[…]` is there once for each part of a large one and not at all for another,
and `gather` publishes the table. What the launchpad is given, what is shown and what is told of the table is that of
the asset which has one step.
"""

# Dagster reads the annotations of what it decorates: they are not postponed in this module.

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.definitions.dependency import DynamicCollectDependencyDefinition, IDependencyDefinition

from imageworks_dagster.assembly import Assembly
from imageworks_dagster.assets.stage import StageResources, StageStep, choice_options, dependencies
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

DIVIDE, PART, GATHER = "divide", "part", "gather"


def divided_asset(
    pipeline: Pipeline,
    declaration: StageDeclaration,
    body: Callable[["Stage"], "Outcome"],
    *,
    assembly: Assembly,
    description: str,
) -> dg.AssetsDefinition:
    """The asset of one stage, as `stage_asset` makes it, in parts.

    Args:
        pipeline: the pipeline it belongs to.
        declaration: its key, what it reads and what it asks; one that goes by entry.
        body: from a prepared stage to its outcome; of a stage with a part, to the outcome of that part.
        assembly: the parts the definitions are built from.
        description: shown in the web UI.
    """
    before = _inputs(dependencies(pipeline, declaration, assembly))
    steps = _Steps(pipeline, declaration, body, assembly)
    divide, part, gather = steps.divide(list(before)), steps.part(), steps.gather()
    one_after_the_other: dict[dg.NodeInvocation, dict[str, IDependencyDefinition]] = {
        dg.NodeInvocation(divide.name, alias=DIVIDE): {},
        dg.NodeInvocation(part.name, alias=PART): {"begun": dg.DependencyDefinition(DIVIDE, "parts")},
        dg.NodeInvocation(gather.name, alias=GATHER): {
            "parts": DynamicCollectDependencyDefinition(PART, "result")
        },
    }
    graph = dg.GraphDefinition(
        name=declaration.op_name,
        description=description,
        node_defs=[divide, part, gather],
        dependencies=one_after_the_other,
        input_mappings=[
            dg.InputMapping(graph_input_name=name, mapped_node_name=DIVIDE, mapped_node_input_name=name)
            for name in before
        ],
        output_mappings=[
            dg.OutputMapping(
                graph_output_name="result", mapped_node_name=GATHER, mapped_node_output_name="result"
            )
        ],
        # The launchpad is given what the asset of one step is given.
        config=dg.ConfigMapping(
            config_schema=steps.options,
            config_fn=lambda chosen: {name: {"config": chosen} for name in (DIVIDE, PART, GATHER)},
        ),
    )
    spec = dg.AssetSpec(
        declaration.asset.split("/"),
        deps=list(before.values()),
        group_name=pipeline.group,
        partitions_def=PARTITIONS[pipeline.name],
        description=description,
        kinds={"python", "parquet"},
    )
    return dg.AssetsDefinition(
        node_def=graph, keys_by_input_name=before, keys_by_output_name={"result": spec.key}, specs=[spec]
    )


def _inputs(keys: Sequence[str]) -> dict[str, dg.AssetKey]:
    """What comes before, by names that a graph takes; of two that differ in a dash alone, each has its own."""
    inputs: dict[str, dg.AssetKey] = {}
    for key in (dg.AssetKey(one.split("/")) for one in keys):
        name = key.to_python_identifier()
        while name in inputs:
            name += "_"
        inputs[name] = key
    return inputs


@dataclass(frozen=True)
class _Steps:
    """Makes the three kinds of steps of a stage; their names are the stage's, since a name is one op's alone."""

    pipeline: Pipeline
    declaration: StageDeclaration
    body: Callable[["Stage"], "Outcome"]
    assembly: Assembly

    @property
    def options(self) -> dict[str, dg.Field]:
        return choice_options(self.pipeline, self.declaration, self.assembly)

    def _named(self, kind: str) -> str:
        return f"{self.declaration.op_name}__{kind}"

    def _step(self, context: dg.OpExecutionContext, resources: StageResources) -> StageStep:
        return StageStep(context, self.pipeline, self.declaration, self.assembly, resources)

    def divide(self, before: Sequence[str]) -> dg.OpDefinition:
        @dg.op(
            name=self._named(DIVIDE),
            description="Divides a batch that is larger than a part.",
            ins={one: dg.In(dg.Nothing) for one in before},
            out={"parts": dg.DynamicOut(dg.Nothing)},
            config_schema=self.options,
        )
        def divide(
            context: dg.OpExecutionContext,
            models: ModelsResource,
            prompt_hub: PromptHubResource,
            model_registry: ModelRegistryResource,
            telemetry: TelemetryResource,
        ) -> Iterator[dg.DynamicOutput[None]]:
            from imageworks_dagster.part_staging import divide_stage  # noqa: PLC0415 - loads the store

            resources = StageResources(models, prompt_hub, model_registry, telemetry)
            parts = divide_stage(self._step(context, resources))
            for part in parts:
                yield dg.DynamicOutput(None, mapping_key=part, output_name="parts")

        return divide

    def part(self) -> dg.OpDefinition:
        @dg.op(
            name=self._named(PART),
            description="Works one part of the batch, and keeps its rows for the last step.",
            ins={"begun": dg.In(dg.Nothing)},
            out=dg.Out(dg.Nothing),
            config_schema=self.options,
        )
        def part(
            context: dg.OpExecutionContext,
            models: ModelsResource,
            prompt_hub: PromptHubResource,
            model_registry: ModelRegistryResource,
            telemetry: TelemetryResource,
        ) -> None:
            from imageworks_dagster.part_staging import work_part  # noqa: PLC0415 - loads the store

            resources = StageResources(models, prompt_hub, model_registry, telemetry)
            work_part(self._step(context, resources), self.body)

        return part

    def gather(self) -> dg.OpDefinition:
        @dg.op(
            name=self._named(GATHER),
            description="Publishes the one table of all parts; works a batch that was not divided.",
            ins={"parts": dg.In(dg.Nothing)},
            out=dg.Out(dg.Nothing),
            config_schema=self.options,
        )
        def gather(
            context: dg.OpExecutionContext,
            models: ModelsResource,
            prompt_hub: PromptHubResource,
            model_registry: ModelRegistryResource,
            telemetry: TelemetryResource,
        ) -> dg.MaterializeResult[Any]:
            from imageworks_dagster.part_staging import gather_stage  # noqa: PLC0415 - loads the store

            resources = StageResources(models, prompt_hub, model_registry, telemetry)
            return gather_stage(self._step(context, resources), self.body)

        return gather
