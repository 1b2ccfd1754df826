"""Who is let in: so many requests at once, so many that wait, by turns among callers."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter, deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from gateway.errors import Overloaded, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Class = Literal["interactive", "batch"]

# Of so many that are let in, one is a batch's, though somebody interactive waits: it goes on, slowly.
_ONE_IN: Final = 8
# Weight of the newest request in the mean of how long one takes.
_WEIGHT: Final = 0.1
_LONGEST_RETRY_S: Final = 60


@dataclass(slots=True, eq=False)
class _Waiting:
    caller: str
    let_in: asyncio.Future[None]


@dataclass(slots=True)
class _Queue:
    """Those of one class who wait, by caller; whose turn it is stands first."""

    turns: dict[str, deque[_Waiting]] = field(default_factory=dict)
    size: int = 0

    def add(self, one: _Waiting) -> None:
        self.turns.setdefault(one.caller, deque()).append(one)
        self.size += 1

    def remove(self, one: _Waiting) -> None:
        own = self.turns[one.caller]
        own.remove(one)
        self.size -= 1
        if not own:
            del self.turns[one.caller]

    def next(self) -> _Waiting:
        """The oldest of the caller whose turn it is, who then is the last to have another."""
        caller = next(iter(self.turns))
        own = self.turns.pop(caller)
        one = own.popleft()
        self.size -= 1
        if own:
            self.turns[caller] = own
        return one

    def newest_of_greediest(self) -> _Waiting:
        return max(self.turns.values(), key=len)[-1]


class Admission:
    """Lets requests in. Belongs to one event loop.

    Attributes:
        under_way: Requests that were let in and are not over, by class.
    """

    def __init__(self, *, at_once: int, waiting: int) -> None:
        """Let in so many at once, and let so many of each class wait."""
        self._at_once = at_once
        self._longest = waiting
        self._queues: dict[Class, _Queue] = {"interactive": _Queue(), "batch": _Queue()}
        self._let_in = 0
        self._mean_s = 1.0
        self._closed = False
        self._emptied = asyncio.Event()
        self.under_way: Counter[Class] = Counter()

    @property
    def is_closed(self) -> bool:
        """Whether nobody is let in any longer."""
        return self._closed

    def waiting_of(self, kind: Class) -> int:
        """How many of a class wait."""
        return self._queues[kind].size

    def close(self) -> None:
        """Let nobody in any longer; those who wait are told so."""
        self._closed = True
        for queue in self._queues.values():
            while queue.size:
                one = queue.next()
                if not one.let_in.done():
                    one.let_in.set_exception(_closing())
        self._tell_if_emptied()

    async def emptied(self) -> None:
        """Return once it is closed and nobody is under way any longer."""
        await self._emptied.wait()

    def _tell_if_emptied(self) -> None:
        if self._closed and not self.under_way.total():
            self._emptied.set()

    @asynccontextmanager
    async def admitted(self, caller: str, kind: Class) -> AsyncIterator[None]:
        """One request's place, for the length of the block.

        Args:
            caller: Whose it is; callers have turns.
            kind: Its class; interactive ones go first.

        Raises:
            Overloaded: Too many of the class wait, and nobody has more waiting than this caller.
            Unavailable: The service is about to stop.
        """
        if self._closed:
            raise _closing()
        if self.under_way.total() >= self._at_once or self._queues[kind].size:
            await self._wait(caller, kind)
        else:
            self.under_way[kind] += 1
        began = time.monotonic()
        try:
            yield
        finally:
            self._mean_s += _WEIGHT * (time.monotonic() - began - self._mean_s)
            self.under_way[kind] -= 1
            self._pass_on()
            self._tell_if_emptied()

    async def _wait(self, caller: str, kind: Class) -> None:
        queue = self._queues[kind]
        one = _Waiting(caller, asyncio.get_running_loop().create_future())
        queue.add(one)
        if queue.size > self._longest:
            # Whoever has the most waiting makes room, so that one caller cannot shut out the others.
            last = queue.newest_of_greediest()
            queue.remove(last)
            last.let_in.set_exception(self._overloaded(kind))
        try:
            await one.let_in
        except asyncio.CancelledError:
            if one.let_in.done() and not one.let_in.cancelled() and one.let_in.exception() is None:
                self.under_way[kind] -= 1
                self._pass_on()
                self._tell_if_emptied()
            elif one.let_in.cancelled() and one in queue.turns.get(caller, ()):
                queue.remove(one)
            raise

    def _pass_on(self) -> None:
        while self.under_way.total() < self._at_once and (kind := self._next_class()) is not None:
            one = self._queues[kind].next()
            if one.let_in.done():
                # Whoever waited went away; their own clean-up comes after this.
                continue
            self._let_in += 1
            self.under_way[kind] += 1
            one.let_in.set_result(None)

    def _next_class(self) -> Class | None:
        order: tuple[Class, Class] = ("interactive", "batch")
        if self._let_in % _ONE_IN == _ONE_IN - 1:
            order = ("batch", "interactive")
        return next((kind for kind in order if self._queues[kind].size), None)

    def _overloaded(self, kind: Class) -> Overloaded:
        seconds = self._mean_s * (1 + self._longest / self._at_once)
        return Overloaded(
            f"{self._longest} requests of class {kind} wait already. Come again later, or send fewer at once.",
            code="overloaded",
            retry_after_s=min(_LONGEST_RETRY_S, max(1, math.ceil(seconds))),
        )


def _closing() -> Unavailable:
    return Unavailable(
        "This gateway is about to stop. Ask it again in a moment.", code="stopping", retry_after_s=5
    )
