"""What each batch has chosen for its nodes, by its pins: observed when it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageworks_dagster.assets.batch_nodes import BatchNode, batch_nodes, changed
from imageworks_dagster.opened import has_home, open_store
from prompt_hub.errors import PromptHubError
from prompt_hub.revisions.references import Reference, kept_revision
from prompt_hub.revisions.splits import WHOLE, Split, is_split
from prompt_hub.revisions.store import PromptStore
from registry.errors import RegistryError
from store.batches import batches

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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


def promoted_version(parts: Iterable[tuple[int, str, str]]) -> str:
    """The version of a batch that asks with a kept revision, whichever label named it, or with several.

    Args:
        parts: of each, its share of the photos in percent, its profile, and the hash of its stage.
    """
    return ", ".join(
        f"{profile_id} {stage_hash}" if percent == WHOLE else f"{percent} % {profile_id} {stage_hash}"
        for percent, profile_id, stage_hash in parts
    )


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
        if asks is None or not named:
            return None
        parts = []
        for percent, reference in _references(named):
            if not reference.is_kept:
                return None
            profile = kept_revision(reference, prompts.labels, prompts.revisions).profile
            parts.append((percent, profile.id, profile.stage_hash(asks.profile_stage)))
        return promoted_version(parts)
    except (RegistryError, PromptHubError):
        return None


def _references(named: str) -> list[tuple[int, Reference]]:
    if not is_split(named):
        return [(WHOLE, Reference.parse(named))]
    return [(share.percent, share.reference) for share in Split.parse(named).shares]
