"""Memory of a card that no resident has: what other programs take is not promised to anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from backends.devices import Devices

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from backends.leases.ledger import Ledger
    from backends.leases.records import Snapshot
    from backends.readings import Reading

# Drivers and contexts take some, and it comes and goes.
_TOO_LITTLE_MIB: Final = 512


def measure(ledger: Ledger, names: Mapping[str, str]) -> None:
    """Put down in the ledger what other programs take of this machine's cards.

    Args:
        ledger: The ledger.
        names: As for ``foreign_memory``.
    """
    with Devices() as devices:
        readings = devices.read().devices
    if any(reading.kind != "host" for reading in readings):
        for device, mib in foreign_memory(readings, names, ledger.snapshot()).items():
            ledger.measured(device, mib)


def foreign_memory(
    readings: Iterable[Reading], names: Mapping[str, str], snapshot: Snapshot
) -> dict[str, int]:
    """How much of each of this machine's cards is taken by what the ledger does not know, where that has changed.

    While a model is on its way in or out nobody can tell whose memory is whose. A host's memory is what its operator
    gives to models: other programs are none of its business.

    Args:
        readings: This machine's devices.
        names: The ledger's name of each, by its UUID.
        snapshot: The ledger.

    Returns:
        MiB, by the ledger's name.
    """
    known = {device.name: device for device in snapshot.devices}
    changed: dict[str, int] = {}
    for reading in readings:
        device = known.get(names.get(reading.uuid, ""))
        if device is None or reading.kind == "host" or reading.memory_used_mib is None:
            continue
        if device.uuid not in {None, reading.uuid}:
            # Another host's card has that name.
            continue
        residents = [kept for kept in snapshot.residents if kept.place.device == device.name]
        if any(kept.resident.state in {"loading", "unloading"} for kept in residents):
            continue
        ours = sum(
            max(
                kept.served.model.memory_mib,
                cost.peak_mib or 0
                if (cost := snapshot.costs.get((kept.place.model, kept.place.deployment)))
                else 0,
            )
            for kept in residents
        )
        foreign = max(0, reading.memory_used_mib - ours)
        if foreign < _TOO_LITTLE_MIB:
            foreign = 0
        if abs(foreign - device.foreign_mib) >= _TOO_LITTLE_MIB or (foreign == 0) != (
            device.foreign_mib == 0
        ):
            changed[device.name] = foreign
    return changed
