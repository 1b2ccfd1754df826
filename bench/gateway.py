"""What a gateway adds: ours, and LiteLLM's proxy, before one local server that answers at once.

Ours has leases, telemetry and an API key on; LiteLLM has a key, and nothing else that costs. It is installed into an
environment of its own in the cache folder, so this bench runs only when it is named, and with a package index at hand.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import cv2
import httpx
import numpy as np
import uvloop
from httpx_aiohttp import AiohttpTransport

from bench.result import Result
from gateway.keys import Keys
from store.database import StateDatabase
from store.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

LITELLM: Final = "litellm[proxy]"
PICTURE_BYTES: Final = 200_000
# Of each kind: requests one after another, and at so many at once.
ONE_BY_ONE: Final = {"ours": 1500, "direct": 1500, "litellm": 200}
TOGETHER: Final = {"ours": 4000, "direct": 4000, "litellm": 600}
FLAT: Final = (10_000, 100_000)
READY_S: Final = 180
KEY_OF_LITELLM: Final = "sk-bench"

REGISTRY = """
models:
  instant:
    capabilities:
      chat: {{context_tokens: 16384, max_output_tokens: 4096, structured_output: true}}
      vision: {{max_images: 2, max_long_side: 2048}}
    deployments:
      - {{name: local, provider: openai, base_url: "{url}", served_model_id: instant}}
"""


def run() -> list[Result]:
    """Measure each in turn, with the same client."""
    with ExitStack() as running, tempfile.TemporaryDirectory() as place:
        direct = running.enter_context(
            _printing([sys.executable, str(Path(__file__).with_name("instant.py"))])
        )
        ours, key, pid = running.enter_context(_gateway(Path(place), direct))
        measured = {
            "direct": _measured("direct", direct, ""),
            "ours": _measured("ours", ours, key),
        }
        before, after = _memory(ours, key, pid)
        with _litellm(Path(place), direct) as theirs:
            measured["litellm"] = _measured("litellm", theirs, KEY_OF_LITELLM)
    print(json.dumps(measured, indent=1))
    return [*_results(measured), Result("gateway_memory_after_over_before", after / before, "ratio", 1.1)]


def _results(measured: dict[str, dict[str, float]]) -> list[Result]:
    direct, ours, litellm = (measured[name] for name in ("direct", "ours", "litellm"))
    results: list[Result] = []
    for kind in ("text", "picture"):
        added = {
            name: measured[name][f"{kind}_p50_ms"] - direct[f"{kind}_p50_ms"] for name in ("ours", "litellm")
        }
        results += [
            Result(f"gateway_adds_{kind}", added["ours"], "ms"),
            Result(f"litellm_adds_{kind}", added["litellm"], "ms"),
            Result(f"gateway_adds_over_litellm_{kind}", added["ours"] / added["litellm"], "ratio", 1 / 12),
        ]
        for at_once in (16, 64):
            figure = f"{kind}_{at_once}_a_second"
            goal = 10.0 if at_once == 16 else None
            results += [
                Result(f"gateway_{figure}", ours[figure], "1/s"),
                Result(f"litellm_{figure}", litellm[figure], "1/s"),
                Result(
                    f"gateway_over_litellm_{figure}",
                    ours[figure] / litellm[figure],
                    "ratio",
                    goal,
                    "at least",
                ),
            ]
    return [
        *results,
        Result("gateway_adds_to_first_event", ours["first_ms"] - direct["first_ms"], "ms"),
        Result("litellm_adds_to_first_event", litellm["first_ms"] - direct["first_ms"], "ms"),
    ]


def _measured(name: str, url: str, key: str) -> dict[str, float]:
    return uvloop.run(_measure(name, url, key))


async def _measure(name: str, url: str, key: str) -> dict[str, float]:
    figures: dict[str, float] = {}
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    limits = httpx.Limits(max_connections=0)
    async with httpx.AsyncClient(
        transport=AiohttpTransport(limits=limits), base_url=url, headers=headers, timeout=60
    ) as client:
        for kind, body in (("text", _body()), ("picture", _body(_picture()))):
            await _times(client, body, 50)
            times = await _times(client, body, ONE_BY_ONE[name])
            figures[f"{kind}_p50_ms"] = statistics.median(times) * 1000
            for at_once in (16, 64):
                count = TOGETHER[name] // (1 if kind == "text" else 4)
                began = time.perf_counter()
                await asyncio.gather(*(_times(client, body, count // at_once) for _ in range(at_once)))
                figures[f"{kind}_{at_once}_a_second"] = (
                    count // at_once * at_once / (time.perf_counter() - began)
                )
        figures["first_ms"] = statistics.median([await _first(client) for _ in range(100)]) * 1000
    return figures


async def _times(client: httpx.AsyncClient, body: bytes, count: int) -> list[float]:
    times = []
    for _ in range(count):
        began = time.perf_counter()
        response = await client.post(
            "/v1/chat/completions", content=body, headers={"Content-Type": "application/json"}
        )
        times.append(time.perf_counter() - began)
        assert response.status_code == 200, response.text[:500]
    return times


async def _first(client: httpx.AsyncClient) -> float:
    body = json.loads(_body()) | {"stream": True}
    began = time.perf_counter()
    async with client.stream("POST", "/v1/chat/completions", json=body) as response:
        assert response.status_code == 200
        pieces = response.aiter_raw()
        await anext(pieces)
        first = time.perf_counter() - began
        async for _ in pieces:
            pass
    return first


def _memory(url: str, key: str, pid: int) -> tuple[int, int]:
    """Bytes of the gateway after some requests, and after many."""

    async def ask(count: int) -> None:
        async with httpx.AsyncClient(
            transport=AiohttpTransport(), base_url=url, headers={"Authorization": f"Bearer {key}"}
        ) as client:
            await asyncio.gather(*(_times(client, _body(), count // 32) for _ in range(32)))

    sizes = []
    done = 0
    for until in FLAT:
        uvloop.run(ask(until - done))
        done = until
        resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        sizes.append(resident * os.sysconf("SC_PAGE_SIZE"))
    return sizes[0], sizes[1]


def _body(picture: str | None = None) -> bytes:
    text = "What do you see in this picture? Answer in one sentence."
    content: Any = text
    if picture is not None:
        content = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": picture}}]
    said = {"model": "instant", "messages": [{"role": "user", "content": content}], "temperature": 0.2}
    return json.dumps(said).encode()


def _picture() -> str:
    """A JPEG of noise, of about the size that is wanted."""
    noise = np.random.default_rng(7).integers(0, 256, (330, 330, 3), np.uint8)
    _, encoded = cv2.imencode(".jpg", noise, [cv2.IMWRITE_JPEG_QUALITY, 95])
    assert abs(len(encoded) - PICTURE_BYTES) < PICTURE_BYTES / 2, len(encoded)
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.tobytes()).decode()}"


@contextmanager
def _printing(command: list[str]) -> Iterator[str]:
    """The URL that a server prints, while it runs."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@contextmanager
