"""Requests to the model server and its answers, passed on piece by piece in bounded memory."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

import aiohttp

from backends.services.supervision.answering import refusal_response
from backends.services.supervision.errors import (
    BadRequest,
    BodyTooLarge,
    Refused,
    RequestTimeout,
    ServerBroke,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from starlette.types import Message, Receive, Scope, Send

    from backends.services.supervision.model_server import ModelServer
    from backends.services.supervision.supervisor import Supervisor

LEASE_HEADER: Final = b"x-imageworks-lease"

READ_S: Final = 60.0
"""Seconds between two pieces of a body; who sends slower would keep a place in flight."""

TAKE_S: Final = 60.0
"""Seconds in which the model server has to take some of a body that waits for it."""

_AHEAD_BYTES: Final = 1024 * 1024
_TOKEN: Final = re.compile(rb"[0-9]{1,19}")
_HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# Host is the model server's own; Expect was answered when we began to read the body.
_NOT_PASSED_ON: Final = _HOP_BY_HOP | {b"host", b"expect", LEASE_HEADER}

_Headers = list[tuple[bytes, bytes]]


class Forwarding:
    """An ASGI application: a request to the active model's server, if it is let in."""

    def __init__(self, supervisor: Supervisor, server: ModelServer) -> None:
        """Forward to this server what this supervisor lets in."""
        self._supervisor = supervisor
        self._server = server
        self._max_bytes = supervisor.configuration.max_body_mib * 1024 * 1024

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        answer = _Answer(send)
        try:
            body = _RequestBody(scope["headers"], receive, self._max_bytes)
            target, headers = _target_of(scope), _passed_on(scope["headers"])
            with self._supervisor.admitted(_lease_of(scope["headers"])):
                await self._pass_on(scope["method"], target, headers, body, answer)
        except Refused as refusal:
            # An answer that began is broken off: the client sees that it is not whole.
            if not answer.has_begun:
                await refusal_response(refusal)(scope, receive, send)

    async def _pass_on(
        self,
        method: str,
        target: str,
        headers: Iterable[tuple[str, str]],
        body: _RequestBody,
        answer: _Answer,
    ) -> None:
        """Pass request and answer on, until both are whole or the client is gone."""
        exchange = asyncio.create_task(self._exchange(method, target, headers, body, answer))
        client = asyncio.create_task(body.receive())
        try:
            done, _ = await asyncio.wait({exchange, client}, return_when=asyncio.FIRST_COMPLETED)
            for task in (exchange, client):
                if task in done:
                    return task.result()
        finally:
            exchange.cancel()
            client.cancel()
            await asyncio.gather(exchange, client, return_exceptions=True)

    async def _exchange(
        self,
        method: str,
        target: str,
        headers: Iterable[tuple[str, str]],
        body: _RequestBody,
        answer: _Answer,
    ) -> None:
        try:
            response = await self._server.ask(
                method, target, headers, body.pieces() if body.is_sent else None
            )
            try:
                await answer.begin(response.status, _end_to_end(response.raw_headers, _HOP_BY_HOP))
                async for piece in response.content.iter_any():
                    await answer.go_on(piece)
                await answer.end()
            finally:
                # Neither an answer nor a request that is not whole leaves a connection for the next one.
                if answer.is_whole and body.is_whole:
                    response.release()
                else:
                    response.close()
        except (aiohttp.ClientError, OSError) as error:
            raise ServerBroke(
                f"The model server broke off: {str(error) or type(error).__name__}. "
                "The supervisor restarts it if it ended; ask again."
            ) from error


