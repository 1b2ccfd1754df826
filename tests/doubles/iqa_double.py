"""An honest double of the TF-IQA worker: a real socket, its protocol, scores that depend on the picture, and faults."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web
from served import Served

if TYPE_CHECKING:
    from collections.abc import Iterable

METRICS = ("nima_aesthetic", "nima_technical", "musiq_spaq")


@dataclass(frozen=True)
class Refuses:
    """Answer with this status, and perhaps say when to come again."""

    status: int
    retry_after: str | None = None


@dataclass(frozen=True)
class Fails:
    """Let these metrics fail."""

    metrics: tuple[str, ...]
    error_class: str = "metric_failed"


@dataclass(frozen=True)
class Bare:
    """Answer 200 with these bytes."""

    body: bytes


Fault = Refuses | Fails | Bare


class IqaDouble(Served):
    """The worker, in a thread of its own. Use as a context manager.

    Attributes:
        metrics: What it serves.
        ready: Whether its networks are loaded.
        says_metrics: Whether its health tells the metrics; what stands before a worker need not know them.
        history: Bodies of the requests, in the order in which they came in.
        pictures: Their pictures, decoded.
        headers: Their headers.
        faults: What is done to the next requests, in order; then all are answered well.
        broken: Metrics that always fail.
    """

    def __init__(
        self,
        *,
        metrics: Iterable[str] = METRICS,
        ready: bool = True,
        says_metrics: bool = True,
        faults: Iterable[Fault] = (),
        broken: Iterable[str] = (),
    ) -> None:
        super().__init__()
        self.metrics = tuple(metrics)
        self.ready = ready
        self.says_metrics = says_metrics
        self.history: list[dict[str, Any]] = []
        self.pictures: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.faults: deque[Fault] = deque(faults)
        self.broken = set(broken)

    def routes(self) -> list[web.RouteDef]:
        """What the worker serves."""
        return [web.get("/healthz", self._healthz), web.post("/infer", self._infer)]

    async def _healthz(self, _: web.Request) -> web.Response:
        said: dict[str, Any] = {"status": "ok" if self.ready else "loading"}
        if self.says_metrics:
            said |= {"metrics": list(self.metrics), "models": []}
        return web.json_response(said, status=200 if self.ready else 503)

    async def _infer(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.history.append(body)
        self.headers.append(dict(request.headers))
        fails: set[str] = set(self.broken)
        error_class = "metric_failed"
        match self.faults.popleft() if self.faults else None:
            case Refuses(status, retry_after):
                headers = {} if retry_after is None else {"Retry-After": retry_after}
                return web.json_response({"error": "as told"}, status=status, headers=headers)
            case Bare(given):
                return web.Response(body=given, content_type="application/json")
            case Fails(metrics, error_class):
                fails |= set(metrics)
        await asyncio.sleep(0)
        results = []
        for image in body["images"]:
            picture = base64.b64decode(image["image_b64"], validate=True)
            self.pictures.append(picture)
            outcomes = {name: self._outcome(name, picture, fails, error_class) for name in body["metrics"]}
            results.append({"id": image["id"], "metrics": outcomes})
        return web.json_response({"results": results})

    def _outcome(self, name: str, picture: bytes, fails: set[str], error_class: str) -> dict[str, Any]:
        if name not in self.metrics:
            return {"error": f"{name} is not served here", "error_class": "metric_unknown"}
        if name in fails:
            return {"error": f"{name} failed", "error_class": error_class}
        share = int.from_bytes(hashlib.sha256(name.encode() + picture).digest()[:4]) / 2**32
        if name.startswith("nima"):
            return {"mean": round(1 + 9 * share, 4), "std": round(1 + share, 4)}
        return {"mean": round(100 * share, 4)}
