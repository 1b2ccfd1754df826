"""What a scoring is answered with: each picture's metrics, or why it has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field

from gateway.asking import failure_of
from gateway.errors import GatewayError
from gateway.openapi import Told  # noqa: TC001 - pydantic reads the annotations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backends.answer import Answer
    from backends.iqa.asked import Asked
    from registry.schema import Model


class Outcome(BaseModel):
    """What one metric says of a picture: a mean and perhaps its spread, or an error."""

    mean: float | None = None
    std: float | None = None
    error: str | None = None
    error_class: str | None = None


class ScoredPicture(BaseModel):
    """What was had of one picture."""

    id: str = Field(description="As the request has it; the file's name, or its place, where it has none.")
    metrics: dict[str, Outcome]
    error: Told | None = Field(description="Why there are no metrics.")
    answered_by: str | None = None
    deployment: str | None = None
    recalled: bool = False


class Scored(BaseModel):
    """Every picture that was sent, in order."""

    object: Literal["iqa.run"]
    model: str
    model_revision: str
    results: list[ScoredPicture]


def scored(asked: Asked, model: Model, came: Sequence[Answer | GatewayError]) -> dict[str, Any]:
    """What came of every picture."""
    return {
        "object": "iqa.run",
        "model": model.name,
        "model_revision": model.model_revision,
        "results": [
            {"id": picture.id, **_one(one)} for picture, one in zip(asked.pictures, came, strict=True)
        ],
    }


def _one(came: Answer | GatewayError) -> dict[str, Any]:
    if isinstance(came, GatewayError):
        return {"metrics": {}, **came.body()}
    told = {"answered_by": came.request_id, "deployment": came.deployment, "recalled": came.recalled}
    if not came.ok:
        return {"metrics": {}, **failure_of(came).body(), **told}
    return {"metrics": came.data, "error": None, **told}
