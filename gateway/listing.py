"""``/v1/models``: the logical models, with what each can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotations

from backends.providers.protocol import can_be_asked
from gateway.asking import resolved
from gateway.callers import caller_of

if TYPE_CHECKING:
    from gateway.parts import Parts
    from registry.registry import Registry
    from registry.schema import Model


async def list_models(request: Request) -> dict[str, Any]:
    """All models that can be asked."""
    parts: Parts = request.app.state.parts
    caller_of(request, parts)
    registry = parts.models.registry
    listed = [card(model, registry) for model in registry.models.values() if can_be_asked(model)]
    return {"object": "list", "data": listed}


async def get_model(request: Request) -> dict[str, Any]:
    """One model by its name, an alias or a model role."""
    parts: Parts = request.app.state.parts
    caller_of(request, parts)
    registry = parts.models.registry
    return card(resolved(registry, request.path_params["name"], needs=frozenset()), registry)


def card(model: Model, registry: Registry) -> dict[str, Any]:
    """What is told of a model: the protocol's fields, and the registry's."""
    return {
        "id": model.name,
        "object": "model",
        # The registry knows no day on which a model was made.
        "created": 0,
        "owned_by": "imageworks",
        "aliases": list(model.aliases),
        "roles": [role for role, name in registry.roles.items() if name == model.name],
        "capabilities": model.capabilities.model_dump(mode="json", exclude_none=True),
        "description": model.description,
        "model_revision": model.model_revision,
        "deprecated": model.deprecated,
    }
