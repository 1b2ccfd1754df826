"""Which image-quality model each batch is scored with, as a node of the graph, partitioned like the batches.

A model as a node would make every batch stale when it is edited, those too that nobody scores. This node has a version
a batch, the name and revision of its model, and none for a batch that never chose one.
"""

# Dagster reads the annotations of what it decorates: they are not postponed in this module.

from collections.abc import Mapping

import dagster as dg

from imageworks_dagster.partitions import PARTITIONS
from imageworks_dagster.pipelines import PIPELINES, Pipeline, StageDeclaration
from registry.errors import RegistryError
from registry.registry import Registry
from store.settings import Settings

PLATFORM = "platform"
DATA_VERSION_TAG = "dagster/data_version"
INPUT_VERSION_TAG = "dagster/input_data_version"
INPUT_POINTER_TAG = "dagster/input_event_pointer"

NONE = "none"
"""The version of a batch that is no longer scored."""


def scorer_key(stage: StageDeclaration) -> str:
    """Key of the node of a stage that may score photos."""
    return f"scorers/{stage.asset}"


def scorer_assets() -> list[dg.AssetSpec]:
    """The nodes; nothing makes them, runs and a sensor say what they are."""
    return [
        dg.AssetSpec(
            scorer_key(stage).split("/"),
            group_name=PLATFORM,
            partitions_def=PARTITIONS[pipeline.name],
            description=f"The image-quality model that {stage.asset} of a batch is scored with, where one is chosen.",
            kinds={"model"},
        )
        for pipeline, stage in _scoring_stages()
    ]


def observe_scorer(
    instance: dg.DagsterInstance, stage: StageDeclaration, batch: str, version: str
) -> dict[str, str]:
    """Tell Dagster what a run scores a batch with, and say by tags that its tables are made with that.

    Left to itself, Dagster notes what it knew when a step began: before the run said so, or after an edit meanwhile.

    Args:
        instance: what Dagster knows.
        stage: the stage that scores.
        batch: the batch.
        version: name and revision of the model, or `NONE`.

    Returns:
        Tags for the run's materializations; empty for a batch that was never scored.
    """
    key = scorer_key(stage)
    latest = _latest(instance, key, batch)
    if latest is None and version == NONE:
        return {}
    if latest is None or latest[1] != version:
        instance.report_runless_asset_event(_observation(key, batch, version))
        latest = _latest(instance, key, batch)
    pointer = 0 if latest is None else latest[0]
    return {f"{INPUT_VERSION_TAG}/{key}": version, f"{INPUT_POINTER_TAG}/{key}": str(pointer)}


def changed_scorers(
    instance: dg.DagsterInstance, settings: Settings, registry: Registry
) -> list[dg.AssetObservation]:
    """Observations of the batches whose model is not, or not of the revision, that Dagster knows.

    Args:
        instance: what Dagster knows.
        settings: say where the batches are.
        registry: the models as they are now.
    """
    from imageworks_dagster.opened import has_home, open_store  # noqa: PLC0415 - the definitions must load fast
    from store.batches import batches  # noqa: PLC0415 - as above

    if not has_home(settings):
        return []
    changed = []
    known = batches(open_store(settings).database)
    for pipeline, stage in _scoring_stages():
        key = scorer_key(stage)
        for batch in known:
            version = _pinned_version(batch.pins.get(stage.asset, {}), registry)
            if batch.pipeline != pipeline.name or version is None:
                continue
            latest = _latest(instance, key, batch.name)
            # A batch that has not run yet is told by its run.
            if latest is not None and latest[1] != version:
                changed.append(_observation(key, batch.name, version))
    return changed


def _scoring_stages() -> list[tuple[Pipeline, StageDeclaration]]:
    return [(pipeline, stage) for pipeline in PIPELINES.values() for stage in pipeline.stages if stage.scores]


def _pinned_version(pins: Mapping[str, str], registry: Registry) -> str | None:
    """What a pin resolves to now; None without one, and for one that has gone, which the next run will say."""
    if not pins.get("model"):
        return None
    try:
        model = registry.resolve(pins["model"])
    except RegistryError:
        return None
    return f"{model.name} {model.model_revision}"


def _observation(key: str, batch: str, version: str) -> dg.AssetObservation:
    return dg.AssetObservation(dg.AssetKey(key.split("/")), partition=batch, tags={DATA_VERSION_TAG: version})


def _latest(instance: dg.DagsterInstance, key: str, batch: str) -> tuple[int, str] | None:
    """Where Dagster keeps what it knows of a batch, and what that is."""
    record = instance.get_latest_data_version_record(
        dg.AssetKey(key.split("/")), is_source=True, partition_key=batch
    )
    observed = record.event_log_entry.asset_observation if record else None
    if record is None or observed is None:
        return None
    return record.storage_id, observed.tags[DATA_VERSION_TAG]
