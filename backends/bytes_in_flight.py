"""A bound on the bytes of request bodies in flight, not only on their number."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType


class ByteBudget:
    """Hands out bytes first come, first served. Belongs to one event loop.

    Attributes:
        in_flight: Bytes that are handed out now.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self.in_flight = 0

    async def take(self, size: int) -> Reservation:
        """Wait for `size` bytes. More than the whole budget passes alone, when nothing else is in flight."""
        size = min(size, self._limit)
        if not self._waiting and self._fits(size):
            self._hand_out(size)
            return Reservation(self, size)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, future))
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.give_back(size)
            else:
                self._waiting.remove((size, future))
                self._pass_on()
            raise
        return Reservation(self, size)

    def give_back(self, size: int) -> None:
        """Give bytes back that were taken."""
        self.in_flight -= size
        self._pass_on()

    def _fits(self, size: int) -> bool:
        return self.in_flight + size <= self._limit

    def _hand_out(self, size: int) -> None:
        self.in_flight += size

    def _pass_on(self) -> None:
        while self._waiting and (self._waiting[0][1].cancelled() or self._fits(self._waiting[0][0])):
            size, future = self._waiting.popleft()
            if not future.cancelled():
                self._hand_out(size)
                future.set_result(None)


class Reservation:
    """Bytes that were taken; as a context manager, given back once at the end of the block."""

    def __init__(self, budget: ByteBudget, size: int) -> None:
        self._budget = budget
        self._size = size

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._budget.give_back(self._size)
