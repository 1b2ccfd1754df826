"""Asks telemetry in processes of their own, a few at once, and ends those that take too long or that nobody hears."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import orjson

from gateway.errors import BadRequest, DeadlineExceeded, Overloaded, Unavailable
from gateway.queries.child import HEAD_BYTES
from store.object_paths import STORE_VARIABLES

if TYPE_CHECKING:
    from asyncio.subprocess import Process

    from store.settings import Settings

AT_ONCE: Final = 2
"""Queries that are asked at once."""

MOST_WAITING: Final = 16
"""Queries that wait for their turn; more get a 429."""

LONGEST_S: Final = 30.0
"""Seconds for one query."""

_SPARE_S: Final = 5
# What Python itself needs; secrets are in the others, of which a store of objects needs its own.
_PASSED_ON: Final = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "PYTHONPATH",
    "PYTHONHOME",
    "VIRTUAL_ENV",
)


class Analyst:
    """Asks queries. Belongs to one event loop."""

    def __init__(self, settings: Settings, *, longest_s: float = LONGEST_S) -> None:
        """Make it; a process is started when something is asked."""
        self._settings = settings
        self._longest_s = longest_s
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._idle: list[Process] = []

    async def ask(self, text: str, limit: int) -> dict[str, Any]:
        """Columns and rows of one SELECT.

        Args:
            text: The query.
            limit: Most rows.

        Raises:
            BadRequest: It may not be asked, or is wrong, or takes too much.
            Overloaded: Too many wait.
            DeadlineExceeded: It took too long.
            Unavailable: Telemetry cannot be read.
        """
        if self._waiting >= MOST_WAITING:
            raise Overloaded(f"{MOST_WAITING} queries wait already. Come again in a moment.", retry_after_s=1)
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1
        try:
            said = await self._asked(text, limit)
        finally:
            self._turns.release()
        if "refused" in said:
            raise BadRequest(said["refused"], param="sql", code=said["code"])
        if "failed" in said:
            raise Unavailable(said["failed"])
        return said

    async def close(self) -> None:
        """End the processes."""
        while self._idle:
            await _end(self._idle.pop())

    async def _asked(self, text: str, limit: int) -> dict[str, Any]:
        # One that ended meanwhile, by whatever hand, is none any longer.
        self._idle = [one for one in self._idle if one.returncode is None]
        process = self._idle.pop() if self._idle else await self._started()
        whole = False
        try:
            async with asyncio.timeout(self._longest_s):
                seconds = int(self._longest_s) + _SPARE_S
                await _send(process, {"sql": text, "limit": limit, "seconds": seconds})
                answer = await _receive(process)
                whole = True
        except TimeoutError as error:
            raise DeadlineExceeded(
                f"The query took longer than the {self._longest_s:g} s that it may.", code="query_too_long"
            ) from error
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            status = await process.wait()
            if status >= 0:
                raise RuntimeError(f"the process that asks telemetry ended with status {status}") from error
            raise BadRequest(
                "The query took more memory than it may, and its process ended.",
                param="sql",
                code="query_too_large",
            ) from error
        finally:
            # Whatever else ended the wait, a query may still run there.
            if whole:
                self._idle.append(process)
            else:
                await asyncio.shield(_end(process))
        return answer

    async def _started(self) -> Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "gateway.queries.child",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=self._environment(),
            start_new_session=True,
        )
        url = self._settings.state_url
        settings = {
            "home": str(self._settings.home),
            "state_url": None if url is None else url.get_secret_value(),
            "artifacts_url": self._settings.artifacts_url,
        }
        await _send(process, {"settings": settings})
        return process

    def _environment(self) -> dict[str, str]:
        known = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        if self._settings.artifacts_url is not None:
            # The tables are where these lead.
            known |= {name: value for name, value in os.environ.items() if name.startswith(STORE_VARIABLES)}
        return known


async def _send(process: Process, said: dict[str, Any]) -> None:
    assert process.stdin is not None  # noqa: S101 - it was opened
    frame = orjson.dumps(said)
    process.stdin.write(len(frame).to_bytes(HEAD_BYTES) + frame)
    await process.stdin.drain()


async def _receive(process: Process) -> dict[str, Any]:
    assert process.stdout is not None  # noqa: S101 - it was opened
    size = int.from_bytes(await process.stdout.readexactly(HEAD_BYTES))
    received: dict[str, Any] = orjson.loads(await process.stdout.readexactly(size))
    return received


async def _end(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()
