"""What each batch has chosen for its nodes, by its pins: observed when it changes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from imageworks.errors import BadPanel
from imageworks_dagster.assets.batch_nodes import BatchNode, batch_nodes, changed
from imageworks_dagster.opened import has_home, open_store
from imageworks_dagster.panels import profiles_named
from imageworks_dagster.prompt_facts import prompt_facts
from imageworks_dagster.switches import stage_pins
from prompt_hub.errors import PromptHubError
from prompt_hub.hashing import short
from prompt_hub.revisions.references import Reference, kept_revision
from prompt_hub.revisions.splits import WHOLE, Split, is_split
from prompt_hub.revisions.store import PromptStore
from registry.errors import RegistryError
from store.batches import batches

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import dagster as dg

    from prompt_hub.revisions.revisions import Revision
    from prompt_hub.schema import PromptProfile
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
    found: list[dg.AssetObservation] = []
    for node in batch_nodes():
        for batch in known:
            if batch.pipeline == node.pipeline.name:
                pins = stage_pins(node.pipeline, node.stage.asset, batch.pins, settings)
                version = _version(node, pins, registry, prompts)
                facts = partial(_facts, node, pins, prompts)
                found += changed(instance, node, batch.name, version, facts)
    return found


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
        asks = node.stage.asks
        parts = _parts(pins, prompts)
        if asks is None or not parts:
            return None
        return promoted_version(
            (percent, one.profile.id, one.profile.stage_hash(asks.profile_stage)) for percent, one in parts
        )
    except (RegistryError, PromptHubError, BadPanel):
        return None


def _parts(pins: Mapping[str, str], prompts: PromptStore) -> list[tuple[int, Revision]]:
    return [part for named in profiles_named(pins) for part in kept_parts(named, prompts)]


def kept_parts(named: str | None, prompts: PromptStore) -> list[tuple[int, Revision]]:
    """The kept revisions that a pin names, each with its share in percent; none where the files say what it is.

    Raises:
        PromptHubError: one of them is not there.
    """
    if not named:
        return []
    shares = Split.parse(named).shares if is_split(named) else ()
    references = [(share.percent, share.reference) for share in shares] or [(WHOLE, Reference.parse(named))]
    return [
        (percent, kept_revision(reference, prompts.labels, prompts.revisions))
        for percent, reference in references
        if reference.is_kept
    ]


def promoted_facts(
    parts: Iterable[tuple[int, PromptProfile, Mapping[str, str]]], stage: str, prompts: PromptStore
) -> dict[str, dg.MetadataValue]:
    """What the graph says of the revisions that a batch asks with; of each by itself where photos are split.

    Args:
        parts: of each, its share in percent, the profile, and the file of each of its fields.
        stage: the profile stage.
        prompts: what is kept of prompts.
    """
    facts: dict[str, dg.MetadataValue] = {}
    for percent, profile, layers in parts:
        prefix = "" if percent == WHOLE else f"{percent} % {profile.id}@{short(profile.hash)}: "
        own = prompt_facts(prompts, profile, stage, layers)
        facts |= {f"{prefix}{name}": value for name, value in own.items()}
    return facts


def _facts(node: BatchNode, pins: Mapping[str, str], prompts: PromptStore) -> Mapping[str, dg.MetadataValue]:
    if node.stage.asks is None:
        return {}
    parts = _parts(pins, prompts)
    told = [(percent, one.profile, one.layers) for percent, one in parts]
    return promoted_facts(told, node.stage.asks.profile_stage, prompts)