def _gateway(place: Path, direct: str) -> Iterator[tuple[str, str, int]]:
    home = place / "home"
    home.mkdir()
    (home / "registry.yaml").write_text(REGISTRY.format(url=direct), encoding="utf-8")
    with StateDatabase.open(Settings(home=home)) as database:
        _, key = Keys(database).make("bench")
    port = _free_port()
    command = [sys.executable, "-m", "gateway", "serve", "--port", str(port), "--home", str(home)]
    environ = {**os.environ, "IMAGEWORKS_LEASES": "enforce"}
    with _served(command, f"http://127.0.0.1:{port}", "/readyz", environ) as process:
        yield f"http://127.0.0.1:{port}", key, process.pid


@contextmanager
def _litellm(place: Path, direct: str) -> Iterator[str]:
    environment = (
        Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "imageworks-bench" / "litellm"
    )
    if not (environment / "bin" / "litellm").exists():
        uv = Path(sys.executable).parent.parent / "uv" / "bin" / "uv"
        subprocess.run([uv, "venv", "--quiet", "--clear", environment], check=True)
        python = environment / "bin" / "python"
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, LITELLM], check=True)
    configuration = {
        "model_list": [
            {
                "model_name": "instant",
                "litellm_params": {"model": "openai/instant", "api_base": f"{direct}/v1", "api_key": "none"},
            }
        ],
        "general_settings": {"master_key": KEY_OF_LITELLM},
        "litellm_settings": {"telemetry": False, "drop_params": True},
    }
    file = place / "litellm.json"
    file.write_text(json.dumps(configuration), encoding="utf-8")
    port = _free_port()
    command = [
        str(environment / "bin" / "litellm"),
        "--config",
        str(file),
        "--port",
        str(port),
        "--host",
        "127.0.0.1",
    ]
    with _served(command, f"http://127.0.0.1:{port}", "/health/liveliness", dict(os.environ)):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _served(
    command: list[str], url: str, page: str, environ: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            deadline = time.monotonic() + READY_S
            while True:
                assert process.poll() is None, f"{command[0]} ended"
                assert time.monotonic() < deadline, f"{command[0]} did not begin"
                try:
                    if httpx.get(f"{url}{page}").status_code == 200:
                        break
                except httpx.TransportError:
                    time.sleep(0.2)
            yield process
        finally:
            process.terminate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
