"""``POST /v1/iqa/run``."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotations
from starlette.responses import Response

from backends.errors import BackendError
from backends.iqa.asked import MOST_LISTED
from backends.request import Labels
from backends.request import Request as ToScore
from gateway.asking import (
    as_gateway_error,
    class_of,
    failure_of,
    let_in,
    resolved,
    wants_recall,
)
from gateway.callers import caller_of
from gateway.edge import json_response
from gateway.errors import DeadlineExceeded, GatewayError, Overloaded, Unavailable
from gateway.iqa.asked import ScoreBody, read_pictures, score_requests
from gateway.iqa.replies import Scored, scored
from gateway.labels import allow_labels
from gateway.leaving import while_heard
from gateway.openapi import answers, takes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import FastAPI

    from backends.answer import Answer
    from backends.client import Client
    from backends.iqa.asked import Asked
    from gateway.callers import Caller
    from gateway.labels import RequestLabels
    from gateway.parts import Parts

STAGE: Final = "gateway/iqa"
"""What events of scorings have as their stage."""

_ROLE: Final = "iqa"
_FORM: Final = {
    "type": "object",
    "required": ["images"],
    "properties": {
        "images": {"type": "array", "items": {"type": "string", "format": "binary"}, "maxItems": MOST_LISTED},
        "metrics": {"type": "string", "description": "Names, parted by commas."},
        "model": {"type": "string"},
    },
}


def add_iqa_routes(app: FastAPI) -> None:
    """Let pictures be scored."""
    app.add_api_route(
        "/v1/iqa/run",
        run_iqa,
        methods=["POST"],
        response_class=Response,
        responses=answers(Scored, "What was had of every picture; one that fails says why."),
        openapi_extra=takes(ScoreBody, **{"multipart/form-data": _FORM}),
    )


async def run_iqa(request: Request) -> Response:
    """Score pictures by a model that measures image quality; by the one of the role ``iqa`` if none is named."""
    parts: Parts = request.app.state.parts
    caller = caller_of(request, parts)
    asked, given = await read_pictures(request, at_most=parts.settings.gateway_max_body)
    if given is not None:
        await allow_labels(request, parts, caller)
    return json_response(await while_heard(request, _run(request, parts, caller, asked, given)))


async def _run(
    request: Request, parts: Parts, caller: Caller, asked: Asked, given: RequestLabels | None
) -> dict[str, Any]:
    recall = wants_recall(request)
    async with let_in(request, parts, caller), parts.models.asking() as (registry, client):
        model = resolved(registry, asked.model or _ROLE, needs=frozenset({"iqa"}))
        labels = Labels(
            stage=STAGE,
            trace_id=request.scope["trace"].trace_id,
            priority=class_of(request),
            registry_version=registry.version,
        )
        made = await asyncio.to_thread(
            score_requests,
            asked,
            model,
            labels if given is None else replace(labels, **given.given()),
            sample=0 if given is None else given.sample,
            max_pixels=parts.settings.max_pixels,
        )
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(_came(client, one, recall=recall)) for one in made]
        except* BackendError as errors:
            raise _first(errors) from errors
    came = [task.result() for task in tasks]
    _raise_unasked(came)
    return scored(asked, model, came)


async def _came(client: Client, one: ToScore | GatewayError, *, recall: bool) -> Answer | GatewayError:
    if isinstance(one, GatewayError):
        return one
    return await (client.score(one) if recall else client.converse(one))


def _first(errors: BaseExceptionGroup[BackendError]) -> GatewayError:
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else as_gateway_error(first)


def _raise_unasked(came: Sequence[Answer | GatewayError]) -> None:
    """Return if a picture was scored, or failed by itself.

    Raises:
        Overloaded, Unavailable, DeadlineExceeded: The server could not be asked about any.
    """
    failures = [one if isinstance(one, GatewayError) else None if one.ok else failure_of(one) for one in came]
    sent = [failure for failure, one in zip(failures, came, strict=True) if not isinstance(one, GatewayError)]
    if sent and all(isinstance(one, Overloaded | Unavailable | DeadlineExceeded) for one in sent):
        first = sent[0]
        assert first is not None  # noqa: S101 - an instance of one of them
        raise first
