"""A wire between a client and a real server, on which a test counts questions and acts before the next one passes."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

_QUESTION: Final = b"POST /v1/chat/completions "
_CHUNK: Final = 64 * 1024


class Relay:
    """Passes bytes both ways, in a thread of its own, until one question too many. Use as a context manager.

    In a test::

        with Relay(server.url, questions=8, then=server.kill) as relay:
            ...  # ask at relay.url: seven questions pass; at the eighth the server is killed and the wire is cut
    """

    def __init__(self, url: str, *, questions: int, then: Callable[[], None]) -> None:
        """Make the wire.

        Args:
            url: The real server's.
            questions: The question that does not pass any more, counted from 1.
            then: What to do instead.
        """
        self._server = urlsplit(url)
        self._questions_left = questions
        self._then = then
        self._port = 0
        self._wires: set[asyncio.StreamWriter] = set()
        self._over = asyncio.Event()
        self._left = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._work, name="relay", daemon=True)

    @property
    def url(self) -> str:
        """Where to ask."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def cut(self) -> bool:
        """Whether so many questions came."""
        return self._questions_left == 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._listening.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._loop.call_soon_threadsafe(self._left.set)
        self._thread.join()

    def _work(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        listener = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        self._port = listener.sockets[0].getsockname()[1]
        self._listening.set()
        await self._over.wait()
        # Nobody listens here from now on, as at the address of a dead server.
        listener.close()
        for wire in self._wires:
            wire.transport.abort()
        await self._left.wait()

    async def _pass(self, asking: asyncio.StreamReader, asked: asyncio.StreamWriter) -> None:
        answering, answered = await asyncio.open_connection(self._server.hostname, self._server.port)
        wires = {asked, answered}
        self._wires |= wires
        try:
            with suppress(ConnectionError):
                await asyncio.gather(self._questions(asking, answered), _copy(answering, asked))
        finally:
            self._wires -= wires
            for wire in wires:
                wire.close()

    async def _questions(self, asking: asyncio.StreamReader, answered: asyncio.StreamWriter) -> None:
        seen = b""
        while chunk := await asking.read(_CHUNK):
            # A question may begin in one chunk and end in the next.
            came = (seen + chunk).count(_QUESTION)
            seen = (seen + chunk)[1 - len(_QUESTION) :]
            self._questions_left = max(0, self._questions_left - came)
            if self.cut:
                self._then()
                self._over.set()
                return
            answered.write(chunk)
            await answered.drain()
        answered.write_eof()


async def _copy(answering: asyncio.StreamReader, asked: asyncio.StreamWriter) -> None:
    while chunk := await answering.read(_CHUNK):
        asked.write(chunk)
        await asked.drain()
    asked.close()
