"""Which names the gateway is asked by: on a machine without keys, its own alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backends.trusted_hosts import TrustedHosts
from gateway.edge import error_response
from gateway.errors import BadRequest

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class OwnHosts:
    """An ASGI middleware. Where a key is asked for, a page that gives its name this machine's address has none."""

    def __init__(self, app: ASGIApp, *, host: str) -> None:
        """Stand before an application that listens on this host."""
        self._app = app
        self._guarded = TrustedHosts(app, host=host, refused=lambda words: error_response(BadRequest(words)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        parts = getattr(scope["app"].state, "parts", None)
        is_keyed = parts is not None and parts.door.has_keys
        await (self._app if is_keyed else self._guarded)(scope, receive, send)
