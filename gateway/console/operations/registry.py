"""The page of models: what each can do, where it is served and used, and how it is right now."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from backends.probing import CLAIMS, probe_all
from registry.showing import address, capabilities_text, layers_of
from store.artifacts import TableStore
from store.batches import batches
from telemetry.errors import ManifestError
from telemetry.manifest import read_manifest

if TYPE_CHECKING:
    from starlette.responses import Response

    from gateway.console.visits import Visit
    from registry.registry import Registry
    from registry.schema import Deployment, Model


def show_models(visit: Visit) -> Response:
    """All models."""
    registry = visit.parts.models.registry
    used = _used_by(visit)
    listed: list[dict[str, Any]] = [
        {
            "model": model,
            "can": capabilities_text(model),
            "roles": _roles_of(registry, model),
            "layers": layers_of(registry, model),
            "batches": used.get(model.name, []),
        }
        for model in registry.models.values()
    ]
    listed.sort(
        key=lambda one: (one["model"].deprecated, not one["roles"], not one["batches"], one["model"].name)
    )
    return visit.page("registry.html", section="registry", listed=listed, registry=registry)


def show_model(visit: Visit) -> Response:
    """One model."""
    registry = visit.parts.models.registry
    model = registry.resolve(visit.step("model"))
    return visit.page(
        "model.html",
        section="registry",
        model=model,
        can=capabilities_text(model),
        roles=_roles_of(registry, model),
        layers=layers_of(registry, model),
        deployments=[(one, _address(registry, one)) for one in model.deployments],
        batches=_used_by(visit).get(model.name, []),
    )


def check_model(visit: Visit) -> Response:
    """Try at its servers what the registry claims of a model.

    Raises:
        AccessRefused: Their role is below publisher: a server may load the model to answer.
    """
    registry = visit.parts.models.registry
    model = registry.resolve(visit.step("model"))
    visit.require("publisher", f"have {model.name} tried")
    probed = asyncio.run(probe_all([model], visit.parts.settings, registry))
    visit.record("registry.probe", model.name, mismatches=sum(len(one.mismatches) for one in probed))
    return visit.page("model_health.html", probed=probed, claims=CLAIMS)


def _address(registry: Registry, deployment: Deployment) -> str:
    return "" if deployment.base_url is None else address(registry, deployment)


def _roles_of(registry: Registry, model: Model) -> list[str]:
    return [role for role, name in registry.roles.items() if name == model.name]


def _used_by(visit: Visit) -> dict[str, list[tuple[str, str, str]]]:
    """The batches whose current tables a model has made, or that pin it: pipeline, batch and asset, by model."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    known = {(one.pipeline, one.name): one for one in batches(visit.parts.database)}
    for pointer in TableStore(visit.parts.home, visit.parts.database).pointers():
        pipeline = pointer.asset.partition("/")[0]
        if (pipeline, pointer.batch) not in known:
            continue
        try:
            made_with = read_manifest(visit.parts.home, pointer.run_id).models.get(pointer.asset)
        except ManifestError:
            # Nobody can say who made it.
            continue
        if made_with is not None:
            found.setdefault(made_with.model, []).append((pipeline, pointer.batch, pointer.asset))
    return found
