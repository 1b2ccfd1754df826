"""What the ledger knows at one moment, as values: devices, models, residents, leases, waiters.

Times are seconds on one clock, the database's or a simulator's. Memory is in MiB.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

Priority = Literal["interactive", "batch"]
DeviceKind = Literal["whole", "mig", "host"]
ResidentState = Literal["loading", "ready", "draining", "unloading"]


@dataclass(frozen=True, slots=True)
class Device:
    """A whole GPU, one MIG slice, or a host's memory.

    Attributes:
        name: Unique over all hosts.
        memory_mib: What residents may take together.
        kind: A whole card, a slice of one, or the memory of a host.
        mig_profile: Of a slice, such as ``1g.12gb``.
        foreign_mib: Measured memory of processes that belong to no resident.
        host: Name of the host that found it; None where it is declared.
        uuid: The driver's id of the card or slice, or the boot of the host whose memory it is; None if that is not
            known here.
    """

    name: str
    memory_mib: int
    kind: DeviceKind = "whole"
    mig_profile: str | None = None
    foreign_mib: int = 0
    host: str | None = None
    uuid: str | None = None


class Place(NamedTuple):
    """Where a model is served, or may be: one of its deployments, on one device."""

    model: str
    deployment: str
    device: str


@dataclass(frozen=True, slots=True)
class ServedModel:
    """What the policy has to know about a model.

    Attributes:
        name: The logical model; with an address where one run reaches it elsewhere than the registry says.
        memory_mib: What a resident of it takes: the larger of what is declared and what was measured.
        places: Where it can be served, in order of preference; all of them answer alike.
        slots: Leases that one resident takes at once.
        load_s: Expected seconds to load it, learned from loads before.
        unload_s: Expected seconds until its memory is free again.
        tags: Coexistence tags: a model that has some shares a device only with models that share one of them.
        exclusive: Whether nothing else may be on its device.
        servers: The server of each deployment whose server has one model at a time.
    """

    name: str
    memory_mib: int
    places: tuple[Place, ...]
    slots: int = 1
    load_s: float = 60.0
    unload_s: float = 2.0
    tags: frozenset[str] = frozenset()
    exclusive: bool = False
    servers: Mapping[str, str] = field(default_factory=dict)

    def may_share(self, other: ServedModel) -> bool:
        """Whether the two may be on one device at the same time; both have to agree."""
        if self.exclusive or other.exclusive:
            return False
        return bool(self.tags & other.tags) if self.tags or other.tags else True


@dataclass(frozen=True, slots=True)
class Resident:
    """A model that is in a device's memory, or on its way there or out.

    Attributes:
        place: Its model, deployment and device. No two residents are of one place.
        state: ``draining`` takes no new leases and ends those it has.
        since: When it came into this state.
        used_at: When a lease on it last ended, or it became ready.
        chatted_at: When an interactive lease on it last ended; None if it never had one.
        cleared_for: The model that is to have its room, while it drains and unloads.
    """

    place: Place
    state: ResidentState
    since: float
    used_at: float
    chatted_at: float | None = None
    cleared_for: str | None = None

    @property
    def model(self) -> str:
        """The logical model."""
        return self.place.model


@dataclass(frozen=True, slots=True)
class HeldLease:
    """A right to use a resident that somebody has now."""

    place: Place
    priority: Priority


@dataclass(frozen=True, slots=True)
class Waiter:
    """Somebody who waits for a lease on a resident of a model.

    Attributes:
        deployments: Those of the model's that may serve it; all of them if empty.
    """

    id: str
    model: str
    priority: Priority
    since: float
    deployments: frozenset[str] = frozenset()

    def may_use(self, place: Place) -> bool:
        """Whether what is there, or comes there, may serve it."""
        return not self.deployments or place.deployment in self.deployments
