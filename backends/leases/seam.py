"""The lease step as a seam: who grants the right to use a deployment, and the mode that grants at once."""

from __future__ import annotations

from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from contextlib import AbstractAsyncContextManager

    from backends.leases.state import Priority
    from registry.schema import Deployment, Model


@dataclass(slots=True, eq=False)
class Hold:
    """What has become of a lease while it was held.

    Attributes:
        wanted: Whether it is to be given back at the next request boundary.
        reloading: Whether its server has lost the model, and is to load it again.
        lost: Whether it ran out.
    """

    wanted: bool = False
    reloading: bool = False
    lost: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nothing more should be asked under it."""
        return self.wanted or self.reloading or self.lost


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to use one deployment of a model, until it is given back.

    Attributes:
        deployment: Where to ask.
        wait_ms: How long the right was waited for, loading included, in milliseconds.
        load_ms: How much of that was loading the model; None if that is not known or nothing was loaded.
        token: Its fencing token; None where nothing is fenced.
        hold: What becomes of it meanwhile.
    """

    deployment: Deployment
    wait_ms: float = 0.0
    load_ms: float | None = None
    token: int | None = None
    hold: Hold = field(default_factory=Hold)


class Leasing(Protocol):
    """Grants leases. An implementation waits, loads and evicts as its policy says."""

    async def loads(self, model: Model, deployments: Sequence[Deployment]) -> bool:
        """Whether the model is loaded when a lease on it is asked for: then it need not be there before.

        Raises:
            ModelUnreachable: None of the servers that would load it answers.
            ModelMisconfigured: It cannot be leased as the registry says.
        """

    async def close(self) -> None:
        """Give back what is held. Bounded in time."""

    def lease(
        self, model: Model, deployments: Sequence[Deployment], *, priority: Priority
    ) -> AbstractAsyncContextManager[Lease]:
        """The right to use one of the deployments, held for the length of the block.

        Args:
            model: The logical model.
            deployments: Where it may be asked, best first; at least one.
            priority: ``interactive`` or ``batch``.
        """


class GrantedAtOnce:
    """Mode ``off``: every lease is granted at once, for the deployment with the fewest requests in flight."""

    def __init__(self) -> None:
        self._in_flight: Counter[tuple[str, str]] = Counter()

    async def loads(self, model: Model, deployments: Sequence[Deployment]) -> bool:
        """See ``Leasing``: nothing is loaded."""
        del model, deployments
        return False

    async def close(self) -> None:
        """See ``Leasing``."""

    @asynccontextmanager
    async def lease(
        self, model: Model, deployments: Sequence[Deployment], *, priority: Priority
    ) -> AsyncIterator[Lease]:
        """See ``Leasing``."""
        del priority
        # min() keeps the given order among equals.
        deployment = min(deployments, key=lambda one: self._in_flight[model.name, one.name])
        self._in_flight[model.name, deployment.name] += 1
        try:
            yield Lease(deployment)
        finally:
            self._in_flight[model.name, deployment.name] -= 1
