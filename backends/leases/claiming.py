"""Whose a device is: names are of all hosts together, and what each host finds by itself is called the same on all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, select

from backends.errors import ModelMisconfigured
from backends.leases.records import Served
from store.tables import lease_devices, lease_residents, lease_transitions, lease_waiters, leases
from store.upserting import upsert

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection, Row

    from backends.leases.records import KeptWaiter
    from backends.leases.state import Device


WHAT_TO_DO: Final = (
    "A name is of all hosts that share the ledger: declare this machine's device under devices in registry.yaml with "
    "a name of its own, and give that to the deployment's devices."
)
"""What is said to whoever asks for a device whose name is another one's."""


def claim(connection: Connection, devices: Iterable[Device], now: float) -> dict[str, str]:
    """Write down devices, all but those whose name somebody uses for another one.

    A name that nobody uses passes on, with nothing that was on the other device: a host in a container has a new name
    each time, and must not keep itself out.

    Args:
        connection: Has taken the ledger's row.
        devices: As this host knows them.
        now: On the database's clock.

    Returns:
        Whose device has the name instead, in words, by name.
    """
    known = {row.name: row for row in connection.execute(select(lease_devices))}
    used = _used(connection, now)
    others: dict[str, str] = {}
    for device in devices:
        row = known.get(device.name)
        passes_on = row is not None and is_another(row, device)
        if row is not None and passes_on:
            if device.name in used:
                others[device.name] = whose(row)
                continue
            connection.execute(delete(lease_residents).where(lease_residents.c.device == device.name))
        # What was measured of a device is not for whoever comes next to forget.
        upsert(connection, lease_devices, [_row(device, now)], keeping=[] if passes_on else ["foreign_mib"])
    return others


def check_claims(
    devices: Iterable[Device], claimed: Mapping[str, Device], entered: Iterable[KeptWaiter]
) -> None:
    """Return if no device that somebody is about to wait for has become another one.

    Args:
        devices: As the ledger has them now.
        claimed: As this party has written them down, by name.
        entered: Who is about to wait.

    Raises:
        ModelMisconfigured: One has.
    """
    others = {
        device.name: device
        for device in devices
        if device.name in claimed and is_another(device, claimed[device.name])
    }
    for name in sorted(
        {place.device for kept in entered for place in kept.served.model.places} & set(others)
    ):
        raise ModelMisconfigured(f"{name} is {whose(others[name])} meanwhile. {WHAT_TO_DO}")


def is_another(there: Device | Row[Any], device: Device) -> bool:
    """Whether what the ledger has by a device's name is not that device.

    A card is known by its UUID, whichever host or container sees it; what is declared without one, by its name.
    """
    if there.uuid and device.uuid and there.uuid == device.uuid:
        return False
    if there.host is None and device.host is None:
        return bool(there.uuid and device.uuid)
    return bool(there.host != device.host)


def whose(there: Device | Row[Any]) -> str:
    """Whose the device of that name is, in words."""
    return f"a device that {there.host} has found" if there.host else "a device that somebody else declares"


def _used(connection: Connection, now: float) -> set[str]:
    """Names of devices that somebody who lives holds, waits for, or loads and unloads on."""
    waiting = connection.execute(
        select(lease_waiters.c.served).where(lease_waiters.c.expires_at > now)
    ).scalars()
    return {
        *connection.execute(select(leases.c.device).where(leases.c.expires_at > now)).scalars(),
        *connection.execute(
            select(lease_transitions.c.device).where(
                lease_transitions.c.ended_at.is_(None), lease_transitions.c.expires_at > now
            )
        ).scalars(),
        *(place.device for served in waiting for place in Served.from_json(served).model.places),
    }


def _row(device: Device, now: float) -> dict[str, Any]:
    return {
        "name": device.name,
        "kind": device.kind,
        "memory_mib": device.memory_mib,
        "mig_profile": device.mig_profile,
        "foreign_mib": device.foreign_mib,
        "seen_at": now,
        "host": device.host,
        "uuid": device.uuid,
    }
