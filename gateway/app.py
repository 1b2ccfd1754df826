"""The gateway as an ASGI application: every route, put together in one place."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.responses import Response

from backends.trusted_hosts import TrustedHosts
from gateway.asking import Gone
from gateway.chat.body import ChatBody
from gateway.chat.routes import chat_completions
from gateway.console.routes import add_console
from gateway.edge import Edge, error_response
from gateway.errors import BadRequest, GatewayError, MethodNotAllowed, NotFound
from gateway.listing import get_model, list_models
from gateway.parts import open_parts
from gateway.standing import healthz, metrics, readyz
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
    app.add_middleware(
        TrustedHosts, host=settings.gateway_host, refused=lambda words: error_response(BadRequest(words))
    )
    app.add_middleware(Edge)
    app.add_exception_handler(GatewayError, _tell)
    app.add_exception_handler(HTTPException, _tell_http)
    app.add_exception_handler(Gone, _tell_nobody)
    _add_routes(app)
    add_console(app)
    return app


def _add_routes(app: FastAPI) -> None:
    app.add_api_route(
        "/v1/chat/completions",
        chat_completions,
        methods=["POST"],
        openapi_extra=_body(ChatBody),
        response_class=Response,
    )
    app.add_api_route("/v1/models", list_models, methods=["GET"])
    app.add_api_route("/v1/models/{name:path}", get_model, methods=["GET"])
    app.add_api_route("/healthz", healthz, methods=["GET"])
    app.add_api_route("/readyz", readyz, methods=["GET"])
    app.add_api_route("/metrics", metrics, methods=["GET"], response_class=Response)


def _body(shape: type[ChatBody]) -> dict[str, Any]:
    schema = shape.model_json_schema(ref_template="#/components/schemas/{model}")
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


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
