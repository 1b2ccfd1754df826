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
    from collections.abc import Mapping

    from starlette.responses import Response

    from gateway.console.visits import Visit
    from registry.registry import Registry
    from registry.schema import Deployment, Model
    from store.home import Home
    from telemetry.manifest import PinnedModel


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
    """The batches whose current tables a model has made: pipeline, batch and asset, by model."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    known = {(one.pipeline, one.name) for one in batches(visit.parts.database)}
    current = TableStore(visit.parts.home, visit.parts.database).pointers()
    models = {run_id: _models_of(visit.parts.home, run_id) for run_id in {one.run_id for one in current}}
    for pointer in current:
        pipeline = pointer.asset.partition("/")[0]
        made_with = models[pointer.run_id].get(pointer.asset)
        if made_with is not None and (pipeline, pointer.batch) in known:
            found.setdefault(made_with.model, []).append((pipeline, pointer.batch, pointer.asset))
    return found


def _models_of(home: Home, run_id: str) -> Mapping[str, PinnedModel]:
    try:
        return read_manifest(home, run_id).models
    except ManifestError:
        # Nobody can say who made its tables.
        return {}
