"""How the gateway is served: uvicorn on uvloop and httptools, with a bound on what a request's head may hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from backends.trusted_hosts import is_loopback
from gateway.errors import GatewayError
from gateway.keys import Keys
from store.database import StateDatabase

if TYPE_CHECKING:
    from fastapi import FastAPI

    from store.settings import Settings

MAX_HEAD_BYTES: Final = 64 * 1024
"""Bytes of a request's line and headers."""

DRAIN_S: Final = 30
"""Seconds that requests under way are given when the gateway is told to stop."""


class Unguarded(GatewayError):
    """Other machines could ask, and nobody would ask them who they are."""


class BoundedHead(HttpToolsProtocol):
    """httptools takes headers without end: a connection whose head is too long is closed."""

    _head_bytes = 0
    _in_head = True

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        super().data_received(data)
        # What of it was a body's is counted too, once: no head that is within its bound comes near it.
        self._head_bytes = self._head_bytes + len(data) if self._in_head else 0
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.transport.close()

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head is whole."""
        self._in_head = False
        super().on_headers_complete()


def web_server(app: FastAPI, settings: Settings, **options: Any) -> uvicorn.Server:
    """A server of the gateway, which is still to be run."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=settings.gateway_host,
            port=settings.gateway_port,
            http=BoundedHead,
            ws="none",
            # It would show what is asked for.
            access_log=False,
            server_header=False,
            # Nobody is believed who says that a request comes from somewhere else.
            proxy_headers=False,
            timeout_graceful_shutdown=DRAIN_S,
            **options,
        )
    )


def refuse_unguarded(settings: Settings) -> None:
    """Return if whoever can reach the gateway is known, or at this machine.

    Raises:
        Unguarded: It would listen beyond the loopback, and there is no API key.
        store.errors.StoreError: The database cannot say.
    """
    if is_loopback(settings.gateway_host):
        return
    with StateDatabase.open(settings) as database:
        if not Keys(database).good():
            raise Unguarded(
                f"The gateway would listen on {settings.gateway_host}, where other machines can ask it, and there is "
                f"no API key. Make one with `python -m gateway keys make NAME`, or listen on 127.0.0.1."
            )
