"""A gateway as a process of its own: the real command, or the same application with a look at what it holds.

As a program it serves what `python -m gateway serve` serves, and ``GET /double/standing``: its tasks, open files,
objects and memory.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx

from gateway.app import create_app
from gateway.serving import web_server
from store.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
READY_S = 60
_COMMAND = (sys.executable, "-m", "gateway", "serve")
_WATCHED = (sys.executable, __file__)


class GatewayProcess:
    """The process. Use as a context manager; it is killed at the end if it still runs.

    Attributes:
        url: Where it is.
        process: It.
    """

    def __init__(self, home: Path, port: int, *, watched: bool = False, **settings: Any) -> None:
        self.url = f"http://127.0.0.1:{port}"
        command: Sequence[str] = _WATCHED if watched else _COMMAND
        environ = {f"IMAGEWORKS_{name.upper()}": str(value) for name, value in settings.items()}
        self._log = home.parent / "gateway.log"
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--port", str(port), "--home", str(home)],
                env={**os.environ, **environ, "PYTHONPATH": str(ROOT)},
                stdout=log,
                stderr=log,
            )

    def __enter__(self) -> Self:
        deadline = time.monotonic() + READY_S
        while True:
            assert self.process.poll() is None, self._log.read_text()[-2000:]
            assert time.monotonic() < deadline, "the gateway did not begin"
            try:
                if httpx.get(f"{self.url}/readyz").status_code == 200:
                    return self
            except httpx.TransportError:
                time.sleep(0.05)

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def main() -> None:
    """Serve, and show what is held."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    _, port, _, home = sys.argv[1:]
    settings = Settings(home=Path(home), gateway_port=int(port))
    app = create_app(settings=settings)
    app.add_api_route("/double/standing", _standing, methods=["GET"])
    web_server(app, settings, log_level="warning").run()


async def _standing() -> dict[str, int]:
    gc.collect()
    return {
        "tasks": len(asyncio.all_tasks()),
        "files": len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - no disk is waited for
        "objects": len(gc.get_objects()),
    }


if __name__ == "__main__":
    main()
