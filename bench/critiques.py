"""Entries/s of the critiques asset over a bare asyncio loop that makes the same previews and sends the same bodies.

Both use the same HTTP transport, the same local server with answers of 500 ms, concurrency 32, 1,000 photos of 2 MP.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import httpx
from httpx_aiohttp import AiohttpTransport

from bench.photographs import make_folder
from bench.platform import Bench
from bench.result import Result
from bench.server import local_server, write_registry

PHOTOS = 1000
CONCURRENCY = 32
LATENCY_S = 0.5
LONG_SIDE = 1024
QUALITY = 88


def run() -> list[Result]:
    """Bare, ours, bare again: whatever the machine does meanwhile falls on both."""
    with tempfile.TemporaryDirectory() as place, local_server(latency_s=LATENCY_S) as url:
        folder = make_folder(Path(place) / "photos", PHOTOS, width=1920, height=1080)
        home = Path(place) / "home"
        write_registry(home, url)
        bench = Bench(
            home, folder, concurrency=CONCURRENCY, preview_long_side=LONG_SIDE, preview_quality=QUALITY
        )
        bench.run(["judge/entries", "judge/compliance", "judge/signals"])
        template = sample_body(bench)
        paths = sorted(folder.iterdir())
        before_s = asyncio.run(bare(paths, url, template))
        ours = bench.run(["judge/critiques"], {"judge/critiques": {"model": "bench-vlm"}})
        after_s = asyncio.run(bare(paths, url, template))
    stage = ours.manifest.stages["judge/critiques"]
    if stage.asked != PHOTOS or stage.failed:
        raise AssertionError(f"asked {stage.asked}, failed {stage.failed}")
    bare_s = (before_s + after_s) / 2
    return [
        Result("critiques_over_bare_loop", bare_s / stage.seconds, "ratio", 0.9, "at least"),
        Result("bare_loop", PHOTOS / bare_s, "entries/s"),
        Result("critiques", PHOTOS / stage.seconds, "entries/s"),
    ]


def sample_body(bench: Bench) -> dict[str, Any]:
    """A request's body without its picture, as the asset sends it."""
    from imageworks_dagster.definitions import assemble  # noqa: PLC0415 - the bench's own, late on purpose
    from prompt_hub.rendering import render  # noqa: PLC0415 - as above

    parts = assemble(bench.settings, {})
    signals = "\n".join(f"Signal {number}: about as expected ({number}.5)" for number in range(10))
    rendered = render(
        parts.hub.get("club-judge"),
        "critique",
        {"title": "Entry 00000", "category": "", "signals": signals, "rules_notes": ""},
    )
    return {
        "system": rendered.system,
        "user": rendered.user,
        "max_tokens": rendered.parameters["max_output_tokens"],
        "schema": rendered.output_schema,
    }


async def bare(paths: list[Path], url: str, template: dict[str, Any]) -> float:
    """Seconds for all photos: read, decode, shrink, encode, send, parse; nothing else."""
    slots = asyncio.Semaphore(CONCURRENCY)
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        timeout = httpx.Timeout(60.0)
        async with httpx.AsyncClient(transport=AiohttpTransport(), timeout=timeout) as client:

            async def one(path: Path) -> None:
                async with slots:
                    content = await loop.run_in_executor(threads, body, path, template)
                    response = await client.post(
                        f"{url}/v1/chat/completions",
                        content=content,
                        headers={"Content-Type": "application/json"},
                    )
                    json.loads(response.json()["choices"][0]["message"]["content"])

            began = time.perf_counter()
            await asyncio.gather(*(one(path) for path in paths))
            return time.perf_counter() - began


def body(path: Path, template: dict[str, Any]) -> bytes:
    """The body that the asset sends for this photo."""
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    height, width = pixels.shape[:2]
    scale = LONG_SIDE / max(height, width)
    small = cv2.resize(pixels, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
    picture = base64.b64encode(jpeg).decode("ascii")
    return json.dumps(
        {
            "model": "double-vlm",
            "messages": [
                {"role": "system", "content": template["system"]},
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{picture}"}},
                        {"type": "text", "text": template["user"]},
                    ],
                },
            ],
            "stream": False,
            "max_completion_tokens": template["max_tokens"],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": template["schema"]},
            },
        }
    ).encode()
