"""The double of vLLM as a supervisor's child, which notes in a shared file what it is asked.

The file outlives it, one JSON line an event, so that a test can see over all of them what was asked twice, and whether
two that do not fit together were there at once.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vllm_double import VllmDouble

if TYPE_CHECKING:
    from aiohttp import web


class LoggedVllm(VllmDouble):
    """The server; ``memory_mib`` is what it says it takes while it is there."""

    def __init__(self, log: Path, memory_mib: int, **options: Any) -> None:
        super().__init__(**options)
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._memory_mib = memory_mib

    def note(self, what: str, **facts: Any) -> None:
        line = {"what": what, "model": self.model, "memory_mib": self._memory_mib, **facts}
        # One write a line: all children append to one file.
        os.write(self._log, json.dumps(line).encode() + b"\n")

    async def _answer(
        self, request: web.Request, body: dict[str, Any], digest: bytes, fault: Any
    ) -> web.StreamResponse:
        question = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        facts = {"question": question, "request_id": request.headers.get("X-Request-Id")}
        self.note("asked", **facts)
        response = await super()._answer(request, body, digest, fault)
        self.note("answered", **facts)
        return response


def main() -> None:
    """Serve from the command line until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--memory-mib", type=int, required=True)
    parser.add_argument("--latency", type=float, default=0.0)
    options = parser.parse_args()
    double = LoggedVllm(
        options.log,
        options.memory_mib,
        model=options.model,
        latency_s=options.latency,
        port=options.port,
    )

    async def serve() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        double.note("came")
        await double.serve(stop)
        double.note("went")

    asyncio.run(serve())


if __name__ == "__main__":
    main()
