"""How the gateway is served: uvicorn on uvloop and httptools, drained before it stops."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from backends.trusted_hosts import is_loopback
from gateway.errors import GatewayError
from gateway.keys import Keys
from gateway.leaving import EXTENSION, Leaving
from gateway.wire import HeadWithBody
from store.database import StateDatabase

if TYPE_CHECKING:
    import socket
    from types import FrameType

    from fastapi import FastAPI

    from gateway.admission import Admission
    from store.settings import Settings

MAX_HEAD_BYTES: Final = 64 * 1024
"""Bytes of a request's line and headers."""

DRAIN_S: Final = 30
"""Seconds that requests under way are given when the gateway is told to stop."""

_CLOSE_S: Final = 5
_LOG: Final = logging.getLogger(__name__)


class Unguarded(GatewayError):
    """Other machines could ask, and nobody would ask them who they are."""


class _HeadTooLong(Exception):
    """Within the parser alone, which makes a 400 of it."""


class Connection(HttpToolsProtocol):
    """uvicorn's, which tells who works for it that its client has left, and bounds a request's head.

    httptools takes headers without end: a connection whose head is too long is closed.
    """

    _unread_bytes = 0
    _read_bytes = 0
    _in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        self._leaving = Leaving()
        super().connection_made(HeadWithBody(transport))  # type: ignore[arg-type]

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        super().connection_lost(exc)
        self._leaving.leave()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        super().data_received(data)
        # The parser tells nothing of a line before it ends. What of the data was a body's is counted too, once.
        self._unread_bytes = self._unread_bytes + len(data) if self._in_head else 0
        if self._in_head and self._unread_bytes > 2 * MAX_HEAD_BYTES and not self.transport.is_closing():
            self.transport.close()

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_head, self._unread_bytes, self._read_bytes = True, 0, 0
        super().on_message_begin()
        # ASGI's own extensions are mappings; this one is between this server and its application.
        self.scope["extensions"] = {EXTENSION: self._leaving}  # type: ignore[dict-item]

    def on_url(self, url: bytes) -> None:
        """Some of the first line."""
        self._count(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header is whole."""
        self._count(name, value)
        super().on_header(name, value)

    def _count(self, *parts: bytes) -> None:
        self._read_bytes += sum(map(len, parts))
        if self._read_bytes > MAX_HEAD_BYTES:
            raise _HeadTooLong

    def on_headers_complete(self) -> None:
        """A head is whole."""
        self._in_head = False
        super().on_headers_complete()


class Server(uvicorn.Server):
    """uvicorn's, which on a first SIGTERM or Ctrl-C goes on listening until what is under way has ended.

    Meanwhile whoever comes is told so, and `/readyz` tells it to what stands before; a second signal ends all at once.
    """

    _draining: asyncio.Task[None] | None = None
    _loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Hear a signal."""
        if self._loop is None or self._draining is not None or not self.started:
            super().handle_exit(sig, frame)
        else:
            self._loop.call_soon_threadsafe(self._begin_to_drain)

    def _begin_to_drain(self) -> None:
        if self._draining is None:
            self._draining = asyncio.ensure_future(self._drain())

    async def _drain(self) -> None:
        app: Any = self.config.app
        admission: Admission = app.state.parts.admission
        admission.close()
        try:
            async with asyncio.timeout(DRAIN_S):
                await admission.emptied()
        except TimeoutError:
            _LOG.warning(
                "%s requests did not end within %s s; they are ended.", admission.under_way.total(), DRAIN_S
            )
        self.should_exit = True


def web_server(app: FastAPI, settings: Settings, **options: Any) -> Server:
    """A server of the gateway, which is still to be run."""
    return Server(
        uvicorn.Config(
            app,
            host=settings.gateway_host,
            port=settings.gateway_port,
            http=Connection,
            ws="none",
            # It would show what is asked for.
            access_log=False,
            server_header=False,
            # Nobody is believed who says that a request comes from somewhere else.
            proxy_headers=False,
            timeout_graceful_shutdown=_CLOSE_S,
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
