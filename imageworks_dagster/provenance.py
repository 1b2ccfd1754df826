"""What Dagster is told of the prompts, models and roles that a stage's table was made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageworks_dagster.assets.nodes import node_versions
from imageworks_dagster.assets.stage import dependencies

if TYPE_CHECKING:
    from imageworks_dagster.assembly import Assembly
    from imageworks_dagster.pipelines import Pipeline, StageDeclaration
    from prompt_hub.hub import PromptHub
    from registry.registry import Registry
    from telemetry.manifest import RunManifest

INPUT_VERSION_TAG = "dagster/input_data_version"


def provenance_tags(
    pipeline: Pipeline,
    declaration: StageDeclaration,
    manifest: RunManifest,
    *,
    assembly: Assembly,
    hub: PromptHub,
    registry: Registry,
) -> dict[str, str]:
    """Tags for a materialization that name the version of each prompt, model and role on the way to it.

    Left to itself, Dagster notes the versions that it has observed when the step begins. But a run asks with what it
    resolved at its start: an edit that nobody has observed yet is in it, and one that comes while it runs is not.

    Args:
        pipeline: the pipeline that runs.
        declaration: the stage.
        manifest: the run's, with the prompts and models that it asks with, and its roles.
        assembly: the parts that the graph was built from.
        hub: the prompt profiles as they are now, for those that the run does not ask with.
        registry: the models as they are now, likewise.
    """
    versions = node_versions(hub, registry)
    versions |= {f"roles/{role}": version for role, version in manifest.roles.items()}
    for asset in (declaration.asset, *declaration.reads):
        if asset in manifest.profiles:
            profile, model = manifest.profiles[asset], manifest.models[asset]
            # What a kept revision says is told by the batch's own node: an edit of the files does not reach it.
            if not profile.is_kept:
                versions[f"prompts/{profile.profile_id}/{profile.profile_stage}"] = profile.stage_hash
            versions[f"models/{model.model}"] = model.model_revision
        for judge in manifest.judges.get(asset, []):
            if not judge.profile.is_kept:
                named = f"prompts/{judge.profile.profile_id}/{judge.profile.profile_stage}"
                versions[named] = judge.profile.stage_hash
            versions[f"models/{judge.model.model}"] = judge.model.model_revision
    return {
        f"{INPUT_VERSION_TAG}/{key}": versions[key]
        for key in dependencies(pipeline, declaration, assembly)
        if key in versions
    }
