"""The devices that can be leased: this machine's, and those that the registry declares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backends.devices import devices
from backends.errors import ModelMisconfigured
from backends.leases.state import Device

if TYPE_CHECKING:
    from collections.abc import Mapping

    from registry.schema import DeclaredDevice


def leased_devices(declared: Mapping[str, DeclaredDevice]) -> tuple[Device, ...]:
    """Cards first, then the host's memory: the first one is where a deployment is that names none.

    What the registry declares goes before what is found; a device that it declares with a card's UUID, or under the
    name of one of this machine's, may leave its memory to the driver.

    Args:
        declared: By name.

    Raises:
        ModelMisconfigured: A device of another machine says nothing of its memory.
    """
    found = {one.uuid: one for one in devices()}
    cards = [one for one in found.values() if one.kind == "gpu" and one.memory_mib]
    here = {f"gpu{index}": Device(f"gpu{index}", card.memory_mib) for index, card in enumerate(cards)}
    here["host"] = Device("host", found["host"].memory_mib, kind="host")
    known = {one.uuid for one in declared.values()}
    # A card that has a name of the operator's has no other.
    usual = {
        name: one for name, one in here.items() if name == "host" or cards[int(name[3:])].uuid not in known
    }
    named: dict[str, Device] = {}
    for name, one in declared.items():
        memory_mib = one.memory_mib
        if memory_mib is None and one.uuid in found:
            memory_mib = found[one.uuid].memory_mib
        if memory_mib is None and name in here:
            memory_mib = here[name].memory_mib
        if memory_mib is None:
            raise ModelMisconfigured(
                f"The device {name} is none of this machine's, and the registry does not say how much memory it has. "
                f"Say memory_mib under devices.{name}."
            )
        named[name] = Device(name, memory_mib, kind=one.kind, mig_profile=one.mig_profile)
    together = {**named, **{name: one for name, one in usual.items() if name not in named}}
    return tuple(sorted(together.values(), key=lambda one: one.kind == "host"))
