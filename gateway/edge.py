"""The outermost of the application: names each request, counts it, and bounds what its answer may make a browser do."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Final

import orjson
from starlette.responses import Response

from gateway.errors import GatewayError
from gateway.tracing import trace_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOG: Final = logging.getLogger(__name__)
_POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    b"font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", _POLICY),
)
_FAILED: Final = 500
_CLIENT_LEFT: Final = 499


class Edge:
    """An ASGI middleware. ``scope["trace"]`` is the request's ``Trace`` within."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand before an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        trace = scope["trace"] = trace_of(scope["headers"])
        began = time.perf_counter()
        status = 0

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = {name for name, _ in message.get("headers", ())}
                more = [header for header in (*trace.headers, *_HEADERS) if header[0] not in own]
                message = {**message, "headers": [*message.get("headers", ()), *more]}
            await send(message)

        try:
            await self._app(scope, receive, named)
        except Exception:  # noqa: BLE001 - logged with its trace
            # What went wrong is for our log alone; the request is named in both.
            _LOG.exception("Request %s failed.", trace.request_id)
            if not status:
                await failed_response(trace.request_id)(scope, receive, named)
        finally:
            _count(scope, status, time.perf_counter() - began)
        return None


def error_response(error: GatewayError) -> Response:
    """The answer that tells an error."""
    headers = {**error.headers}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    if error.status == 401:  # noqa: PLR2004 - as RFC 9110 has it
        headers["WWW-Authenticate"] = "Bearer"
    return json_response(error.body(), status=error.status, headers=headers)


def json_response(said: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An answer of JSON."""
    return Response(orjson.dumps(said), status, headers, "application/json")


def unheard_response() -> Response:
    """The answer to somebody who has left: nobody hears it; our own log and figures do."""
    return Response(status_code=_CLIENT_LEFT)


def failed_response(request_id: str) -> Response:
    """The answer where something of ours went wrong: nothing of what is told of it."""
    error = GatewayError(f"Something went wrong here. The gateway's log says what, under {request_id}.")
    return json_response(error.body(), status=_FAILED)


def _count(scope: Scope, status: int, seconds: float) -> None:
    parts = getattr(scope["app"].state, "parts", None) if "app" in scope else None
    if parts is None:
        return
    route = scope.get("route")
    # Paths that nothing serves are without number.
    path = getattr(route, "path", "other")
    parts.meters.requests(path, str(status or _FAILED)).inc()
    parts.meters.seconds(path).observe(seconds)
