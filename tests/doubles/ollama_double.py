"""An honest double of Ollama's server: a real socket, latency, its protocol with its traps, and faults.

Its traps: it streams unless told otherwise; it loads a model when it is asked, and sends no headers until then;
another load option loads the model anew; it ignores what it does not know; it answers an unloading before the
memory is free.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web
from served import Served
from vllm_double import WORDS, fitting, tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LOAD_OPTIONS = ("num_ctx", "num_batch", "num_gpu", "num_thread")
KNOWN = {"model", "messages", "stream", "format", "options", "keep_alive", "think", "tools"}
KNOWN_OPTIONS = {
    *LOAD_OPTIONS,
    *("num_predict", "seed", "temperature", "top_p", "top_k", "min_p", "repeat_penalty"),
    *("presence_penalty", "frequency_penalty", "stop"),
}
MS = 1_000_000


@dataclass(frozen=True)
class Refuses:
    """Answer with this status and these words."""

    status: int
    error: str


@dataclass(frozen=True)
class Says:
    """Answer 200 with this text, and these in the envelope and the message."""

    content: str
    envelope: Mapping[str, Any] = field(default_factory=dict)
    message: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Bare:
    """Answer 200 with these bytes."""

    body: bytes


Fault = Refuses | Says | Bare


@dataclass
class Loaded:
    """A model in memory, and the options that it was loaded with."""

    options: dict[str, Any]
    settling: bool = False


class OllamaDouble(Served):
    """The server, in a thread of its own. Use as a context manager.

    Attributes:
        pulled: Capabilities of each model that was pulled; None for a server too old to say.
        loaded: The models in memory.
        loads: How often a model was loaded.
        history: Bodies of the chat requests, in the order in which they came in.
        headers: Their headers.
        ignored: Fields that it did not know, as its log would say.
        faults: What is done to the next chat requests, in order; then all are answered well.
    """

    def __init__(
        self,
        *,
        pulled: Mapping[str, list[str] | None] | None = None,
        latency_s: float = 0.0,
        load_s: float = 0.0,
        settle_s: float = 0.0,
        faults: Iterable[Fault] = (),
    ) -> None:
        super().__init__()
        self.pulled = pulled or {"gemma3:12b": ["completion", "vision"]}
        self.latency_s = latency_s
        self.load_s = load_s
        self.settle_s = settle_s
        self.loaded: dict[str, Loaded] = {}
        self.loads = 0
        self.history: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.ignored: list[str] = []
        self.faults: deque[Fault] = deque(faults)
        self._settling: set[asyncio.Task[None]] = set()

    def routes(self) -> list[web.RouteDef]:
        """What Ollama serves."""
        return [
            web.get("/", self._root),
            web.get("/api/version", self._version),
            web.get("/api/tags", self._tags),
            web.post("/api/show", self._show),
            web.get("/api/ps", self._ps),
            web.post("/api/chat", self._chat),
        ]

    async def _root(self, _: web.Request) -> web.Response:
        return web.Response(text="Ollama is running")

    async def _version(self, _: web.Request) -> web.Response:
        return web.json_response({"version": "0.33.0"})

    async def _tags(self, _: web.Request) -> web.Response:
        cards = []
        for name, capabilities in self.pulled.items():
            card = {"name": name, "model": name, "size": 8_149_190_253, "digest": "f4031aab637d"}
            cards.append(card if capabilities is None else {**card, "capabilities": capabilities})
        return web.json_response({"models": cards})

    async def _show(self, request: web.Request) -> web.Response:
        name = self._name((await request.json())["model"])
        if name is None:
            return web.json_response({"error": "model not found"}, status=404)
        info = {"general.architecture": "gemma3", "gemma3.context_length": 131_072}
        said = {"details": {"family": "gemma3"}, "model_info": info}
        capabilities = self.pulled[name]
        return web.json_response(said if capabilities is None else {**said, "capabilities": capabilities})

    async def _ps(self, _: web.Request) -> web.Response:
        return web.json_response(
            {"models": [{"name": name, "size_vram": 8_000_000_000} for name in self.loaded]}
        )

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        body = json.loads(raw)
        self.history.append(body)
        self.headers.append(dict(request.headers))
        self.ignored += [name for name in body if name not in KNOWN]
        self.ignored += [name for name in body.get("options", {}) if name not in KNOWN_OPTIONS]
        name = self._name(body["model"])
        if name is None:
            return web.json_response({"error": f"model '{body['model']}' not found"}, status=404)
        if not body.get("messages"):
            return await self._load_or_unload(name, body)
        load_ns = await self._load(name, body.get("options", {}))
        match self.faults.popleft() if self.faults else None:
            case Refuses(status, error):
                return web.json_response({"error": error}, status=status)
            case Bare(given):
                return web.Response(body=given, content_type="application/json")
            case Says(content, envelope, message):
                said = {**self._said(name, content, load_ns), **envelope}
                said["message"] = {**said["message"], **message}
            case _:
                said = self._said(name, self._content(body, raw), load_ns)
        await asyncio.sleep(self.latency_s)
        return web.json_response(said) if body.get("stream") is False else await self._stream(request, said)

    def _name(self, asked: str) -> str | None:
        return next((name for name in (asked, f"{asked}:latest") if name in self.pulled), None)

    async def _load(self, name: str, options: Mapping[str, Any]) -> int:
        """Nanoseconds for it: none if the model is there, with the same options."""
        wanted = {option: options[option] for option in LOAD_OPTIONS if option in options}
        there = self.loaded.get(name)
        if there is not None and not there.settling and there.options == wanted:
            return 2 * MS
        self.loaded[name] = Loaded(wanted)
        self.loads += 1
        await asyncio.sleep(self.load_s)
        return int(self.load_s * 1000 * MS) + 2 * MS

    async def _load_or_unload(self, name: str, body: Mapping[str, Any]) -> web.Response:
        if body.get("keep_alive") in {0, "0"} and name in self.loaded:
            self.loaded[name].settling = True
            task = asyncio.ensure_future(self._settle(name))
            self._settling.add(task)
            task.add_done_callback(self._settling.discard)
            return web.json_response({**self._said(name, "", 0), "done_reason": "unload"})
        load_ns = await self._load(name, body.get("options", {}))
        return web.json_response({**self._said(name, "", load_ns), "done_reason": "load"})

    async def _settle(self, name: str) -> None:
        await asyncio.sleep(self.settle_s)
        del self.loaded[name]

    def _content(self, body: Mapping[str, Any], raw: bytes) -> str:
        chance = random.Random(hashlib.sha256(raw).digest())
        schema = body.get("format")
        if isinstance(schema, dict):
            return json.dumps(fitting(schema, chance))
        return " ".join(chance.choices(WORDS, k=12))

    def _said(self, name: str, content: str, load_ns: int) -> dict[str, Any]:
        latency_ns = int(self.latency_s * 1000 * MS)
        return {
            "model": name,
            "created_at": "2026-01-01T00:00:00Z",
            "message": {"role": "assistant", "content": content},
            "done": True,
            "done_reason": "stop",
            "total_duration": load_ns + latency_ns + 12 * MS,
            "load_duration": load_ns,
            "prompt_eval_count": 321,
            "prompt_eval_duration": 8 * MS,
            "eval_count": 45,
            "eval_duration": latency_ns + 2 * MS,
        }

    async def _stream(self, request: web.Request, said: Mapping[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        for token in tokens(str(said["message"]["content"])):
            piece = {**said, "message": {"role": "assistant", "content": token}, "done": False}
            await response.write(json.dumps(piece).encode() + b"\n")
        last = {**said, "message": {**said["message"], "content": ""}}
        await response.write(json.dumps(last).encode() + b"\n")
        return response
