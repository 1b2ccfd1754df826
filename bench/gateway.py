"""What the gateway adds to a request, and how many it carries, beside LiteLLM's proxy: `python -m bench gateway`.

One run, one machine, before one server that answers at once: direct, through ours (leases enforced, telemetry, an API
key) and through LiteLLM's proxy (no logging, a master key), each with one process. All three have each case in turn,
in rounds of which the medians count, so that whatever else the machine does falls on all of them. What is added is the
difference to direct.
"""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from bench.http_load import ROOT, Carried, Load, carried, medians
from bench.litellm_proxy import KEY, litellm_proxy
from bench.own_process import free_port, served
from bench.result import Result
from bench.server import SERVED, write_registry

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = "bench-vlm"
ROUNDS = 3
ROUND_S = 2.0


@dataclass(frozen=True)
class Target:
    """Who is asked.

    Attributes:
        name: In words.
        url: Where.
        model: What the model is called there.
        key: What opens it; none for the server itself.
        pid: Of its process, where that is looked at.
    """

    name: str
    url: str
    model: str
    key: str = ""
    pid: int = 0


@dataclass(frozen=True)
class Case:
    """How it is asked."""

    at_once: int
    picture: bool = False
    stream: bool = False

    @property
    def name(self) -> str:
        """In words."""
        kind = "stream" if self.stream else "with a picture" if self.picture else "text"
        return f"{kind}, {self.at_once} at once"


ALONE, ALONE_SEEING = Case(1), Case(1, picture=True)
SOME, SOME_SEEING = Case(16), Case(16, picture=True)
MANY, MANY_SEEING = Case(64), Case(64, picture=True)
STREAMED = Case(1, stream=True)
CASES = (ALONE, ALONE_SEEING, SOME, SOME_SEEING, MANY, MANY_SEEING, STREAMED)


def run() -> list[Result]:
    """Ask all three in turns."""
    with tempfile.TemporaryDirectory() as place, at_once_server() as url:
        folder = Path(place)
        with own_gateway(folder, url) as ours, litellm_proxy(folder, url) as theirs:
            targets = (Target("direct", url, SERVED), ours, Target("LiteLLM", theirs, MODEL, KEY))
            rounds = [
                {(target.name, case): carried(load(target, case)) for case in CASES for target in targets}
                for _ in range(ROUNDS)
            ]
    measured = {key: medians([one[key] for one in rounds]) for key in rounds[0]}
    Console().print(as_table(measured))
    return results(measured)


def results(measured: dict[tuple[str, Case], Carried]) -> list[Result]:
    """The figures that have goals, and those that they rest on."""

    def added(name: str, case: Case) -> float:
        return measured[name, case].p50_ms - measured["direct", case].p50_ms

    def more(case: Case) -> float:
        return measured["ours", case].a_second / measured["LiteLLM", case].a_second

    def first_byte(name: str) -> float:
        return measured[name, STREAMED].first_byte_p50_ms - measured["direct", STREAMED].first_byte_p50_ms

    return [
        Result("gateway_added", added("ours", ALONE), "ms"),
        Result("gateway_added_over_litellm", added("ours", ALONE) / added("LiteLLM", ALONE), "ratio", 1 / 12),
        Result("gateway_added_with_picture", added("ours", ALONE_SEEING), "ms"),
        Result(
            "gateway_added_over_litellm_with_picture",
            added("ours", ALONE_SEEING) / added("LiteLLM", ALONE_SEEING),
            "ratio",
        ),
        Result("gateway_first_byte_added", first_byte("ours"), "ms"),
        Result("gateway_first_byte_added_over_litellm", first_byte("ours") / first_byte("LiteLLM"), "ratio"),
        Result("gateway_carried_16", measured["ours", SOME].a_second, "1/s"),
        Result("gateway_carried_over_litellm_16", more(SOME), "ratio", 10.0, "at least"),
        Result("gateway_carried_over_litellm_16_with_picture", more(SOME_SEEING), "ratio"),
        Result("gateway_carried_64", measured["ours", MANY].a_second, "1/s"),
        Result("gateway_carried_over_litellm_64", more(MANY), "ratio"),
        Result("gateway_carried_over_litellm_64_with_picture", more(MANY_SEEING), "ratio"),
    ]


def load(target: Target, case: Case, *, requests: int = 0) -> Load:
    """A chat of this kind with this target."""
    content: Any = "What is good about this photo?"
    if case.picture:
        shown = {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{picture()}"}}
        content = [{"type": "text", "text": content}, shown]
    body = {
        "model": target.model,
        "messages": [{"role": "user", "content": content}],
        "temperature": 0.2,
        "max_tokens": 100,
        "stream": case.stream,
    }
    headers = {"Authorization": f"Bearer {target.key}"} if target.key else {}
    return Load(
        f"{target.url}/v1/chat/completions",
        json.dumps(body),
        headers,
        case.at_once,
        seconds=ROUND_S,
        requests=requests,
    )


def picture() -> str:
    """A JPEG of about 200 KB in base64, the same each time."""
    pixels = np.random.default_rng(7).integers(0, 255, (400, 500, 3), dtype=np.uint8)
    made = io.BytesIO()
    Image.fromarray(pixels).save(made, "JPEG", quality=85)
    return base64.b64encode(made.getvalue()).decode()


@contextmanager
def at_once_server() -> Iterator[str]:
    """The URL of the server."""
    command = [sys.executable, "-m", "bench.at_once_server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@contextmanager
def own_gateway(folder: Path, url: str) -> Iterator[Target]:
    """Our gateway before the server, in a home of its own, with all that it does for everybody."""
    home, port = folder / "home", free_port()
    write_registry(home, url)
    environ = {**os.environ, "IMAGEWORKS_HOME": str(home), "IMAGEWORKS_LEASES": "enforce"}
    gateway = [sys.executable, "-m", "gateway"]
    key = subprocess.run(
        [*gateway, "keys", "make", "bench"], env=environ, capture_output=True, text=True, check=True
    )
    command = [*gateway, "serve", "--port", str(port)]
    own = f"http://127.0.0.1:{port}"
    with served(command, own, ready="/readyz", log=folder / "gateway.log", environ=environ) as process:
        yield Target("ours", own, MODEL, key.stdout.strip(), process.pid)


def as_table(measured: dict[tuple[str, Case], Carried]) -> Table:
    """All that was measured."""
    table = Table("case", "who", "p50 ms", "first byte ms", "requests/s", title="Over HTTP")
    for (name, case), one in measured.items():
        table.add_row(
            case.name, name, f"{one.p50_ms:.2f}", f"{one.first_byte_p50_ms:.2f}", f"{one.a_second:,.0f}"
        )
    return table
