"""Do together what many tasks ask for at the same time: one SELECT, one commit."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batched(Generic[Item, Result]):
    """Collects items while earlier ones are being worked on, and hands them over together.

    Belongs to one event loop. Work that was begun is finished even if those who wait for it are cancelled.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        at_most: int,
        gather_s: float = 0.0,
        expected: Callable[[], int] = lambda: 0,
    ) -> None:
        """Make one.

        Args:
            work: Does many items at once; gives a result for each, in order. What it raises reaches all who
                wait for that group.
            at_most: Items in one group.
            gather_s: Longest time, in seconds, that a group waits for more items before it is worked on.
            expected: How many items may be waiting soon; a group that has as many waits for no more.
        """
        self._work = work
        self._at_most = at_most
        self._gather_s = gather_s
        self._expected = expected
        self._enough: asyncio.Event | None = None
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._group: list[tuple[Item, asyncio.Future[Result]]] = []
        self._serving: asyncio.Task[None] | None = None

    def add(self, item: Item) -> asyncio.Future[Result]:
        """Queue an item; the future is done when its group is."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._serving is None:
            self._serving = asyncio.create_task(self._serve())
        elif self._enough is not None and self._is_enough():
            self._enough.set()
        return future

    async def drain(self) -> None:
        """Wait until all that was added is done; nobody waits for more any longer."""
        self._gather_s = 0.0
        if self._enough is not None:
            self._enough.set()
        while self._serving is not None:
            await asyncio.shield(self._serving)

    def leave(self) -> list[Item]:
        """Stop, and hand over what is not done; of what is being worked on, nobody knows how far it came.

        Those who wait for it are cancelled.
        """
        if self._serving is None:
            return []
        self._serving.cancel()
        left = self._group + self._waiting
        self._serving, self._group, self._waiting = None, [], []
        for _, future in left:
            future.cancel()
        return [item for item, _ in left]

    def _is_enough(self) -> bool:
        return len(self._waiting) >= min(self._at_most, self._expected())

    async def _gather(self) -> None:
        if not self._gather_s or self._is_enough():
            return
        self._enough = asyncio.Event()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._gather_s):
                await self._enough.wait()
        self._enough = None

    async def _serve(self) -> None:
        try:
            while self._waiting:
                await self._gather()
                group = self._group = self._waiting[: self._at_most]
                self._waiting = self._waiting[self._at_most :]
                try:
                    results = await self._work([item for item, _ in group])
                except Exception as error:  # noqa: BLE001 - it is those who wait that must hear of it
                    for _, future in group:
                        _fail(future, error)
                else:
                    for (_, future), result in zip(group, results, strict=True):
                        if not future.done():
                            future.set_result(result)
        finally:
            # Unless it was left, and another serves by now.
            if self._serving is asyncio.current_task():
                self._serving, self._group = None, []


def _fail(future: asyncio.Future[Result], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
