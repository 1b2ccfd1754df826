"""The gateway as an ASGI application: every route, put together in one place."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException

from gateway.chat.routes import add_chat_route, chat_completions
from gateway.console.routes import add_console
from gateway.edge import Edge, error_response, failed_response, unheard_response
from gateway.errors import GatewayError, MethodNotAllowed, NotFound
from gateway.hosts import OwnHosts
from gateway.iqa.routes import add_iqa_routes
from gateway.leases import add_lease_routes
from gateway.leaving import Gone
from gateway.listing import add_model_routes
from gateway.openapi import describe
from gateway.parts import open_parts
from gateway.people import add_people_routes
from gateway.prompts.changing import add_prompt_changing_routes
from gateway.prompts.reading import add_prompt_reading_routes
from gateway.queries.routes import add_query_routes
from gateway.reloading import add_reload_route
from gateway.standing import add_standing_routes
from gateway.straight import Straight
from store.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from fastapi.routing import APIRoute
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send


class Gateway(FastAPI):
    """FastAPI's application, with what stands before all of it."""

    _outermost: ASGIApp | None = None

    def stand_before(self, host: str, chat: APIRoute) -> None:
        """Let each request come by the edge, and by the names that the gateway is asked by.

        FastAPI's own middlewares stand within four wrappers of its own, which chats need not pass.
        """
        straight = Straight(super().__call__, path=chat.path, endpoint=chat_completions, route=chat)
        self._outermost = Edge(OwnHosts(straight, host=host))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        scope["app"] = self
        await (self._outermost or super().__call__)(scope, receive, send)


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

    app = Gateway(
        title="ImageWorks",
        summary="Models, prompts and telemetry over one URL.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,
    )
    app.stand_before(settings.gateway_host, add_chat_route(app))
    app.add_exception_handler(GatewayError, _tell)
    app.add_exception_handler(HTTPException, _tell_http)
    app.add_exception_handler(Gone, _tell_nobody)
    app.add_exception_handler(Exception, _tell_failed)
    _add_routes(app)
    add_console(app)
    return app


def _add_routes(app: FastAPI) -> None:
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


async def _tell_failed(request: Request, _: Exception) -> Response:
    # Starlette raises it on; the edge logs it.
    return failed_response(request.scope["trace"].request_id)


async def _tell_nobody(_: Request, __: Exception) -> Response:
    return unheard_response()
