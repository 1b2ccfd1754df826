"""Entries/s of the critiques asset over a bare asyncio loop that makes the same previews and sends the same bodies.

Both use the same HTTP transport, the same local server with answers of 500 ms, concurrency 32, 1,000 photos of 2 MP.
The bare loop has its texts ready before its clock starts, and only puts the picture in between; the server's own record
says whether both sent the same.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import cv2
import httpx

from backends.providers.openai_compatible import chat_body
from backends.providers.parameters import VLLM, map_parameters
from backends.request import Image, Labels, Request
from bench.photographs import make_folder
from bench.platform import Bench
from bench.result import Result
from bench.server import SERVED, local_server, write_registry
from imageworks.judge_vision.competition import default_competition
from imageworks.judge_vision.critiquing import critique_variables
from imageworks.judge_vision.naming import category_of
from imageworks_dagster.definitions import assemble
from imageworks_dagster.tables import signal_values
from prompt_hub.rendering import render

if TYPE_CHECKING:
    from collections.abc import Iterator

PHOTOS = 1000
CONCURRENCY = 32
LATENCY_S = 0.5
LONG_SIDE = 1024
QUALITY = 88
PICTURE = b"@@@"


@dataclass(frozen=True)
class Ready:
    """What is sent about one photo, but for its picture."""

    path: Path
    before: bytes
    after: bytes


@dataclass(frozen=True)
class Spent:
    """Seconds of one side for all photos, by the clock on the wall and of our threads together."""

    wall: float
    cpu: float


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
        ready = list(texts(bench, folder))
        before = asyncio.run(bare(ready, url))
        cpu = time.process_time()
        ours = bench.run(["judge/critiques"], {"judge/critiques": {"model": "bench-vlm"}})
        cpu = time.process_time() - cpu
        after = asyncio.run(bare(ready, url))
        check_same(httpx.get(f"{url}/double/history", timeout=60.0).json())
    stage = ours.manifest.stages["judge/critiques"]
    if stage.asked != PHOTOS or stage.failed:
        raise AssertionError(f"asked {stage.asked}, failed {stage.failed}")
    bare_s = (before.wall + after.wall) / 2
    return [
        Result("critiques_over_bare_loop", bare_s / stage.seconds, "ratio", 0.9, "at least"),
        Result("bare_loop", PHOTOS / bare_s, "entries/s"),
        Result("critiques", PHOTOS / stage.seconds, "entries/s"),
        Result("bare_loop_cpu", (before.cpu + after.cpu) / 2 / PHOTOS * 1e3, "ms/entry"),
        Result("critiques_cpu", cpu / PHOTOS * 1e3, "ms/entry"),
    ]


def texts(bench: Bench, folder: Path) -> Iterator[Ready]:
    """The bodies that the asset sends, from the same tables, prompt and parameters."""
    parts = assemble(bench.settings, {})
    model, profile = parts.registry.resolve("bench-vlm"), parts.hub.get("club-judge")
    competition = default_competition()
    signals = {row["entry_id"]: row for row in bench.rows("judge/signals")}
    for entry in bench.rows("judge/entries"):
        variables = critique_variables(
            title=entry["title"],
            category=category_of(entry["relative_path"], competition),
            signals=signal_values(signals[entry["entry_id"]]),
            competition=competition,
        )
        rendered = render(profile, "critique", variables)
        request = Request(
            model=model,
            system=rendered.system,
            user=rendered.user,
            images=(Image(digest="", media_type="image/jpeg", load=bytes),),
            output_schema=rendered.output_schema,
            labels=Labels(stage="judge/critiques"),
        )
        fields = map_parameters(model, rendered.parameters, VLLM).fields
        body = b"".join(chat_body(request, served_model=SERVED, fields=fields, pictures=(PICTURE,)))
        before, _, after = body.partition(PICTURE)
        yield Ready(folder / entry["relative_path"], before, after)


async def bare(ready: list[Ready], url: str) -> Spent:
    """For all photos: read, decode, shrink, encode, send, parse; nothing else."""
    slots = asyncio.Semaphore(CONCURRENCY)
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:

            async def one(photo: Ready) -> None:
                async with slots:
                    content = await loop.run_in_executor(threads, body, photo)
                    async with client.post(
                        f"{url}/v1/chat/completions",
                        data=content,
                        headers={"Content-Type": "application/json"},
                    ) as response:
                        said = await response.json()
                    json.loads(said["choices"][0]["message"]["content"])

            began, spent = time.perf_counter(), time.process_time()
            await asyncio.gather(*(one(photo) for photo in ready))
            return Spent(time.perf_counter() - began, time.process_time() - spent)


def body(photo: Ready) -> bytes:
    """The body that the asset sends for this photo."""
    pixels: Any = cv2.imread(str(photo.path), cv2.IMREAD_COLOR)
    height, width = pixels.shape[:2]
    scale = LONG_SIDE / max(height, width)
    small = cv2.resize(pixels, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
    return photo.before + base64.b64encode(jpeg.tobytes()) + photo.after


def check_same(history: list[dict[str, Any]]) -> None:
    """Each of the three passes has sent the same bodies, pictures included."""
    sent = [
        Counter(json.dumps(asked["body"], sort_keys=True) for asked in history[start : start + PHOTOS])
        for start in range(0, 3 * PHOTOS, PHOTOS)
    ]
    if not sent[0] == sent[1] == sent[2] or len(sent[0]) != PHOTOS:
        raise AssertionError("the bare loop and the asset did not send the same bodies")
