"""An honest double of vLLM's OpenAI server: a real socket, latency, answers that fit their schema, and faults.

In a test::

    with VllmDouble(faults=[Http(500)]) as double:
        ...  # double.url, double.history

As a process of its own, for kill tests and benches; it prints its URL once it listens::

    python tests/doubles/vllm_double.py --port 0 --latency 0.5

Then ``GET /double/history`` gives the requests so far as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import re
import signal
import socket
import struct
import threading
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web
from served import Served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

WORDS = (
    "light",
    "frame",
    "sky",
    "shadow",
    "line",
    "tone",
    "edge",
    "water",
    "stone",
    "leaf",
    "calm",
    "warm",
    "bold",
)


@dataclass(frozen=True)
class Http:
    """Answer with this status, and with a redirect's place if there is one."""

    status: int
    retry_after: str | None = None
    message: str = "scripted"
    location: str | None = None


@dataclass(frozen=True)
class Reset:
    """Reset the connection, after some of the body if told so."""

    in_body: bool = False


@dataclass(frozen=True)
class Stall:
    """Send nothing more, before the headers or in the middle of the body."""

    in_body: bool = False


@dataclass(frozen=True)
class NotHttp:
    """Send what is not HTTP."""


@dataclass(frozen=True)
class Raw:
    """Answer 200 with this body, which a header calls so encoded."""

    body: bytes
    encoding: str | None = None


@dataclass(frozen=True)
class CutJson:
    """Answer 200 with the first half of the right body."""


@dataclass(frozen=True)
class Huge:
    """Answer 200 with a body of this many bytes."""

    size: int


@dataclass(frozen=True)
class Says:
    """Answer 200 with this text in the message, and these in its envelope."""

    text: str | None
    finish_reason: str = "stop"
    message: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Slow:
    """Answer well, after this many seconds."""

    seconds: float


Fault = Http | Reset | Stall | NotHttp | Raw | CutJson | Huge | Says | Slow


@dataclass
class Asked:
    """One chat request as it came in."""

    request_id: str | None
    headers: dict[str, str]
    body: dict[str, Any]
    size: int
    pictures: list[str]
    answered: bool = False

    @property
    def text(self) -> str:
        """The text of the last user message."""
        content = self.body["messages"][-1].get("content") or ""
        return content if isinstance(content, str) else content[-1].get("text", "")


