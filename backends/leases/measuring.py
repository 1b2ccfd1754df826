"""Memory of a card that no resident has: what other programs take is not promised to anybody."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from backends.devices import Devices
    from backends.leases.ledger import Ledger
    from backends.leases.records import Snapshot
    from backends.readings import Reading

# Drivers and contexts take some, and it comes and goes.
_TOO_LITTLE_MIB: Final = 512


class Machine:
    """This machine's devices by the ledger's names, all read through one beginning of the driver. From any thread."""

    def __init__(self, devices: Devices, names: Mapping[str, str]) -> None:
        """Make it.

        Args:
            devices: This machine's; closed with this.
            names: The ledger's name of each, by its UUID.
        """
        self._devices = devices
        self._names = names
        # They are for one thread at a time.
        self._lock = threading.Lock()

    def measure(self, ledger: Ledger) -> None:
        """Put down in the ledger what other programs take of this machine's cards."""
        readings = self._read()
        if any(reading.kind != "host" for reading in readings):
            for device, mib in foreign_memory(readings, self._names, ledger.snapshot()).items():
                ledger.measured(device, mib)

    def used_mib(self, device: str) -> int | None:
        """Memory in use on a card or slice, by the ledger's name; None if it is no card that can be read here."""
        for reading in self._read():
            if reading.kind != "host" and self._names.get(reading.uuid) == device:
                return reading.memory_used_mib
        return None

    def close(self) -> None:
        """Let go of the driver; a later reading begins it anew."""
        with self._lock:
            self._devices.close()

    def _read(self) -> tuple[Reading, ...]:
        with self._lock:
            return self._devices.read().devices


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
