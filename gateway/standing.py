"""``/healthz``, ``/readyz`` and ``/metrics``: how the gateway itself is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel
from sqlalchemy import select
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotations
from starlette.responses import PlainTextResponse, Response

from gateway.callers import caller_of
from gateway.errors import Unavailable
from gateway.openapi import answers, answers_text
from store.errors import StoreError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from gateway.parts import Parts

_ASKED_S = 5.0


class Status(BaseModel):
    """How the gateway is, in a word."""

    status: Literal["ok", "ready"]


def add_standing_routes(app: FastAPI) -> None:
    """Let it be seen how the gateway is."""
    for path, endpoint in (("/healthz", healthz), ("/readyz", readyz)):
        app.add_api_route(path, endpoint, methods=["GET"], response_model=Status, responses=answers(Status))
    app.add_api_route(
        "/metrics",
        metrics,
        methods=["GET"],
        response_class=PlainTextResponse,
        responses=answers_text("text/plain", "Figures as Prometheus reads them."),
    )


async def healthz() -> Any:
    """The process is alive."""
    return {"status": "ok"}


async def readyz(request: Request) -> Any:
    """It can serve: the state database answers, and it is not about to stop.

    Raises:
        Unavailable: It cannot, and why.
    """
    parts: Parts = request.app.state.parts
    if parts.admission.is_closed:
        raise Unavailable("This gateway is about to stop.", code="stopping")
    try:
        async with asyncio.timeout(_ASKED_S):
            await asyncio.to_thread(_ask, parts)
    except StoreError as error:
        raise Unavailable(f"The state database does not answer: {error}") from error
    except TimeoutError as error:
        raise Unavailable(f"The state database did not answer within {_ASKED_S:g} s.") from error
    return {"status": "ready"}


async def metrics(request: Request) -> Response:
    """Figures for Prometheus."""
    parts: Parts = request.app.state.parts
    caller_of(request, parts)
    return Response(parts.meters.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _ask(parts: Parts) -> None:
    with parts.database.read() as connection:
        connection.execute(select(1))
