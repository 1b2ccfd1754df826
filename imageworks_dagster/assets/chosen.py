"""What each batch has chosen for its nodes, by its pins: observed when it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageworks_dagster.assets.batch_nodes import BatchNode, batch_nodes, changed
from imageworks_dagster.opened import has_home, open_store
from prompt_hub.errors import PromptHubError
from prompt_hub.revisions.references import Reference, kept_revision
from prompt_hub.revisions.store import PromptStore
from registry.errors import RegistryError
from store.batches import batches

if TYPE_CHECKING:
    from collections.abc import Mapping

    import dagster as dg

    from registry.registry import Registry
    from store.settings import Settings


def changed_choices(
    instance: dg.DagsterInstance, settings: Settings, registry: Registry
) -> list[dg.AssetObservation]:
    """Observations of the batches whose scorer or promoted prompt is not, or not of the version, that Dagster knows.

    Args:
        instance: what Dagster knows.
        settings: say where the batches are.
        registry: the models as they are now.
    """
    if not has_home(settings):
        return []
    store = open_store(settings)
    prompts = PromptStore.over(store.database)
    known = batches(store.database)
    return [
        observation
        for node in batch_nodes()
        for batch in known
        if batch.pipeline == node.pipeline.name
        for observation in changed(
            instance,
            node,
            batch.name,
            _version(node, batch.pins.get(node.stage.asset, {}), registry, prompts),
        )
    ]


def promoted_version(profile_id: str, stage_hash: str) -> str:
    """The version of a batch that asks with a kept revision, whichever label named it."""
    return f"{profile_id} {stage_hash}"


def scorer_version(name: str, revision: str) -> str:
    """The version of a batch that is scored."""
    return f"{name} {revision}"


def _version(
    node: BatchNode, pins: Mapping[str, str], registry: Registry, prompts: PromptStore
) -> str | None:
    """What a batch's pins resolve to now; None without one, and for one that has gone, which the next run will say."""
    try:
        if node.kind == "scorers":
            if not pins.get("model"):
                return None
            model = registry.resolve(pins["model"])
            return scorer_version(model.name, model.model_revision)
        asks, named = node.stage.asks, pins.get("profile")
        if asks is None or not named or not (reference := Reference.parse(named)).is_kept:
            return None
        profile = kept_revision(reference, prompts.labels, prompts.revisions).profile
        return promoted_version(profile.id, profile.stage_hash(asks.profile_stage))
    except (RegistryError, PromptHubError):
        return None
