"""Mode ``observe``: every request goes at once, and what would have had to wait is told."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from backends.errors import BackendError
from backends.leases.aside import aside
from backends.leases.seam import GrantedAtOnce
from backends.leases.taking import Asked
from backends.loading.protocol import Inventory
from registry.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from backends.leases.attending import Answered, Attendant, Held
    from backends.leases.records import Served, ServerAddress
    from backends.leases.seam import Lease
    from backends.leases.serving import Serving
    from backends.leases.state import Priority
    from registry.schema import Deployment, Model

_LOG: Final = logging.getLogger(__name__)
_CLOSE_S: Final = 1.5


class Pretended:
    """A server that is told nothing: the ledger goes on as if all had been done. See ``Loading``."""

    def __init__(self, server: ServerAddress) -> None:
        self._server = server

    def load(self, token: int, *, going_on: Callable[[], bool]) -> int | None:
        """See ``Loading``."""
        del token, going_on
        return None

    def unload(self, token: int, *, going_on: Callable[[], bool]) -> None:
        """See ``Loading``."""

    def revoke(self, token: int) -> None:
        """See ``Loading``."""

    def close(self) -> None:
        """See ``Loading``."""

    def inventory(self) -> Inventory:
        """See ``Loading``."""
        return Inventory()


class Observer:
    """Grants every lease at once, and stands in the ledger's queue beside it. See ``Leasing``.

    Belongs to one event loop.
    """

    def __init__(self, attendant: Attendant, serving: Serving, *, name: str) -> None:
        """Make one.

        Args:
            attendant: Stands in the queue; it observes.
            serving: Knows which deployments would be leased, and where they can be.
            name: Begins the ids of its waiters; unique over all processes.
        """
        self._attendant = attendant
        self._serving = serving
        self._free = GrantedAtOnce()
        self._served: dict[tuple[str, tuple[str, ...]], Served | None] = {}
        self._looking = asyncio.Lock()
        self._ids = (f"{name}-{number}" for number in itertools.count())

    async def loads(self, model: Model, deployments: Sequence[Deployment]) -> bool:
        """See ``Leasing``: nothing is loaded."""
        del model, deployments
        return False

    @asynccontextmanager
    async def lease(
        self, model: Model, deployments: Sequence[Deployment], *, priority: Priority
    ) -> AsyncIterator[Lease]:
        """See ``Leasing``."""
        served = await self._seen(model, deployments)
        beside = (
            None if served is None else _Beside(self._attendant, Asked(next(self._ids), priority, served))
        )
        try:
            async with self._free.lease(model, deployments, priority=priority) as lease:
                yield lease
        finally:
            if beside is not None:
                beside.leave()

    async def close(self) -> None:
        """See ``Leasing``."""
        await aside(self._attendant.close, _CLOSE_S)

    async def _seen(self, model: Model, deployments: Sequence[Deployment]) -> Served | None:
        key = model.name, tuple(one.name for one in deployments)
        # Once for all who begin together: a second look would find what the first of their requests has loaded.
        async with self._looking:
            if key not in self._served:
                try:
                    self._served[key] = await aside(self._serving.served, model, deployments)
                except (BackendError, RegistryError) as error:
                    _LOG.warning("What %s would have waited for cannot be told: %s", model.name, error)
                    self._served[key] = None
            return self._served[key]


class _Beside:
    """One request's place in the queue, for as long as the request takes."""

    def __init__(self, attendant: Attendant, asked: Asked) -> None:
        self._attendant = attendant
        self._waiter = asked.id
        self._lock = threading.Lock()
        self._held: Held | None = None
        self._over = False
        attendant.enter(asked, self._answered)

    def leave(self) -> None:
        with self._lock:
            self._over = True
            held = self._held
        if held is not None:
            self._attendant.give_back(held)
        else:
            self._attendant.leave(self._waiter)

    def _answered(self, answer: Answered) -> None:
        with self._lock:
            self._held = answer.held
            over = self._over
        if over and answer.held is not None:
            self._attendant.give_back(answer.held)
