"""Our own time a request: the client's wall time less that of a bare loop on the same transport, without pictures.

All seven steps are in it: digest, recall, lease, parameters, check against the schema, event, kept answer.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from pathlib import Path

import httpx
from httpx_aiohttp import AiohttpTransport

from backends.client import Client
from backends.request import Labels, Request
from bench.result import Result
from bench.server import local_server, write_registry
from registry.registry import Registry
from store.database import StateDatabase
from store.home import Home
from store.settings import Settings
from telemetry.spool import Spool

REQUESTS = 3000
CONCURRENCY = 16
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["score", "critique"],
    "properties": {
        "score": {"type": "integer", "minimum": 0, "maximum": 20},
        "critique": {"type": "string", "minLength": 1, "maxLength": 200},
    },
}
SYSTEM = "You judge photographs. " * 40
USER = "Judge entry {number}. " + "The measured signals are ground truth. " * 40


def run() -> list[Result]:
    """Bare, ours, bare again, against a server that answers at once."""
    with tempfile.TemporaryDirectory() as place, local_server(latency_s=0.0) as url:
        home = Path(place) / "home"
        write_registry(home, url)
        asyncio.run(bare(url, REQUESTS // 10))
        before_s = asyncio.run(bare(url, REQUESTS))
        ours_s = asyncio.run(ours(Settings(home=home, concurrency=CONCURRENCY), REQUESTS))
        after_s = asyncio.run(bare(url, REQUESTS))
    bare_s = (before_s + after_s) / 2
    return [
        Result("own_time_a_request", (ours_s - bare_s) / REQUESTS * 1e6, "us", 500.0),
        Result("bare_time_a_request", bare_s / REQUESTS * 1e6, "us"),
    ]


async def bare(url: str, count: int) -> float:
    """Seconds for ``count`` requests on the bare transport."""
    slots = asyncio.Semaphore(CONCURRENCY)
    async with httpx.AsyncClient(transport=AiohttpTransport(), timeout=httpx.Timeout(60.0)) as client:

        async def one(number: int) -> None:
            content = json.dumps(
                {
                    "model": "double-vlm",
                    "messages": [
                        {"role": "system", "content": SYSTEM},
                        {"role": "user", "content": USER.format(number=number)},
                    ],
                    "stream": False,
                    "response_format": {
                        "type": "json_schema",
                        "json_schema": {"name": "answer", "schema": SCHEMA},
                    },
                }
            )
            async with slots:
                response = await client.post(
                    f"{url}/v1/chat/completions",
                    content=content,
                    headers={"Content-Type": "application/json"},
                )
                json.loads(response.json()["choices"][0]["message"]["content"])

        began = time.perf_counter()
        await asyncio.gather(*(one(number) for number in range(count)))
        return time.perf_counter() - began


async def ours(settings: Settings, count: int) -> float:
    """Seconds for ``count`` requests through the client."""
    registry = Registry.load(settings.home / "registry.yaml")
    model = registry.resolve("bench-vlm")
    with (
        StateDatabase.open(settings) as database,
        Spool(Home.of(settings).spool) as spool,
    ):
        async with Client(settings, registry, database, spool, {}) as client:
            requests = [
                Request(
                    model=model,
                    system=SYSTEM,
                    user=USER.format(number=number),
                    output_schema=SCHEMA,
                    labels=Labels(stage="bench/own_time", entry_id=str(number)),
                )
                for number in range(count)
            ]
            began = time.perf_counter()
            answered = 0
            async for _, answer in client.map(requests):
                answered += answer.ok
            seconds = time.perf_counter() - began
    if answered != count:
        raise AssertionError(f"{answered} of {count} were answered")
    return seconds
