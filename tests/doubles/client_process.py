"""A client in a process of its own, to be killed: asks so many questions of a server and prints what it was told.

    python tests/doubles/client_process.py HOME URL COUNT CONCURRENCY TRACE_ID

The trace id stands in every event and every request, so that what this process did can be told from what others did.
Each answer is a line ``<question> <recalled> <answered by>``; the line ``done`` ends a run that came to its end.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import aclosing
from pathlib import Path

from client_desk import model_at, picture, request_of

from backends.client import Client
from registry.registry import Registry
from store.database import StateDatabase
from store.home import Home
from store.settings import Settings
from telemetry.spool import Spool


async def ask(home: Path, url: str, count: int, concurrency: int, trace_id: str) -> None:
    """Ask `count` questions."""
    settings = Settings(home=home, concurrency=concurrency, breaker_failures=1000)
    model = model_at(url)
    requests = [
        request_of(
            model,
            f"Photo {number:04d}",
            images=(picture(f"{number:064d}"),),
            labels={"photo_ids": (f"photo-{number}",), "trace_id": trace_id},
        )
        for number in range(count)
    ]
    registry = Registry.load(None, environ={})
    with StateDatabase.open(settings) as database, Spool(Home.of(settings).spool) as spool:
        async with (
            Client(settings, registry, database, spool, {}) as client,
            aclosing(client.map(requests)) as done,
        ):
            async for request, answer in done:
                assert answer.ok, answer.error_message
                _tell(request.user[-4:], int(answer.recalled), answer.request_id)
    _tell("done")


def _tell(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(ask(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]))
