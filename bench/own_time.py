"""Our own time a request, without body and transport: the wall time of a critique where sending costs nothing.

The shipped judge asks: its whole prompt, rendered anew from each entry's title, category, signals and the club's notes,
its schema, and an answer of the length that it asks for, read as the stage reads it. All seven steps of the client are
in it: resolve, recall, lease, parameters, ask, check against the schema, event and kept answer on the disk. Only
pictures and the bytes on the wire are not: the transport is one that answers at once.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends.client import Client
from backends.output_schemas import canonical_schema
from backends.request import Labels, Request
from backends.transport import Response
from bench.result import Result
from bench.server import write_registry
from imageworks.judge_vision.competition import default_competition
from imageworks.judge_vision.critiquing import critique_facts, critique_variables, read_critique
from imageworks_dagster.process_memory import settle
from prompt_hub.hub import PromptHub
from prompt_hub.rendering import render
from registry.registry import Registry
from store.database import StateDatabase
from store.home import Home
from store.settings import Settings
from telemetry.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from backends.leases.seam import Leasing
    from prompt_hub.schema import PromptProfile
    from registry.schema import Model

REQUESTS = 4000
WARM_UP = 100
CONCURRENCY = 16
SIGNALS = {
    "luma_p1": 8.0,
    "luma_p50": 103.0,
    "luma_p99": 240.0,
    "luma_mean": 104.2,
    "clipped_shadows": 0.0001,
    "clipped_highlights": 0.0012,
    "contrast": 0.2281,
    "saturation": 0.42,
    "colorfulness": 56.9,
    "sharpness": 642.37,
    "noise": 2.13,
    "edge_density": 0.131,
    "blockiness": 1.02,
}
COMPETITION = default_competition().model_copy(
    update={"notes": "Pictures of every kind. Borders, names and logos in the picture are not wanted."}
)
CRITIQUE = {
    "critique": " ".join(
        ["A trawler rests on wet shingle under a low, warm sky that the water gives back."] * 8
    ),
    "improvement": "Crop a little from the empty left edge, so that the bow comes nearer to the third it leans to.",
    "impact": 16,
    "composition": 15,
    "technique": 17,
    "score": 16,
}
ANSWER = json.dumps(
    {
        "model": "double-vlm",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": json.dumps(CRITIQUE)},
            }
        ],
        "usage": {"prompt_tokens": 2300, "completion_tokens": 240},
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
    wall, cpu = asked_in_a_new_process()
    return [
        Result("own_time_a_request", wall / REQUESTS * 1e6, "us", 500.0),
        Result("own_cpu_time_a_request", cpu / REQUESTS * 1e6, "us"),
    ]


def asked_in_a_new_process(
    leasing: Callable[[StateDatabase], Leasing] | None = None,
) -> tuple[float, float]:
    """Seconds for all requests where nothing is known yet, in a process of their own as a run has; see ``ask``.

    Args:
        leasing: A function of a module, which the process imports.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_asked, leasing).result()


def _asked(leasing: Callable[[StateDatabase], Leasing] | None) -> tuple[float, float]:
    # As a stage does before it asks.
    settle()
    with tempfile.TemporaryDirectory() as place:
        home = Path(place) / "home"
        write_registry(home, "http://127.0.0.1:1")
        return asyncio.run(ask(Settings(home=home, concurrency=CONCURRENCY), leasing))


async def ask(
    settings: Settings, leasing: Callable[[StateDatabase], Leasing] | None = None
) -> tuple[float, float]:
    """Seconds for all requests, by the clock on the wall and by that of our threads together.

    Args:
        settings: With the home.
        leasing: Makes what grants leases; at once if None.
    """
    registry = Registry.load(settings.home / "registry.yaml")
    model = registry.resolve("bench-vlm")
    profile = PromptHub.load().get("club-judge")
    with StateDatabase.open(settings) as database, Spool(Home.of(settings).spool) as spool:
        leases = None if leasing is None else leasing(database)
        async with Client(settings, registry, database, spool, {}, leasing=leases) as client:
            client._transports["vllm"] = AtOnce()  # type: ignore[assignment]  # noqa: SLF001 - what is measured is all else
            await answered(client, requests(model, profile, range(WARM_UP)))
            began, spent = time.perf_counter(), time.process_time()
            await answered(client, requests(model, profile, range(WARM_UP, WARM_UP + REQUESTS)))
            return time.perf_counter() - began, time.process_time() - spent


def requests(model: Model, profile: PromptProfile, numbers: range) -> Iterator[Request]:
    """A request an entry, as `judge/critiques` makes it, without its picture."""
    schema = canonical_schema(profile.stage("critique").output)
    for number in numbers:
        title, signals = f"Entry {number}", {**SIGNALS, "luma_mean": 20.0 + number % 200}
        variables = critique_variables(title=title, category="Open", signals=signals, competition=COMPETITION)
        rendered = render(profile, "critique", variables)
        yield Request(
            model=model,
            system=rendered.system,
            user=rendered.user,
            output_schema=schema,
            parameters=rendered.parameters,
            variables=critique_facts(title=title, signals=signals, width=1600, height=1067),
            labels=Labels(
                stage="judge/critiques",
                run_id="a74b9b7e-8a5a-4f0c-8f5e-3d8f0b8d9c11",
                batch="bench",
                entry_id=f"bench/Entry {number}.jpg",
                photo_ids=(f"{number:064x}",),
                profile_id=rendered.profile_id,
                profile_stage=rendered.profile_stage,
                profile_hash=rendered.profile_hash,
                stage_hash=rendered.stage_hash,
                prompt_hub_version=rendered.profile_hash,
                registry_version=rendered.stage_hash,
            ),
        )


async def answered(client: Client, asked: Iterator[Request]) -> None:
    """Ask them all, and read each answer as the stage does."""
    async for _, answer in client.map(asked):
        read_critique(answer.data)
