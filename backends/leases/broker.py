"""Leases for one client: those that it has are used again, and given back when somebody else's turn has come."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from backends.errors import AttemptFailed, ModelUnreachable, StaleLease
from backends.leases.aside import aside, start_aside
from backends.leases.seam import GrantedAtOnce, Lease
from backends.leases.taking import Asked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from backends.leases.attending import Answered, Attendant, Held
    from backends.leases.records import Served
    from backends.leases.serving import Serving
    from backends.leases.state import Priority
    from registry.schema import Deployment, Model

# A batch comes back for its next request at once, or not at all.
_IDLE_S: Final = 0.5
_CLOSE_S: Final = 1.5
# A failing server is looked at again no more often than this.
_DOUBT_S: Final = 0.5
_DOUBT_AGAIN_S: Final = 3.0


class Broker:
    """Mode ``enforce``: a lease is waited for, with whatever has to be loaded and unloaded. See ``Leasing``.

    Belongs to one event loop.
    """

    def __init__(self, attendant: Attendant, serving: Serving, *, name: str) -> None:
        """Make one.

        Args:
            attendant: Stands in the queue.
            serving: Knows which deployments are leased, and where they can be.
            name: Begins the ids of its waiters; unique over all processes.
        """
        self._attendant = attendant
        self._serving = serving
        self._free = GrantedAtOnce()
        self._pools: dict[tuple[str, Priority, tuple[str, ...]], _Pool] = {}
        self._ids = (f"{name}-{number}" for number in itertools.count())

    def lease(
        self, model: Model, deployments: Sequence[Deployment], *, priority: Priority
    ) -> AbstractAsyncContextManager[Lease]:
        """See ``Leasing``.

        Raises:
            ModelUnreachable: On entering: it cannot be loaded.
        """
        pool = self._pools.get((model.name, priority, tuple(one.name for one in deployments)))
        if pool is None:
            return self._first(model, deployments, priority)
        if pool.served is None:
            return self._free.lease(model, pool.always_there, priority=priority)
        return _Using(pool)

    async def loads(self, model: Model, deployments: Sequence[Deployment]) -> bool:
        """See ``Leasing``."""
        return await aside(self._serving.served, model, deployments) is not None

    @asynccontextmanager
    async def _first(
        self, model: Model, deployments: Sequence[Deployment], priority: Priority
    ) -> AsyncIterator[Lease]:
        # Asks the servers whether they load as they are told.
        served = await aside(self._serving.served, model, deployments)
        free = () if served is not None else await aside(self._serving.always_there, model, deployments)
        names = tuple(one.name for one in deployments)
        doubt = partial(self._serving.look_again, model)
        pool = _Pool(
            self._attendant, served, deployments, priority, self._ids, always_there=free, doubt=doubt
        )
        self._pools.setdefault((model.name, priority, names), pool)
        async with self.lease(model, deployments, priority=priority) as lease:
            yield lease

    async def close(self) -> None:
        """Give everything back."""
        for pool in self._pools.values():
            pool.close()
        await aside(self._attendant.close, _CLOSE_S)


class _Pool:
    """The leases of one model and priority, and those who wait for one."""

    def __init__(
        self,
        attendant: Attendant,
        served: Served | None,
        deployments: Sequence[Deployment],
        priority: Priority,
        ids: Iterator[str],
        *,
        always_there: Sequence[Deployment],
        doubt: Callable[[Deployment], None],
    ) -> None:
        self.served = served
        self.always_there = always_there
        self._attendant = attendant
        self._deployments = {deployment.name: deployment for deployment in deployments}
        self._priority = priority
        self._ids = ids
        self._doubt = doubt
        self._doubted_at = -_DOUBT_S
        self._loop = asyncio.get_running_loop()
        self._idle: list[tuple[float, Held]] = []
        self._queue: deque[asyncio.Future[Held]] = deque()
        self._entered: str | None = None
        self._sweeping: asyncio.TimerHandle | None = None

    async def take(self) -> Held:
        while self._idle:
            _, held = self._idle.pop()
            if held.usable:
                return held
            self._attendant.give_back(held)
        future: asyncio.Future[Held] = self._loop.create_future()
        self._queue.append(future)
        self._enter()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self.put(future.result())
            raise
        finally:
            if not future.done() or future.cancelled():
                self._forget(future)

    def put(self, held: Held) -> None:
        if not held.usable:
            self._attendant.give_back(held)
            self._enter()
            return
        while self._queue:
            future = self._queue.popleft()
            if not future.done():
                future.set_result(held)
                return
        self._idle.append((self._loop.time(), held))
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(_IDLE_S, self._sweep)

    def failed(self, held: Held, error: AttemptFailed) -> None:
        """A request under this lease failed: the server may have lost its model, or the lease is stale."""
        if isinstance(error, StaleLease):
            # Given back all the same: a lease from before its model was loaded anew still has its slot.
            held.hold.wanted = True
        elif error.counts_against_backend and self._loop.time() - self._doubted_at > _DOUBT_S:
            self._doubted_at = self._loop.time()
            deployment = self.deployment(held)
            start_aside(self._doubt, deployment)
            # A supervisor may not have noticed yet.
            self._loop.call_later(_DOUBT_AGAIN_S, partial(start_aside, self._doubt, deployment))

    def close(self) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()

    def deployment(self, held: Held) -> Deployment:
        return self._deployments[held.lease.place.deployment]

    def _sweep(self) -> None:
        """Give back what nobody has used for a while."""
        self._sweeping = None
        before = self._loop.time() - _IDLE_S
        idle, self._idle = self._idle, []
        for since, held in idle:
            if since <= before or not held.usable:
                self._attendant.give_back(held)
            else:
                self._idle.append((since, held))
        if self._idle:
            self._sweeping = self._loop.call_later(_IDLE_S, self._sweep)

    def _wanted(self) -> None:
        """Somebody else's turn has come: what is idle goes now, what is in use after its request."""
        idle, self._idle = self._idle, []
        for since, held in idle:
            if held.usable:
                self._idle.append((since, held))
            else:
                self._attendant.give_back(held)

    def _enter(self) -> None:
        """Stand in the queue for the first who waits here; there is one place for all of them."""
        if self._entered is not None or not any(not future.done() for future in self._queue):
            return
        assert self.served is not None  # noqa: S101 - pools of what is not leased are never asked
        waiter = self._entered = next(self._ids)

        def answered(answer: Answered) -> None:
            self._loop.call_soon_threadsafe(self._answered, waiter, answer)

        self._attendant.enter(Asked(waiter, self._priority, self.served), answered)

    def _answered(self, waiter: str, answer: Answered) -> None:
        if self._entered == waiter:
            self._entered = None
        if answer.held is not None:
            answer.held.told = partial(self._loop.call_soon_threadsafe, self._wanted)
            self.put(answer.held)
        else:
            error = ModelUnreachable(f"It cannot be loaded: {answer.refused}")
            waiting, self._queue = self._queue, deque()
            for future in waiting:
                if not future.done():
                    future.set_exception(error)
        self._enter()

    def _forget(self, future: asyncio.Future[Held]) -> None:
        if future in self._queue:
            self._queue.remove(future)
        if self._entered is not None and not self._queue:
            self._attendant.leave(self._entered)
            self._entered = None


class _Using:
    """One request's use of a lease: a class of its own, since it is entered for every request."""

    __slots__ = ("_held", "_pool")

    def __init__(self, pool: _Pool) -> None:
        self._pool = pool
        self._held: Held | None = None

    async def __aenter__(self) -> Lease:
        began = time.monotonic()
        held = self._held = await self._pool.take()
        return Lease(
            self._pool.deployment(held),
            wait_ms=round((time.monotonic() - began) * 1000, 3),
            token=held.lease.token,
            hold=held.hold,
        )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._held is not None:
            if isinstance(error, AttemptFailed):
                self._pool.failed(self._held, error)
            self._pool.put(self._held)
