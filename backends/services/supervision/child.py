"""A model server as a child process, with all the processes that it starts."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from backends.services.supervision import leash
from backends.services.supervision.errors import BadCommand, CannotStart

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from backends.services.supervision.output import Output

_PIECE: Final = 64 * 1024
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_MIB: Final = 1024 * 1024
# When all processes of the tree have ended, nobody is left to write, except whom the server handed its output to.
_LAST_WORDS_S: Final = 1.0


class Child:
    """One process tree, held by a leash.

    Attributes:
        pid: The model server's own process id.
    """

    def __init__(self, held: asyncio.subprocess.Process, pid: int, reading: asyncio.Task[None]) -> None:
        """Made by `start`.

        Args:
            held: The leash.
            pid: The server that it holds.
            reading: Takes what the server writes, until nobody can write any more.
        """
        self.pid = pid
        self._leash = held
        self._reading = reading
        self._ended = asyncio.create_task(self._wait())

    @classmethod
    async def start(cls, command: Sequence[str], environ: Mapping[str, str], output: Output) -> Self:
        """Start a server.

        Args:
            command: Program and arguments.
            environ: All of its environment.
            output: Takes what it writes to standard output and standard error.

        Raises:
            BadCommand: There is no such program, or it may not be run.
            CannotStart: The machine has no room for a process.
        """
        try:
            held = await asyncio.create_subprocess_exec(
                sys.executable,
                "-IS",
                leash.__file__,
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=dict(environ),
                start_new_session=True,
            )
        except OSError as error:
            raise CannotStart(f"No process can be started: {error.strerror or error}.") from error
        reading = asyncio.create_task(_read(held, output))
        said = _said(await _pipe(held.stdout).readline())
        pid = said.get("pid")
        if isinstance(pid, int):
            return cls(held, pid, reading)
        await held.wait()
        await _finish(reading)
        kind = BadCommand if said.get("bad_command") is True else CannotStart
        raise kind(
            f"The model's command cannot be run: {said.get('cannot_start', 'its leash ended at once')}. "
            "See the command in the supervisor's configuration."
        )

    @property
    def has_ended(self) -> bool:
        """Whether every process of the tree has ended."""
        return self._ended.done()

    async def ended(self) -> str:
        """Return once every process of the tree has ended, and say how the server did."""
        return await asyncio.shield(self._ended)

    def terminate(self) -> None:
        """SIGTERM for the server's process group."""
        self._tell(b"T")

    def kill(self) -> None:
        """SIGKILL for every process of the tree."""
        self._tell(b"K")

    async def end(self, patience_s: float) -> None:
        """End the tree: SIGTERM, and SIGKILL for what is left after so many seconds. Returns when none is left."""
        self.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self.ended()
        self.kill()
        await self.ended()

    def resident_mib(self) -> int:
        """Resident memory of the tree in MiB; pages that several of its processes share count in each."""
        pages = 0
        for pid in leash.descendants(self._leash.pid):
            with suppress(OSError, IndexError):
                pages += int(Path(f"/proc/{pid}/statm").read_bytes().split()[1])
        return pages * _PAGE // _MIB

    def _tell(self, order: bytes) -> None:
        writer = _writer(self._leash)
        # Between the end of the leash and ours nobody is left to tell.
        if not writer.is_closing():
            writer.write(order)

    async def _wait(self) -> str:
        status: int | None = None
        while line := await _pipe(self._leash.stdout).readline():
            status = _said(line).get("exited", status)
        if await self._leash.wait() != 0:
            # Somebody killed the leash; the server died with it, its group may not have.
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        await _finish(self._reading)
        _writer(self._leash).close()
        return _in_words(status)


def refuse_taken_port(port: int) -> None:
    """Make sure that nobody listens where a server is about to: its health would be taken for the server's.

    Raises:
        CannotStart: Somebody does.
    """
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", port))
        except OSError as error:
            raise CannotStart(
                f"The model server cannot listen on port {port} of the loopback: {error.strerror}. "
                "End what listens there, or give another child_port."
            ) from error


async def _read(held: asyncio.subprocess.Process, output: Output) -> None:
    pipe = _pipe(held.stderr)
    while data := await pipe.read(_PIECE):
        output.feed(data)


async def _finish(reading: asyncio.Task[None]) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(_LAST_WORDS_S):
            await reading


def _said(line: bytes) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(line or b"{}")
    return said


def _pipe(pipe: asyncio.StreamReader | None) -> asyncio.StreamReader:
    if pipe is None:  # pragma: no cover - all three are pipes
        raise CannotStart("The leash of a model server has no pipe.")
    return pipe


def _writer(held: asyncio.subprocess.Process) -> asyncio.StreamWriter:
    if held.stdin is None:  # pragma: no cover - all three are pipes
        raise CannotStart("The leash of a model server has no pipe.")
    return held.stdin


def _in_words(status: int | None) -> str:
    if status is None:
        return "was killed together with its leash"
    if status >= 0:
        return f"exited with status {status}"
    return f"was killed by signal {-status} ({signal.strsignal(-status)})"
