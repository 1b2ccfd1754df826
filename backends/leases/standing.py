"""How things stand: what is on each device, who holds it, who waits for it, and what is being done about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from backends.leases.records import NOBODY, Snapshot, is_over
from backends.leases.rows import read_snapshot, time_of
from backends.leases.state import Priority, ResidentState  # noqa: TC001 - pydantic reads the annotations
from store.home import Home
from store.reading import reading

if TYPE_CHECKING:
    from backends.leases.records import KeptLease, KeptResident, KeptWaiter, Transition
    from backends.leases.state import Device
    from store.settings import Settings


@dataclass(frozen=True, slots=True)
class ResidentStanding:
    """A model on a device.

    Attributes:
        for_s: Seconds since it came into this state.
        memory_mib: What is set apart for it.
        leases: How many are held on it.
        slots: How many it takes at once.
        cleared_for: The model that is to have its room.
    """

    model: str
    deployment: str
    state: ResidentState
    for_s: float
    memory_mib: int
    leases: int
    slots: int
    cleared_for: str | None


@dataclass(frozen=True, slots=True)
class TransitionStanding:
    """Something that a process does at a server.

    Attributes:
        owner: Who does it; None for whoever takes the next turn.
        for_s: Seconds since it was begun.
        overdue: Whether its owner counts as gone, so that the next turn takes it over.
    """

    phase: str
    model: str
    deployment: str
    token: int
    owner: str | None
    for_s: float
    tries: int
    overdue: bool


@dataclass(frozen=True, slots=True)
class LeaseStanding:
    """A lease.

    Attributes:
        age_s: Seconds since it was granted.
        expires_in_s: Seconds until its holder counts as gone unless it says something; negative once it does.
    """

    token: int
    model: str
    deployment: str
    device: str
    priority: Priority
    holder: str
    age_s: float
    expires_in_s: float


@dataclass(frozen=True, slots=True)
class WaiterStanding:
    """Somebody who waits for a model.

    Attributes:
        devices: Where the model may be.
        gone: Whether its process has not been heard of for too long.
        refused: Why it never will be granted, if that is known.
    """

    waiter: str
    model: str
    priority: Priority
    holder: str
    waited_s: float
    devices: tuple[str, ...]
    gone: bool
    refused: str | None


@dataclass(frozen=True, slots=True)
class DeviceStanding:
    """A device, with all that concerns it.

    Attributes:
        memory_mib: What residents may take together.
        foreign_mib: Measured memory of what is no resident.
        waiters: Those whose model may be there, who waits longest first.
    """

    name: str
    kind: str
    memory_mib: int
    foreign_mib: int
    residents: tuple[ResidentStanding, ...]
    transitions: tuple[TransitionStanding, ...]
    waiters: tuple[WaiterStanding, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """All of the ledger as people ask for it: in seconds from now."""

    devices: tuple[DeviceStanding, ...]
    leases: tuple[LeaseStanding, ...]
    waiters: tuple[WaiterStanding, ...]


def read_standing(settings: Settings) -> Standing:
    """How things stand, read without changing anything; where nothing was ever leased, nothing stands.

    Args:
        settings: Say where the state database is.

    Raises:
        StoreError: There is one, and it cannot be read.
    """
    if settings.state_url is None and not Home.of(settings).state_db.exists():
        return standing(Snapshot(0.0))
    with reading(settings) as connection:
        return standing(read_snapshot(connection, time_of(connection)))


def standing(snapshot: Snapshot) -> Standing:
    """How things stand in a snapshot; devices by name, leases by token, who waits longest first."""
    waiters = tuple(
        _waiter(kept, snapshot.now) for kept in sorted(snapshot.waiters, key=lambda kept: kept.waiter.since)
    )
    return Standing(
        devices=tuple(
            _device(device, snapshot, waiters)
            for device in sorted(snapshot.devices, key=lambda device: device.name)
        ),
        leases=tuple(_lease(lease, snapshot.now) for lease in snapshot.leases),
        waiters=waiters,
    )


def _device(device: Device, snapshot: Snapshot, waiters: tuple[WaiterStanding, ...]) -> DeviceStanding:
    return DeviceStanding(
        name=device.name,
        kind=device.mig_profile or device.kind,
        memory_mib=device.memory_mib,
        foreign_mib=device.foreign_mib,
        residents=tuple(
            _resident(kept, snapshot) for kept in snapshot.residents if kept.place.device == device.name
        ),
        transitions=tuple(
            _transition(one, snapshot.now) for one in snapshot.transitions if one.place.device == device.name
        ),
        waiters=tuple(one for one in waiters if device.name in one.devices),
    )


def _resident(kept: KeptResident, snapshot: Snapshot) -> ResidentStanding:
    resident, model = kept.resident, kept.served.model
    return ResidentStanding(
        model=kept.place.model,
        deployment=kept.place.deployment,
        state=resident.state,
        for_s=snapshot.now - resident.since,
        memory_mib=model.memory_mib,
        leases=sum(lease.place == kept.place for lease in snapshot.leases),
        slots=model.slots,
        cleared_for=resident.cleared_for,
    )


def _transition(one: Transition, now: float) -> TransitionStanding:
    return TransitionStanding(
        phase=one.phase,
        model=one.place.model,
        deployment=one.place.deployment,
        token=one.token,
        owner=None if one.owner == NOBODY else one.owner,
        for_s=now - one.began_at,
        tries=one.tries,
        overdue=is_over(one.expires_at, now),
    )


def _lease(lease: KeptLease, now: float) -> LeaseStanding:
    return LeaseStanding(
        token=lease.token,
        model=lease.place.model,
        deployment=lease.place.deployment,
        device=lease.place.device,
        priority=lease.priority,
        holder=lease.holder,
        age_s=now - lease.granted_at,
        expires_in_s=lease.expires_at - now,
    )


def _waiter(kept: KeptWaiter, now: float) -> WaiterStanding:
    return WaiterStanding(
        waiter=kept.waiter.id,
        model=kept.waiter.model,
        priority=kept.waiter.priority,
        holder=kept.holder,
        waited_s=now - kept.waiter.since,
        devices=tuple(dict.fromkeys(place.device for place in kept.served.model.places)),
        gone=is_over(kept.expires_at, now),
        refused=kept.refused,
    )
