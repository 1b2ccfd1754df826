"""The supervisor's HTTP service: its control routes, and what is forwarded to the model server."""

# FastAPI reads annotations when routes are made, so their names are imported at run time.

from __future__ import annotations

import hmac
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

from fastapi import Depends, FastAPI, Query
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.routing import Route

from backends.services.supervision.answering import error_response, refusal_response
from backends.services.supervision.errors import BadRequest, Refused, Unauthorized
from backends.services.supervision.forwarding import Forwarding
from backends.services.supervision.output import KEPT_LINES
from backends.trusted_hosts import TrustedHosts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from backends.services.supervision.model_server import ModelServer
    from backends.services.supervision.supervisor import Supervisor

FORWARDED: Final = ("/v1/{path:path}", "/infer", "/health", "/metrics")

_MAX_ORDER_BYTES: Final = 64 * 1024
_MAX_TOKENS: Final = 1000
_LONGEST_STATE: Final = 32

Token = Annotated[int, Field(ge=0, le=2**63 - 1)]


class _Order(BaseModel):
    # Whatever else a request says, a command above all, is refused and not passed over.
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class Activate(_Order):
    """The body of ``POST /activate``."""

    model: Annotated[str, Field(max_length=128)]
    token: Token


class Deactivate(_Order):
    """The body of ``POST /deactivate``."""

    token: Token


class Revoke(_Order):
    """The body of ``POST /revoke``."""

    tokens: Annotated[list[Token], Field(max_length=_MAX_TOKENS)]


_AnyOrder = TypeVar("_AnyOrder", bound=_Order)


def create_app(
    supervisor: Supervisor, server: ModelServer, *, key: str | None, host: str = "127.0.0.1"
) -> FastAPI:
    """The service.

    Args:
        supervisor: Follows the orders; its active model is ended when the service ends.
        server: Where requests are forwarded to; opened and closed with the service.
        key: What the control routes ask for as ``Authorization: Bearer``; None for nothing.
        host: What it listens on. Without a key, only requests that name this host or the loopback are answered.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with server:
            yield
            await supervisor.close()

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    if key is None:
        app.add_middleware(TrustedHosts, host=host, refused=lambda words: refusal_response(BadRequest(words)))
    _add_error_handlers(app)
    controlled = [Depends(_key_check(key))]

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/state", dependencies=controlled)
    async def state(
        wait_s: Annotated[float, Query(ge=0)] = 0,
        known: Annotated[str | None, Query(alias="not", max_length=_LONGEST_STATE)] = None,
    ) -> dict[str, Any]:
        if known is not None:
            await supervisor.changed_from(known, wait_s)
        return await supervisor.view()

    @app.post("/activate", dependencies=controlled, status_code=202)
    async def activate(request: Request) -> dict[str, Any]:
        order = await _order(request, Activate)
        supervisor.activate(order.model, order.token)
        return await supervisor.view()

    @app.post("/deactivate", dependencies=controlled)
    async def deactivate(request: Request) -> dict[str, Any]:
        order = await _order(request, Deactivate)
        await supervisor.deactivate(order.token)
        return await supervisor.view()

    @app.post("/revoke", dependencies=controlled)
    async def revoke(request: Request) -> dict[str, Any]:
        order = await _order(request, Revoke)
        supervisor.revoke(order.tokens)
        return await supervisor.view()

    @app.get("/logs", dependencies=controlled)
    async def logs(lines: Annotated[int, Query(ge=1, le=KEPT_LINES)] = 200) -> PlainTextResponse:
        return PlainTextResponse("".join(f"{line}\n" for line in supervisor.log_lines(lines)))

    forwarding = Forwarding(supervisor, server)
    # An ASGI application as an endpoint takes every method.
    app.router.routes.extend(Route(path, forwarding) for path in FORWARDED)
    return app


def _key_check(key: str | None) -> Callable[[Request], None]:
    def check(request: Request) -> None:
        given = request.headers.get("authorization", "")
        if key is not None and not hmac.compare_digest(given.encode(), f"Bearer {key}".encode()):
            raise Unauthorized("This route needs the supervisor's key, as Authorization: Bearer.")

    return check


async def _order(request: Request, kind: type[_AnyOrder]) -> _AnyOrder:
    """Read a bounded JSON body.

    Raises:
        BadRequest: It is too long, no JSON, or not of this kind.
    """
    # A page in a browser can send any other content type here without being asked first.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise BadRequest("Send the order as JSON, with Content-Type: application/json.")
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > _MAX_ORDER_BYTES:
                raise BadRequest(f"An order has at most {_MAX_ORDER_BYTES >> 10} KiB.")
        return kind.model_validate_json(bytes(body))
    except ClientDisconnect as error:
        raise BadRequest("The client went away before the order was whole.") from error
    except ValidationError as error:
        raise BadRequest(_told(error.errors(include_url=False, include_input=False))) from error


def _told(problems: Any) -> str:
    return "; ".join(
        f"{'.'.join(str(step)[:_LONGEST_STATE] for step in problem['loc']) or 'body'}: {problem['msg']}"
        for problem in problems[:5]
    )


def _add_error_handlers(app: FastAPI) -> None:
    @app.exception_handler(Refused)
    async def refused(_request: Request, refusal: Refused) -> JSONResponse:
        return refusal_response(refusal)

    @app.exception_handler(RequestValidationError)
    async def misread(_request: Request, error: RequestValidationError) -> JSONResponse:
        return error_response(400, "bad_request", _told(error.errors()))

    @app.exception_handler(HTTPException)
    async def missed(request: Request, error: HTTPException) -> JSONResponse:
        code = error.detail.lower().replace(" ", "_")
        return error_response(
            error.status_code, code, f"{request.method} {request.url.path}: {error.detail.lower()}."
        )

    @app.exception_handler(Exception)
    async def broke(_request: Request, _error: Exception) -> JSONResponse:
        return error_response(
            500, "internal", "The supervisor made a mistake; what happened is on its standard error."
        )
