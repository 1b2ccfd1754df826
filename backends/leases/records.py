"""What the ledger keeps, as values: the policy's own, each with who has it, until when, and where its server is."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from backends.leases.state import Place, ServedModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backends.leases.state import Device, Priority, Resident, Waiter

Phase = Literal["load", "unload", "revoke"]
Ending = Literal["done", "failed", "taken_over"]
Mode = Literal["observe", "enforce"]

TRIES: Final = 2
"""How often a loading is tried before those who wait for it are told, and a revoking before its lease just ends."""

NOBODY: Final = "nobody"
"""The owner of what is to be done by whoever comes next."""

RELEASED: Final = 0.0
"""When a lease ran out that an operator ended."""

LONGEST_TTL_S: Final = 3600.0
"""The longest time for which a word of life can hold."""

_WITHOUT_FENCES: Final = frozenset({"ollama"})
_FREES_LATE: Final = frozenset({"ollama"})


def is_over(expires_at: float, now: float) -> bool:
    """Whether what held until then holds no more; what would hold for longer than it can is from a clock set back."""
    return not now < expires_at <= now + LONGEST_TTL_S


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a deployment's server is told to load and to unload, by whichever process has to.

    Attributes:
        provider: The protocol.
        url: The server's address, without ``/v1``; no secret is in it.
        served_model_id: The model's id there.
        key_env: The environment variable with the key to it, if it has one.
        context_tokens: The context length that the model is asked with, for a server that loads it for one; None if
            it does not chat.
    """

    provider: str
    url: str
    served_model_id: str
    key_env: str | None = None
    context_tokens: int | None = None

    @property
    def fences(self) -> bool:
        """Whether the server refuses what comes with a stale token."""
        return self.provider not in _WITHOUT_FENCES

    @property
    def frees_late(self) -> bool:
        """Whether the server says that a model is gone before its memory is free."""
        return self.provider in _FREES_LATE


@dataclass(frozen=True, slots=True)
class Served:
    """A model as the policy sees it, with the server of each of its deployments."""

    model: ServedModel
    servers: Mapping[str, ServerAddress]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        plain = asdict(self.model)
        plain["tags"], plain["servers"] = sorted(self.model.tags), sorted(set(self.model.servers.values()))
        plain["places"] = [[place.deployment, place.device] for place in self.model.places]
        return {"model": plain, "servers": {name: asdict(server) for name, server in self.servers.items()}}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Served:
        """What ``as_json`` made."""
        model = dict(plain["model"])
        servers = {name: ServerAddress(**server) for name, server in plain["servers"].items()}
        one_at_a_time = frozenset(model["servers"])
        model["servers"] = {name: one.url for name, one in servers.items() if one.url in one_at_a_time}
        model["tags"] = frozenset(model["tags"])
        model["places"] = tuple(Place(model["name"], *place) for place in model["places"])
        return cls(ServedModel(**model), servers)


@dataclass(frozen=True, slots=True)
class KeptResident:
    """A resident, and the token of the transition that loads or has loaded it: older leases are stale."""

    resident: Resident
    served: Served
    token: int

    @property
    def place(self) -> Place:
        """Where it is."""
        return self.resident.place

    @property
    def server(self) -> ServerAddress:
        """The server that has it."""
        return self.served.servers[self.place.deployment]


@dataclass(frozen=True, slots=True)
class KeptLease:
    """A lease.

    Attributes:
        token: Its fencing token; a later lease has a higher one.
        waiter: Whom it was granted to.
    """

    token: int
    place: Place
    priority: Priority
    holder: str
    waiter: str
    granted_at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class KeptWaiter:
    """A waiter.

    Attributes:
        refused: Why it will never be granted, once that is known.
    """

    waiter: Waiter
    holder: str
    expires_at: float
    served: Served
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class Transition:
    """Something that a process does at a server, and another finishes should it die.

    Attributes:
        token: Its fencing token; the server refuses a lower one.
        subject: The lease's token that is revoked.
        tries: How often it was begun, this time counted.
    """

    token: int
    place: Place
    phase: Phase
    owner: str
    began_at: float
    expires_at: float
    tries: int = 1
    subject: int | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A loading or unloading that failed for good, and why."""

    place: Place
    phase: Phase
    ended_at: float
    detail: str


@dataclass(frozen=True, slots=True)
class Cost:
    """What was learned of a deployment: seconds to load and to unload, and the most memory seen."""

    load_s: float | None = None
    unload_s: float | None = None
    peak_mib: int | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All of the ledger at one moment.

    Attributes:
        now: Seconds since 1970 on the database's clock, as all times.
        transitions: Those under way.
        failures: Those of the last minutes.
        costs: By model and deployment.
    """

    now: float
    devices: tuple[Device, ...] = ()
    residents: tuple[KeptResident, ...] = ()
    leases: tuple[KeptLease, ...] = ()
    waiters: tuple[KeptWaiter, ...] = ()
    transitions: tuple[Transition, ...] = ()
    failures: tuple[Failure, ...] = ()
    costs: Mapping[tuple[str, str], Cost] = field(default_factory=dict)
