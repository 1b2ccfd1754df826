"""Nodes of the graph that have a version a batch: what a batch has chosen for a stage and no other batch has to.

A model or a prompt as a node would make every batch stale when it is edited, those too that have nothing to do with it.
These nodes are partitioned like the batches. A batch that never chose anything for such a node has no version there.
"""

# Dagster reads the annotations of what it decorates: they are not postponed in this module.

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import dagster as dg

from imageworks_dagster.partitions import PARTITIONS
from imageworks_dagster.pipelines import PIPELINES, Pipeline, StageDeclaration

PLATFORM = "platform"
DATA_VERSION_TAG = "dagster/data_version"
INPUT_VERSION_TAG = "dagster/input_data_version"
INPUT_POINTER_TAG = "dagster/input_event_pointer"

Facts = Callable[[], Mapping[str, dg.MetadataValue]]

NONE = "none"
"""The version of a batch that no longer chooses."""


@dataclass(frozen=True)
class BatchNode:
    """One such node.

    Attributes:
        kind: ``scorers`` for the image-quality model of a stage, ``promoted`` for a kept revision of its prompt.
        pipeline: whose batches it is partitioned by.
        stage: the stage that is made from it.
    """

    kind: Literal["scorers", "promoted"]
    pipeline: Pipeline
    stage: StageDeclaration

    @property
    def key(self) -> str:
        """The node's asset key."""
        return f"{self.kind}/{self.stage.asset}"


def batch_nodes() -> list[BatchNode]:
    """All of them, by key."""
    return [
        node
        for pipeline in PIPELINES.values()
        for stage in pipeline.stages
        if (node := node_of(pipeline, stage)) is not None
    ]


def node_of(pipeline: Pipeline, stage: StageDeclaration) -> BatchNode | None:
    """The node that a stage is made from; None for one that chooses nothing a batch."""
    if stage.scores:
        return BatchNode("scorers", pipeline, stage)
    return BatchNode("promoted", pipeline, stage) if stage.asks else None


def batch_node_assets() -> list[dg.AssetSpec]:
    """The nodes; nothing makes them, runs and a sensor say what they are."""
    return [
        dg.AssetSpec(
            node.key.split("/"),
            group_name=PLATFORM,
            partitions_def=PARTITIONS[node.pipeline.name],
            description=_DESCRIPTIONS[node.kind].format(node.stage.asset),
            kinds={_KINDS[node.kind]},
        )
        for node in batch_nodes()
    ]


def observe(
    instance: dg.DagsterInstance, node: BatchNode, batch: str, version: str, facts: Facts
) -> dict[str, str]:
    """Tell Dagster what a run has for a batch, and say by tags that its tables are made with that.

    Left to itself, Dagster notes what it knew when a step began: before the run said so, or after an edit meanwhile.

    Args:
        instance: what Dagster knows.
        node: the node.
        batch: the batch.
        version: what the batch has, or `NONE`.
        facts: metadata of the observation, asked for where there is one.

    Returns:
        Tags for the run's materializations; empty for a batch that never had any.
    """
    latest = _latest(instance, node.key, batch)
    if latest is None and version == NONE:
        return {}
    if latest is None or latest[1] != version:
        instance.report_runless_asset_event(_observation(node.key, batch, version, facts()))
        latest = _latest(instance, node.key, batch)
    pointer = 0 if latest is None else latest[0]
    return {f"{INPUT_VERSION_TAG}/{node.key}": version, f"{INPUT_POINTER_TAG}/{node.key}": str(pointer)}


def changed(
    instance: dg.DagsterInstance, node: BatchNode, batch: str, version: str | None, facts: Facts
) -> list[dg.AssetObservation]:
    """The observation of a batch whose version is not the one that Dagster knows.

    Args:
        instance: what Dagster knows.
        node: the node.
        batch: the batch.
        version: what it has now; None for a batch that has none.
        facts: metadata of the observation, asked for where there is one.
    """
    latest = _latest(instance, node.key, batch)
    # A batch that has not run yet is told by its run.
    if version is None or latest is None or latest[1] == version:
        return []
    return [_observation(node.key, batch, version, facts())]


_DESCRIPTIONS = {
    "scorers": "The image-quality model that {} of a batch is scored with, where one is chosen.",
    "promoted": "The kept revision of a prompt that {} of a batch asks with, where one is chosen by label or hash.",
}
_KINDS = {"scorers": "model", "promoted": "prompt"}


def _observation(
    key: str, batch: str, version: str, facts: Mapping[str, dg.MetadataValue]
) -> dg.AssetObservation:
    return dg.AssetObservation(
        dg.AssetKey(key.split("/")), partition=batch, tags={DATA_VERSION_TAG: version}, metadata=facts
    )


def _latest(instance: dg.DagsterInstance, key: str, batch: str) -> tuple[int, str] | None:
    """Where Dagster keeps what it knows of a batch, and what that is."""
    record = instance.get_latest_data_version_record(
        dg.AssetKey(key.split("/")), is_source=True, partition_key=batch
    )
    observed = record.event_log_entry.asset_observation if record else None
    if record is None or observed is None:
        return None
    return record.storage_id, observed.tags[DATA_VERSION_TAG]
