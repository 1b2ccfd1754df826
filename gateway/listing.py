"""``/v1/models``: the logical models, with what each can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotations

from backends.providers.protocol import can_be_asked
from gateway.asking import resolved
from gateway.callers import caller_of
from gateway.openapi import answers

if TYPE_CHECKING:
    from fastapi import FastAPI

    from gateway.parts import Parts
    from registry.registry import Registry
    from registry.schema import Model


class ModelCard(BaseModel):
    """A logical model: the protocol's fields, and the registry's."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    aliases: list[str]
    roles: list[str]
    capabilities: dict[str, Any]
    description: str
    model_revision: str
    deprecated: bool


class ModelList(BaseModel):
    """All models that can be asked over HTTP; those that answer by rule are for batches."""

    object: Literal["list"]
    data: list[ModelCard]


def add_model_routes(app: FastAPI) -> None:
    """Let models be listed."""
    for path, endpoint, shape in (
        ("/v1/models", list_models, ModelList),
        ("/v1/models/{name:path}", get_model, ModelCard),
    ):
        app.add_api_route(path, endpoint, methods=["GET"], response_model=shape, responses=answers(shape))


async def list_models(request: Request) -> Any:
    """All models that can be asked over HTTP; those that answer by rule are for batches."""
    parts: Parts = request.app.state.parts
    caller_of(request, parts)
    registry = parts.models.registry
    listed = [
        card(model, registry)
        for model in registry.models.values()
        if can_be_asked(model) and not model.is_embedded
    ]
    return {"object": "list", "data": listed}


async def get_model(request: Request, name: str) -> Any:
    """One model by its name, an alias or a model role."""
    parts: Parts = request.app.state.parts
    caller_of(request, parts)
    registry = parts.models.registry
    return card(resolved(registry, name, needs=frozenset()), registry)


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