class _RequestBody:
    """A request's body, taken from the client little faster than the model server takes it."""

    def __init__(self, headers: _Headers, receive: Receive, max_bytes: int) -> None:
        self._receive = receive
        self._max_bytes = max_bytes
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._waiting_bytes = 0
        self._has_room = asyncio.Event()
        lengths = [value for name, value in headers if name == b"content-length"]
        self.is_sent = any(name == b"transfer-encoding" for name, _ in headers) or lengths not in ([], [b"0"])
        self.is_whole = not self.is_sent
        for length in lengths:
            if not length.isdigit():
                raise BadRequest("The header Content-Length is not a number.")
            if len(length.lstrip(b"0")) > len(str(max_bytes)) or int(length) > max_bytes:
                raise self._too_large()

    async def receive(self) -> None:
        """Take from the client what it sends. Returns when the client is gone.

        Raises:
            BodyTooLarge: It sends more than the bound.
            RequestTimeout: It sends nothing for `READ_S`, and the body is not whole.
            ServerBroke: The model server takes nothing for `TAKE_S`.
        """
        size, is_over = 0, False
        while (message := await self._message(None if is_over else READ_S))["type"] != "http.disconnect":
            piece = message.get("body", b"")
            size += len(piece)
            if size > self._max_bytes:
                raise self._too_large()
            if piece and self.is_sent:
                await self._hand_over(piece)
            if not message.get("more_body", False):
                is_over = True
                self._pieces.put_nowait(None)

    async def pieces(self) -> AsyncIterator[bytes]:
        """The pieces, for the model server."""
        while (piece := await self._pieces.get()) is not None:
            self._waiting_bytes -= len(piece)
            self._has_room.set()
            yield piece
        self.is_whole = True

    async def _message(self, within_s: float | None) -> Message:
        try:
            async with asyncio.timeout(within_s):
                return await self._receive()
        except TimeoutError as error:
            raise RequestTimeout(
                f"Nothing of the request's body came for {within_s:g} s: send it again."
            ) from error

    async def _hand_over(self, piece: bytes) -> None:
        """Leave a piece to the model server. A little may wait for it: only who reads on sees a client leave."""
        self._waiting_bytes += len(piece)
        self._pieces.put_nowait(piece)
        while self._waiting_bytes > _AHEAD_BYTES:
            self._has_room.clear()
            try:
                async with asyncio.timeout(TAKE_S):
                    await self._has_room.wait()
            except TimeoutError as error:
                raise ServerBroke(
                    f"The model server took nothing of the request's body for {TAKE_S:g} s: look at its log."
                ) from error

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(
            f"The body of the request is larger than {self._max_bytes >> 20} MiB, the bound of this supervisor "
            "(max_body_mib): send smaller pictures."
        )


class _Answer:
    """An answer on its way to the client."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_begun = False
        self.is_whole = False

    async def begin(self, status: int, headers: _Headers) -> None:
        self.has_begun = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def go_on(self, piece: bytes) -> None:
        await self._send(_body(piece, more=True))

    async def end(self) -> None:
        await self._send(_body(b"", more=False))
        self.is_whole = True


def _body(piece: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": piece, "more_body": more}


def _lease_of(headers: _Headers) -> int | None:
    leases = [value for name, value in headers if name == LEASE_HEADER]
    if not leases:
        return None
    if len(leases) > 1 or _TOKEN.fullmatch(leases[0]) is None:
        raise BadRequest("The header X-ImageWorks-Lease has to hold one lease's token, a whole number.")
    return int(leases[0])


def _target_of(scope: Scope) -> str:
    # The route was chosen by this path: a server that resolves dots would see another one.
    if {".", ".."} & set(scope["path"].replace("\\", "/").split("/")):
        raise BadRequest("The path has . or .. in it, which is not passed on.")
    path: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    try:
        return (path + b"?" + query if query else path).decode("ascii")
    except UnicodeDecodeError as error:
        raise BadRequest("The path or query has characters that are not percent-encoded.") from error


def _passed_on(headers: _Headers) -> list[tuple[str, str]]:
    try:
        return [
            (name.decode("ascii"), value.decode("utf-8"))
            for name, value in _end_to_end(headers, _NOT_PASSED_ON)
        ]
    except UnicodeDecodeError as error:
        raise BadRequest("A header has characters that are not UTF-8.") from error


def _end_to_end(headers: Iterable[tuple[bytes, bytes]], dropped: frozenset[bytes]) -> _Headers:
    """Headers without those that are for one connection only, which the header Connection may name."""
    lowered = [(name.lower(), value) for name, value in headers]
    named = {
        one.strip().lower() for name, value in lowered if name == b"connection" for one in value.split(b",")
    }
    return [(name, value) for name, value in lowered if name not in dropped and name not in named]
