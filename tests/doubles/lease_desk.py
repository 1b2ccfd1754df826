"""Models, waiters and ledgers as tests of leases need them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backends.leases.ledger import Ledger
from backends.leases.policy import Limits
from backends.leases.records import Served, ServerAddress
from backends.leases.state import Device, Place, ServedModel
from backends.leases.taking import Asked

if TYPE_CHECKING:
    from store.database import StateDatabase

CARD = Device("gpu0", 24_000)
EAGER = Limits(linger_s=0.0, chat_linger_s=0.0, worth=0.0)


def served(
    name: str = "judge",
    memory_mib: int = 16_000,
    *,
    devices: tuple[str, ...] = ("gpu0",),
    provider: str = "vllm",
    **facts: Any,
) -> Served:
    """A model with one deployment on some devices."""
    places = tuple(Place(name, "only", device) for device in devices)
    server = ServerAddress(provider, f"http://{name}.test:8600", name)
    return Served(ServedModel(name, memory_mib, places, **{"load_s": 0.0, **facts}), {"only": server})


def on_two_cards(*deployments: str, name: str = "judge", url: str | None = None, **facts: Any) -> Served:
    """A model with the deployment d1 on one card and d2 on another, of which these may be asked."""
    devices = {"d1": "gpu0", "d2": "gpu1"}
    places = tuple(Place(name, one, devices[one]) for one in deployments)
    servers = {
        one: ServerAddress("vllm", url or f"http://{devices[one]}.test:8600", name) for one in deployments
    }
    return Served(ServedModel(name, 16_000, places, **{"load_s": 0.0, **facts}), servers)


def asked(waiter: str, model: Served | None = None, *, priority: Any = "batch") -> Asked:
    """A waiter."""
    return Asked(waiter, priority, model or served())


def party(
    state: StateDatabase,
    name: str = "one",
    *,
    limits: Limits = EAGER,
    ttl_s: float = 30.0,
    learns: bool = False,
) -> Ledger:
    """The ledger as one party sees it, with one card; what a busy machine takes for a switch is not learned."""
    ledger = Ledger(state, name, limits=limits, ttl_s=ttl_s, learns=learns)
    ledger.declare([CARD])
    return ledger


def resident(ledger: Ledger, model: Served | None = None) -> None:
    """Have a model loaded."""
    taken = ledger.turn(enter=[asked("loader", model)])
    (task,) = taken.tasks
    assert ledger.finish(task.transition, "done")
    ledger.turn(leave=["loader"])
