"""A double of a server, in a thread of its own, on a free port of the loopback."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Self

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Sequence


class Served:
    """Serves its routes until told to stop. Use as a context manager.

    Attributes:
        port: Where it listens, once it does.
    """

    def __init__(self, *, port: int = 0) -> None:
        self.port = port
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._work, name=type(self).__name__, daemon=True)
        self._problem: BaseException | None = None

    def routes(self) -> Sequence[web.RouteDef]:
        """What it serves."""
        raise NotImplementedError

    @property
    def url(self) -> str:
        """Base URL, without a trailing slash."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._listening.wait()
        if self._problem is not None:
            raise self._problem
        return self

    def __exit__(self, *_: object) -> None:
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _work(self) -> None:
        try:
            self._loop.run_until_complete(self.serve())
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
            self._problem = error
        finally:
            self._listening.set()
            self._loop.close()

    async def serve(self, stop: asyncio.Event | None = None, *, announce: bool = False) -> None:
        """Serve until told to stop."""
        self._stop = stop or asyncio.Event()
        app = web.Application(client_max_size=256 * 1024 * 1024)
        app.router.add_routes(self.routes())
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port, backlog=1024, reuse_address=True)
        await site.start()
        self.port = runner.addresses[0][1]
        if announce:
            print(self.url, flush=True)  # noqa: T201 - whoever started the process reads it
        self._listening.set()
        await self._stop.wait()
        await runner.cleanup()
