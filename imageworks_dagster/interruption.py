"""Run a coroutine from a synchronous asset body so that an interrupt becomes a cancellation.

The event loop lives in a worker thread. An interrupt (Ctrl-C, the UI's *Terminate*) is raised by Dagster in the
main thread, which is waiting here; it cancels the coroutine, gives it a bounded time to clean up, and is raised
again. An asynchronous asset body would let one entry's task swallow the interrupt and the run end as a success.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

GRACE_S = 6.0
"""Seconds that a cancelled coroutine has to clean up: within the 10 s in which a terminated run must end."""


def run_interruptible(
    main: Callable[[], Awaitable[T]],
    *,
    every_s: float = 1.0,
    tick: Callable[[], None] | None = None,
    grace_s: float = GRACE_S,
) -> T:
    """Run ``main()`` on a fresh event loop in a worker thread and wait for it.

    Args:
        main: makes the coroutine; called inside the loop's thread.
        every_s: seconds between calls of ``tick``.
        tick: called in the calling thread while waiting, for progress that must be logged from there.
        grace_s: seconds that the coroutine has to clean up after an interrupt.

    Raises:
        BaseException: what ``main`` raised, or the interrupt that reached the calling thread.
    """
    work = _Work(main)
    thread = threading.Thread(target=work.run, name="stage-loop", daemon=True)
    try:
        thread.start()
        while not work.finished.done():
            wait([work.finished], timeout=every_s)
            if tick is not None:
                tick()
    except BaseException:
        work.cancel()
        # A thread that never came to be has nothing to clean up.
        if thread.ident is not None:
            wait([work.finished], timeout=grace_s)
        raise
    return work.finished.result()


class _Work(Generic[T]):
    """The coroutine in its thread: started, then finished or cancelled."""

    def __init__(self, main: Callable[[], Awaitable[T]]) -> None:
        self._main = main
        self._started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = Future()
        self._unwanted = False
        self.finished: Future[T] = Future()

    def run(self) -> None:
        try:
            result = asyncio.run(self._supervised())
        except BaseException as error:  # noqa: BLE001 - handed to the waiting thread, which raises it
            self.finished.set_exception(error)
        else:
            self.finished.set_result(result)

    def cancel(self) -> None:
        """Cancel the coroutine, whether it has not begun yet, is under way, or is just over. Never raises."""
        # The flag goes first: a coroutine that begins from here on sees it, one that has begun is cancelled.
        self._unwanted = True
        if self._started.done():
            loop, task = self._started.result()
            with suppress(RuntimeError):  # the loop has just been closed: the coroutine is over
                loop.call_soon_threadsafe(task.cancel)

    async def _supervised(self) -> T:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio.run makes one
        self._started.set_result((asyncio.get_running_loop(), task))
        if self._unwanted:
            raise asyncio.CancelledError
        return await self._main()
