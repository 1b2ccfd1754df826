"""Our own time a request, without body and transport: the client's wall time where sending costs nothing.

All seven steps are in it: resolve, recall, lease, parameters, ask, check against the schema, event and kept answer
on the disk. Only the bytes on the wire are not: the transport is one that answers at once.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from backends.client import Client
from backends.request import Labels, Request
from backends.transport import Response
from bench.result import Result
from bench.server import write_registry
from registry.registry import Registry
from store.database import StateDatabase
from store.home import Home
from store.settings import Settings
from telemetry.spool import Spool

REQUESTS = 4000
WARM_UP = 100
CONCURRENCY = 16
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["critique", "score"],
    "properties": {
        "critique": {"type": "string", "minLength": 1, "maxLength": 200},
        "score": {"type": "integer", "minimum": 0, "maximum": 20},
    },
}
SYSTEM = "You judge photographs. " * 40
USER = "Judge entry {number}. " + "The measured signals are ground truth. " * 40
ANSWER = json.dumps(
    {
        "model": "double-vlm",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {
                    "role": "assistant",
                    "content": json.dumps({"critique": "Calm light on the water. " * 5, "score": 14}),
                },
            }
        ],
        "usage": {"prompt_tokens": 1200, "completion_tokens": 60},
    }
).encode()


class AtOnce:
    """A transport that answers at once: everything but the wire."""

    async def get(self, *_: Any, **__: Any) -> Response:
        """Healthy."""
        return Response(status=200, body=b"{}", retry_after_s=None)

    async def post(self, *_: Any, **__: Any) -> Response:
        """The answer, after giving way to the event loop once."""
        await asyncio.sleep(0)
        return Response(status=200, body=ANSWER, retry_after_s=None)

    async def close(self) -> None:
        """Nothing to close."""


def run() -> list[Result]:
    """Ask, and divide."""
    with tempfile.TemporaryDirectory() as place:
        home = Path(place) / "home"
        write_registry(home, "http://127.0.0.1:1")
        seconds = asyncio.run(ask(Settings(home=home, concurrency=CONCURRENCY)))
    return [Result("own_time_a_request", seconds / REQUESTS * 1e6, "us", 500.0)]


async def ask(settings: Settings) -> float:
    """Seconds for all requests."""
    registry = Registry.load(settings.home / "registry.yaml")
    model = registry.resolve("bench-vlm")
    with StateDatabase.open(settings) as database, Spool(Home.of(settings).spool) as spool:
        async with Client(settings, registry, database, spool, {}) as client:
            client._transport = AtOnce()  # type: ignore[assignment]  # noqa: SLF001 - what is measured is all else
            requests = [
                Request(
                    model=model,
                    system=SYSTEM,
                    user=USER.format(number=number),
                    output_schema=SCHEMA,
                    labels=Labels(stage="bench/own_time", entry_id=str(number)),
                )
                for number in range(WARM_UP + REQUESTS)
            ]
            await answered(client, requests[:WARM_UP])
            began = time.perf_counter()
            await answered(client, requests[WARM_UP:])
            return time.perf_counter() - began


async def answered(client: Client, requests: list[Request]) -> None:
    """Ask them all; each is answered."""
    count = 0
    async for _, answer in client.map(requests):
        count += answer.ok
    if count != len(requests):
        raise AssertionError(f"{count} of {len(requests)} were answered")
