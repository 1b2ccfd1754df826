"""The gateway as an ASGI application: every route, put together in one place."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.responses import Response

from gateway.asking import Gone
from gateway.chat.routes import add_chat_route
from gateway.console.routes import add_console
from gateway.edge import Edge, error_response
from gateway.errors import GatewayError, MethodNotAllowed, NotFound
from gateway.hosts import OwnHosts
from gateway.iqa.routes import add_iqa_routes
from gateway.leases import add_lease_routes
from gateway.listing import add_model_routes
from gateway.openapi import describe
from gateway.parts import open_parts
from gateway.people import add_people_routes
from gateway.prompts.changing import add_prompt_changing_routes
from gateway.prompts.reading import add_prompt_reading_routes
from gateway.queries.routes import add_query_routes
from gateway.reloading import add_reload_route
from gateway.standing import add_standing_routes
from store.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from starlette.requests import Request

_CLIENT_LEFT = 499


def create_app(*, settings: Settings | None = None, overrides: Mapping[str, Any] | None = None) -> FastAPI:
    """The gateway.

    Args:
        settings: The settings; by default from the environment.
        overrides: Arguments of `open_parts` in place of the usual ones, such as ``embedded`` or ``environ``.
    """
    settings = settings or Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_parts(settings, **(overrides or {})) as parts:
            app.state.parts = parts
            yield
            parts.admission.close()

    app = FastAPI(
        title="ImageWorks",
        summary="Models, prompts and telemetry over one URL.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,
    )
    app.add_middleware(OwnHosts, host=settings.gateway_host)
    app.add_middleware(Edge)
    app.add_exception_handler(GatewayError, _tell)
    app.add_exception_handler(HTTPException, _tell_http)
    app.add_exception_handler(Gone, _tell_nobody)
    _add_routes(app)
    add_console(app)
    return app


def _add_routes(app: FastAPI) -> None:
    add_chat_route(app)
    add_iqa_routes(app)
    add_model_routes(app)
    add_prompt_reading_routes(app)
    add_prompt_changing_routes(app)
    add_reload_route(app)
    add_lease_routes(app)
    add_query_routes(app)
    add_people_routes(app)
    add_standing_routes(app)
    describe(app)


async def _tell(_: Request, error: Exception) -> Response:
    assert isinstance(error, GatewayError)  # noqa: S101 - it is registered for no other
    return error_response(error)


async def _tell_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for no other
    path = request.url.path[:200]
    if error.status_code == MethodNotAllowed.status:
        answer = error_response(MethodNotAllowed(f"{path} does not take {request.method[:20]}."))
        answer.headers.update(error.headers or {})
        return answer
    return error_response(
        NotFound(f"Nothing is at {path}. GET /openapi.json lists what there is.", code="no_route")
    )


async def _tell_nobody(_: Request, __: Exception) -> Response:
    """Nobody hears it; our own log and figures do."""
    return Response(status_code=_CLIENT_LEFT)