class VllmDouble(Served):
    """The server, in a thread of its own. Use as a context manager.

    Attributes:
        history: Chat requests, in the order in which they came in.
        faults: What is done to the next chat requests, in order; then all are answered well.
        faults_by_text: The same for requests whose text contains the key.
        injected: What was done, of all that.
        healthy: Whether ``/health`` answers 200.
        most_at_once: Most chat requests that were open at the same time.
    """

    def __init__(
        self,
        *,
        model: str = "double-vlm",
        latency_s: float = 0.0,
        token_s: float = 0.0,
        faults: Iterable[Fault] = (),
        faults_by_text: Mapping[str, Iterable[Fault]] | None = None,
        metrics: bool = True,
        api_key: str | None = None,
        port: int = 0,
    ) -> None:
        super().__init__(port=port)
        self.model = model
        self.latency_s = latency_s
        self.token_s = token_s
        self.faults: deque[Fault] = deque(faults)
        self.faults_by_text = {text: deque(some) for text, some in (faults_by_text or {}).items()}
        self.metrics = metrics
        self.api_key = api_key
        self.healthy = True
        self.history: list[Asked] = []
        self.injected: list[Fault] = []
        self.gets: list[str] = []
        self.open = 0
        self.most_at_once = 0
        self._came = threading.Condition()

    async def has_been_asked(self, count: int) -> None:
        """Return once so many chat requests have come in; for tests on an event loop of their own."""

        await self._becomes(lambda: len(self.history) >= count)

    async def has_none_open(self) -> None:
        """Return once no chat request is open any longer."""
        await self._becomes(lambda: self.open == 0)

    async def _becomes(self, true: Callable[[], bool]) -> None:
        def wait() -> None:
            with self._came:
                assert self._came.wait_for(true, timeout=30)

        await asyncio.to_thread(wait)

    def routes(self) -> list[web.RouteDef]:
        """What vLLM serves, and the history of this double."""
        return [
            web.get("/health", self._health),
            web.get("/version", self._version),
            web.get("/v1/models", self._models),
            web.post("/v1/chat/completions", self._chat),
            web.get("/double/history", self._tell_history),
        ]

    async def _health(self, request: web.Request) -> web.Response:
        self.gets.append(request.path)
        return web.Response(status=200 if self.healthy else 503)

    async def _version(self, request: web.Request) -> web.Response:
        return web.json_response({"version": "0.32.0"})

    async def _models(self, request: web.Request) -> web.Response:
        self.gets.append(request.path)
        if (refusal := self._unauthorized(request)) is not None:
            return refusal
        card = {"id": self.model, "object": "model", "root": self.model, "max_model_len": 16384}
        return web.json_response({"object": "list", "data": [card]})

    async def _tell_history(self, request: web.Request) -> web.Response:
        return web.json_response([{**asdict(asked), "text": asked.text} for asked in self.history])

    def _unauthorized(self, request: web.Request) -> web.Response | None:
        if self.api_key is None or request.headers.get("Authorization") == f"Bearer {self.api_key}":
            return None
        given = request.headers.get("Authorization", "")
        return web.json_response({"error": {"message": f"Incorrect API key: {given}"}}, status=401)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        body = json.loads(raw)
        pictures = _take_pictures(body)
        asked = Asked(request.headers.get("X-Request-Id"), dict(request.headers), body, len(raw), pictures)
        with self._came:
            self.history.append(asked)
            self.open += 1
            self.most_at_once = max(self.most_at_once, self.open)
            self._came.notify_all()
        try:
            if (refusal := self._unauthorized(request)) is not None:
                return refusal
            fault = self._next_fault(asked)
            if fault is not None:
                self.injected.append(fault)
            response = await self._answer(request, body, hashlib.sha256(raw).digest(), fault)
            asked.answered = response.status == 200
            return response
        finally:
            with self._came:
                self.open -= 1
                self._came.notify_all()

    def _next_fault(self, asked: Asked) -> Fault | None:
        for text, faults in self.faults_by_text.items():
            if text in asked.text and faults:
                return faults.popleft()
        return self.faults.popleft() if self.faults else None

    async def _answer(  # noqa: C901, PLR0911 - one case a fault
        self, request: web.Request, body: dict[str, Any], digest: bytes, fault: Fault | None
    ) -> web.StreamResponse:
        await asyncio.sleep(fault.seconds if isinstance(fault, Slow) else self.latency_s)
        good = json.dumps(self._completion(body, digest)).encode()
        if body.get("stream") and not isinstance(fault, Http | NotHttp | Raw | Huge):
            return await self._stream_tokens(request, body, digest, fault)
        match fault:
            case Http():
                told = {"Retry-After": fault.retry_after, "Location": fault.location}
                headers = {name: value for name, value in told.items() if value is not None}
                error = {"error": {"message": fault.message, "type": "scripted", "code": fault.status}}
                return web.json_response(error, status=fault.status, headers=headers)
            case Raw():
                headers = {"Content-Encoding": fault.encoding} if fault.encoding else {}
                return web.Response(body=fault.body, content_type="application/json", headers=headers)
            case CutJson():
                return web.Response(body=good[: len(good) // 2], content_type="application/json")
            case Says():
                said = self._completion(body, digest)
                message = {**said["choices"][0]["message"], "content": fault.text, **fault.message}
                said["choices"][0] |= {"message": message, "finish_reason": fault.finish_reason}
                return web.json_response(said)
            case Huge():
                return await self._stream(request, fault.size, b" " * 65536)
            case Stall(in_body=False):
                await asyncio.Event().wait()
            case Stall(in_body=True):
                response = await self._begin(request, len(good))
                await response.write(good[: len(good) // 2])
                await asyncio.Event().wait()
            case Reset(in_body=True):
                response = await self._begin(request, len(good))
                await response.write(good[: len(good) // 2])
                _reset(request)
                return response
            case Reset():
                _reset(request)
            case NotHttp():
                assert request.transport is not None
                request.transport.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
                request.transport.close()
            case _:
                pass
        return web.Response(body=good, content_type="application/json")

    async def _begin(self, request: web.Request, length: int) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.content_length = length
        await response.prepare(request)
        return response

    async def _stream(self, request: web.Request, size: int, piece: bytes) -> web.StreamResponse:
        response = await self._begin(request, size)
        for _ in range(0, size, len(piece)):
            await response.write(piece)
        return response

    async def _stream_tokens(
        self, request: web.Request, body: dict[str, Any], digest: bytes, fault: Fault | None
    ) -> web.StreamResponse:
        """Server-sent events, one a token; half of them before a fault."""
        whole = self._completion(body, digest)
        said = whole["choices"][0]
        if isinstance(fault, Says):
            said = {
                "message": {**said["message"], "content": fault.text, **fault.message},
                "finish_reason": fault.finish_reason,
            }
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)

        async def send(choices: list[dict[str, Any]], **more: Any) -> None:
            chunk = {
                "id": whole["id"],
                "object": "chat.completion.chunk",
                "created": 1,
                "model": body["model"],
            }
            await response.write(
                b"data: " + json.dumps({**chunk, "choices": choices, **more}).encode() + b"\n\n"
            )

        await send([{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}])
        parts = [{"content": token} for token in tokens(said["message"]["content"] or "")]
        for index, call in enumerate(said["message"].get("tool_calls", ())):
            name, arguments = call["function"]["name"], call["function"]["arguments"]
            begun = {"index": index, "id": call["id"], "type": "function", "function": {"name": name}}
            parts.append({"tool_calls": [begun]})
            parts += [
                {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
                for piece in tokens(arguments)
            ]
        for number, delta in enumerate(parts):
            if fault is not None and not isinstance(fault, Says | Slow) and number == len(parts) // 2:
                if isinstance(fault, Reset):
                    _reset(request)
                if isinstance(fault, Stall):
                    await asyncio.Event().wait()
                return response
            await asyncio.sleep(self.token_s)
            await send([{"index": 0, "delta": delta, "finish_reason": None}])
        await send([{"index": 0, "delta": {}, "finish_reason": said["finish_reason"]}])
        if body.get("stream_options", {}).get("include_usage"):
            await send([], usage=whole["usage"])
        await response.write(b"data: [DONE]\n\n")
        return response

    def _completion(self, body: dict[str, Any], digest: bytes) -> dict[str, Any]:
        schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
        chance = random.Random(digest)
        text = (
            " ".join(chance.choices(WORDS, k=12)) if schema is None else json.dumps(fitting(schema, chance))
        )
        spoken = sum(len(json.dumps(message.get("content"))) for message in body["messages"])
        completion = {
            "id": f"chatcmpl-{digest.hex()[:12]}",
            "object": "chat.completion",
            "model": body["model"],
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": text, "refusal": None, "reasoning": None},
                    "finish_reason": "stop",
                }
            ],
            "usage": {
                "prompt_tokens": spoken,
                "completion_tokens": len(text),
                "total_tokens": spoken + len(text),
            },
        }
        if self.metrics:
            latency = self.latency_s * 1000
            completion["metrics"] = {
                "time_to_first_token_ms": round(latency / 4, 3),
                "generation_time_ms": latency,
                "queue_time_ms": 1.5,
                "mean_itl_ms": 1.0,
                "tokens_per_second": 50.0,
            }
        return completion


def fitting(schema: Mapping[str, Any], chance: random.Random) -> Any:  # noqa: PLR0911 - one case a type
    """A value that fits a schema of the kinds that output schemas use."""
    if "enum" in schema:
        return chance.choice(schema["enum"])
    match schema.get("type"):
        case "object":
            return {name: fitting(part, chance) for name, part in schema.get("properties", {}).items()}
        case "array":
            low = schema.get("minItems", 1)
            count = chance.randint(low, min(schema.get("maxItems", low + 4), low + 4))
            return [fitting(schema["items"], chance) for _ in range(count)]
        case "integer":
            return chance.randint(schema.get("minimum", 0), schema.get("maximum", 100))
        case "number":
            return round(chance.uniform(schema.get("minimum", 0), schema.get("maximum", 1)), 3)
        case "boolean":
            return chance.random() < 0.5
        case _:
            low, high = schema.get("minLength", 1), min(schema.get("maxLength", 120), 120)
            text = " ".join(chance.choices(WORDS, k=24))
            return text[: max(low, chance.randint(low, high))].strip().ljust(low, "x")


def tokens(text: str) -> list[str]:
    """A text in the pieces that it is streamed in."""
    return re.findall(r"\s*\S+|\s+$", text)


def _take_pictures(body: dict[str, Any]) -> list[str]:
    """Replace pictures in the body by their digests: a history of them would fill the memory."""
    taken = []
    for message in body["messages"]:
        if not isinstance(message.get("content"), list):
            continue
        for part in message["content"]:
            if part["type"] == "image_url":
                digest = hashlib.sha256(part["image_url"]["url"].encode()).hexdigest()
                part["image_url"]["url"] = digest
                taken.append(digest)
    return taken


def _reset(request: web.Request) -> None:
    transport = request.transport
    assert transport is not None
    raw: socket.socket = transport.get_extra_info("socket")
    # With a linger of no time, closing sends RST.
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def main() -> None:
    """Serve from the command line until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds for each answer")
    parser.add_argument("--token", type=float, default=0.0, help="seconds for each token that is streamed")
    parser.add_argument("--model", default="double-vlm", help="id of the served model")
    options = parser.parse_args()
    double = VllmDouble(
        model=options.model, latency_s=options.latency, token_s=options.token, port=options.port
    )

    async def serve() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await double.serve(stop, announce=True)

    asyncio.run(serve())


if __name__ == "__main__":
    main()
