"""Prompts, models and model roles as nodes of the graph: observable sources whose data versions are digests."""

# Dagster reads the annotations of what it decorates: they are not postponed in this module.

import warnings
from collections.abc import Iterator
from typing import cast

import dagster as dg

from imageworks_dagster.assembly import Assembly
from imageworks_dagster.assets.batch_nodes import batch_nodes
from imageworks_dagster.assets.stage import node_keys
from imageworks_dagster.choices import resolved_roles
from imageworks_dagster.pipelines import PIPELINES
from imageworks_dagster.resources import ModelRegistryResource, PromptHubResource
from prompt_hub.hub import PromptHub
from registry.registry import Registry
from store.settings import Settings

PLATFORM = "platform"

DATA_VERSION_TAG = "dagster/data_version"


def used_nodes(assembly: Assembly) -> list[str]:
    """Every prompt, model and role that some stage may ask with, and the models that no stage names."""
    used = {
        key
        for pipeline in PIPELINES.values()
        for stage in pipeline.asking
        for key in node_keys(pipeline, stage, assembly)
    } - {node.key for node in batch_nodes()}
    return sorted(used | {f"models/{name}" for name in assembly.registry.models})


def node_versions(hub: PromptHub, registry: Registry) -> dict[str, str]:
    """Data version of every prompt, model and role there is, by asset key.

    Stage hashes, model revisions, and for a role the model that it resolves to: who has given a role to another model
    sees as stale what was asked of the one before.
    """
    prompts = {
        f"prompts/{profile.id}/{stage}": profile.stage_hash(stage)
        for profile in hub.profiles.values()
        for stage in profile.stages
    }
    models = {f"models/{model.name}": model.model_revision for model in registry.models.values()}
    roles = {f"roles/{role}": version for role, version in resolved_roles(registry).items()}
    return prompts | models | roles


def node_assets(assembly: Assembly) -> dg.AssetsDefinition:
    """All nodes, observed together: reading the files once tells all versions."""
    specs = [
        dg.AssetSpec(
            key.split("/"),
            group_name=PLATFORM,
            description=_description(key, assembly),
            kinds=_kinds(key, assembly),
        )
        for key in used_nodes(assembly)
    ]
    with warnings.catch_warnings():
        # Beta in Dagster and used on purpose: one observation instead of one a node.
        warnings.simplefilter("ignore", dg.BetaWarning)

        # Its beta decorator hides the types.
        @dg.multi_observable_source_asset(  # type: ignore[untyped-decorator]
            name="observe_prompts_and_models", specs=specs, can_subset=True
        )
        def nodes(
            context: dg.AssetExecutionContext,
            prompt_hub: PromptHubResource,
            model_registry: ModelRegistryResource,
        ) -> Iterator[dg.ObserveResult]:
            hub = prompt_hub.load()
            versions = node_versions(hub, model_registry.load(assembly.embedded_revisions))
            for key in context.selected_asset_keys:
                version = versions.get(key.to_user_string())
                if version is None:
                    context.log.warning(
                        "%s is no longer there; reload the definitions.", key.to_user_string()
                    )
                    continue
                yield dg.ObserveResult(
                    asset_key=key,
                    data_version=dg.DataVersion(version),
                    metadata=node_facts(key.to_user_string(), hub, assembly.settings),
                )

    return cast("dg.AssetsDefinition", nodes)


def changed_observations(
    instance: dg.DagsterInstance, assembly: Assembly, *, hub: PromptHub, registry: Registry
) -> list[dg.AssetObservation]:
    """Observations of the graph's nodes whose version is not the one that Dagster knows.

    Args:
        instance: what Dagster knows.
        assembly: the parts that the graph was built from: it says which nodes there are.
        hub: the prompt profiles as they are now.
        registry: the models as they are now.
    """
    versions = node_versions(hub, registry)
    changed = []
    for key in used_nodes(assembly):
        version = versions.get(key)
        if version is None:  # no longer there: a reload takes the node away
            continue
        asset_key = dg.AssetKey(key.split("/"))
        record = instance.get_latest_data_version_record(asset_key, is_source=True)
        known = record.event_log_entry.asset_observation if record else None
        if known is None or known.tags.get(DATA_VERSION_TAG) != version:
            facts = node_facts(key, hub, assembly.settings)
            changed.append(dg.AssetObservation(asset_key, tags={DATA_VERSION_TAG: version}, metadata=facts))
    return changed


def node_facts(key: str, hub: PromptHub, settings: Settings) -> dict[str, dg.MetadataValue]:
    """What the graph says of a node besides its version; nothing of a model or a role, and before there is a home."""
    kind, profile_id, *stage = key.split("/")
    if kind != "prompts":
        return {}
    # They load the state database, and the definitions load this module.
    from imageworks_dagster.opened import has_home, open_store  # noqa: PLC0415 - see above

    if not has_home(settings):
        return {}
    from imageworks_dagster.prompt_facts import prompt_facts  # noqa: PLC0415 - see above
    from prompt_hub.revisions.store import PromptStore  # noqa: PLC0415 - see above

    prompts = PromptStore.over(open_store(settings).database)
    return prompt_facts(prompts, hub.get(profile_id), stage[0], hub.provenance[profile_id])


def observe_now(instance: dg.DagsterInstance, assembly: Assembly) -> None:
    """Tell Dagster at once what changed, so that the graph shows it and the next run builds on it."""
    for observation in changed_observations(instance, assembly, hub=assembly.hub, registry=assembly.registry):
        instance.report_runless_asset_event(observation)


def _description(key: str, assembly: Assembly) -> str:
    kind, name, *stage = key.split("/")
    if kind == "models":
        return assembly.registry.models[name].description
    if kind == "roles":
        return f"Asked where nobody chooses a model: `{assembly.registry.roles[name]}`."
    return f"{assembly.hub.profiles[name].description} Stage `{stage[0]}`."


def _kinds(key: str, assembly: Assembly) -> set[str]:
    """Labels under a node: the graph shows the end of a key alone, and two profiles have a stage ``caption``."""
    kind, name, *_ = key.split("/")
    if kind == "models":
        return {
            "model",
            *(deployment.provider for deployment in assembly.registry.models[name].deployments[:1]),
        }
    if kind == "roles":
        return {"role"}
    return {"prompt", name}
