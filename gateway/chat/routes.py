"""``POST /v1/chat/completions``."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Final

from fastapi.routing import APIRoute
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotations
from starlette.responses import Response

from backends.errors import BackendError
from gateway.asking import (
    as_gateway_error,
    class_of,
    let_in,
    raise_failed,
    wants_recall,
)
from gateway.bodies import read_json
from gateway.callers import caller_of
from gateway.chat.asked import request_of
from gateway.chat.body import ChatBody
from gateway.chat.replies import DONE, Chunks, Completion, completion, error_event, headers_of
from gateway.edge import error_response, json_response
from gateway.errors import BadRequest, GatewayError
from gateway.labels import allow_labels
from gateway.leaving import Gone, while_heard
from gateway.openapi import answers, takes

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import Receive, Scope, Send

    from backends.answer import Answer
    from backends.client import Client
    from backends.providers.protocol import Chunk
    from backends.request import Request as Asked
    from gateway.callers import Caller
    from gateway.parts import Parts
    from registry.registry import Registry

TAKE_S: Final = 60.0
"""Seconds in which a client has to take some of a stream that waits for it; who does not would keep a lease."""

_EVENT_STREAM: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
]


def add_chat_route(app: FastAPI) -> APIRoute:
    """Let models be asked, at the route that this gives."""
    said = answers(Completion, "One completion; with ``stream``, server-sent events of its parts.")
    said[200]["content"] = {"text/event-stream": {"schema": {"type": "string"}}}
    app.add_api_route(
        "/v1/chat/completions",
        chat_completions,
        methods=["POST"],
        response_class=Response,
        responses=said,
        openapi_extra=takes(ChatBody),
    )
    route = app.router.routes[-1]
    assert isinstance(route, APIRoute)  # noqa: S101 - it was added just now
    return route


async def chat_completions(request: Request) -> Response:
    """Answer with one completion, whole or streamed."""
    parts: Parts = request.app.state.parts
    caller = caller_of(request, parts)
    body = await read_json(request, ChatBody, at_most=parts.settings.gateway_max_body)
    if body.imageworks is not None:
        await allow_labels(request, parts, caller)
    if body.stream:
        return _Streamed(request, parts, caller, body)
    answer = await while_heard(request, _whole(request, parts, caller, body))
    return json_response(completion(answer), headers=headers_of(answer))


async def _whole(request: Request, parts: Parts, caller: Caller, body: ChatBody) -> Answer:
    recall = wants_recall(request)
    async with let_in(request, parts, caller), parts.models.asking() as (registry, client):
        asked = await _asked(request, parts, body, registry)
        try:
            # An answer to a prompt is one like any other of the platform's.
            answer = await (client.complete(asked) if recall else client.converse(asked))
        except BackendError as error:
            raise as_gateway_error(error) from error
    _count(parts, answer)
    raise_failed(answer)
    return answer


async def _asked(request: Request, parts: Parts, body: ChatBody, registry: Registry) -> Asked:
    make = partial(
        request_of,
        body,
        registry,
        parts,
        trace_id=request.scope["trace"].trace_id,
        priority=class_of(request),
    )
    # What is kept of prompts is in the database.
    return make() if body.prompt is None else await asyncio.to_thread(make)


def _count(parts: Parts, answer: Answer) -> None:
    if not answer.recalled:
        parts.meters.tokens(answer.model, "input").inc(answer.input_tokens or 0)
        parts.meters.tokens(answer.model, "output").inc(answer.output_tokens or 0)


class _Streamed(Response):
    """One completion in server-sent events, each sent before the next is read.

    What goes wrong before the first part is told as for any request; later, in an event, and no end comes.
    """

    def __init__(self, request: Request, parts: Parts, caller: Caller, body: ChatBody) -> None:
        super().__init__()
        self._request = request
        self._parts = parts
        self._caller = caller
        self._body = body
        self._begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        self._send = send
        try:
            await while_heard(self._request, self._told())
        except Gone:
            return None
        except GatewayError as error:
            if not self._begun:
                return await error_response(error)(scope, receive, send)
            await self._say(error_event(error.body()))
            await self._end()
        return None

    async def _told(self) -> None:
        if wants_recall(self._request):
            raise BadRequest(
                "A streamed answer is not recalled; leave stream or the header out.", param="stream"
            )
        async with AsyncExitStack() as held:
            await held.enter_async_context(let_in(self._request, self._parts, self._caller))
            registry, client = await held.enter_async_context(self._parts.models.asking())
            asked = await _asked(self._request, self._parts, self._body, registry)
            answer = await self._conversed(client, asked)
        _count(self._parts, answer)
        raise_failed(answer)
        await self._end()

    async def _conversed(self, client: Client, asked: Asked) -> Answer:
        chunks = Chunks(asked.model.name, self._request.scope["trace"].trace_id)

        async def tell(chunk: Chunk) -> None:
            await self._say(chunks.part(chunk))

        try:
            answer = await client.converse(asked, tell=tell)
        except BackendError as error:
            raise as_gateway_error(error) from error
        if answer.ok:
            options = self._body.stream_options
            if options is not None and options.include_usage:
                await self._say(chunks.usage(answer))
            await self._say(DONE)
        return answer

    async def _say(self, event: bytes) -> None:
        try:
            async with asyncio.timeout(TAKE_S):
                if not self._begun:
                    self._begun = True
                    await self._send(
                        {"type": "http.response.start", "status": 200, "headers": list(_EVENT_STREAM)}
                    )
                await self._send({"type": "http.response.body", "body": event, "more_body": True})
        except TimeoutError as error:
            # An error would not be taken either; the connection is closed.
            raise Gone from error

    async def _end(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})
