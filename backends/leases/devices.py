"""The devices that can be leased: this machine's, and those that the registry declares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from backends.errors import ModelMisconfigured
from backends.leases.state import Device

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from backends.readings import Reading
    from registry.schema import DeclaredDevice


@dataclass(frozen=True, slots=True)
class Leased:
    """The devices, and which of them are this machine's.

    Attributes:
        devices: Cards and slices first, the host's memory last: the first is where a deployment is that names none.
        names: The ledger's name of each of this machine's, by the driver's UUID.
    """

    devices: tuple[Device, ...]
    names: Mapping[str, str]


def leased_devices(
    declared: Mapping[str, DeclaredDevice], readings: Iterable[Reading], *, host: str, boot: str
) -> Leased:
    """The devices that can be leased.

    What the registry declares goes before what is found: a device that it declares under the name of one of this
    machine's, or with its UUID, may leave its memory to the driver, and one with its UUID takes its place.

    Args:
        declared: By name.
        readings: This machine's.
        host: Name of this machine.
        boot: Id of its boot, by which its memory is known.

    Raises:
        ModelMisconfigured: A device of another machine says nothing of its memory.
    """
    # Memory of a card that is sliced is its slices'.
    here = {one.name: one for one in readings if one.memory_total_mib and not one.is_sliced}
    by_uuid = {one.uuid: one for one in here.values() if one.uuid}
    devices: dict[str, Device] = {}
    names: dict[str, str] = {}
    for name, one in declared.items():
        found = by_uuid.get(one.uuid or "") or here.get(name)
        if found is not None:
            here.pop(found.name, None)
            names[found.uuid] = name
        memory_mib = one.memory_mib or (found.memory_total_mib if found is not None else None)
        if memory_mib is None:
            raise ModelMisconfigured(
                f"The device {name} is none of this machine's, and the registry does not say how much memory it has. "
                f"Say memory_mib under devices.{name}."
            )
        uuid = one.uuid or (_known_by(found, boot) if found is not None else None)
        devices[name] = Device(name, memory_mib, kind=one.kind, mig_profile=one.mig_profile, uuid=uuid)
    for name, found in here.items():
        names.setdefault(found.uuid, name)
        memory_mib = found.memory_total_mib or 0
        device = Device(
            name,
            memory_mib,
            kind=found.kind,
            mig_profile=found.mig_profile,
            host=host,
            uuid=_known_by(found, boot),
        )
        devices.setdefault(name, device)
    ordered = sorted(devices.values(), key=lambda device: device.kind == "host")
    return Leased(tuple(ordered), names)


def _known_by(found: Reading, boot: str) -> str | None:
    """Containers see one card, and one memory, under many names of hosts."""
    return (boot if found.kind == "host" else found.uuid) or None
