"""What devices say of themselves at one moment, as values. Memory is in MiB; what is not told is None."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class DeviceProcess:
    """A process that uses a device.

    Attributes:
        pid: Its id, as the driver tells it.
        memory_mib: What it takes of the device's memory; None if the driver does not tell.
    """

    pid: int
    memory_mib: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One device, as it is now.

    Attributes:
        name: Unique on its host: ``gpu-0``, a slice of it such as ``gpu-0.1``, or ``host``.
        uuid: The card's or the slice's UUID; ``host`` for the host.
        kind: A whole card, a MIG slice, or the host's own memory.
        product: What it is, as the driver calls it.
        card: UUID of the card that a slice belongs to.
        mig_profile: Of a slice, such as ``1g.12gb``.
        is_sliced: Whether MIG is on: only the card's slices can be computed on.
        memory_total_mib: All of its memory.
        memory_used_mib: What of it is not to be had.
        memory_free_mib: What of it is.
        utilization: Share of the last moment in which something was computed, 0 to 1.
        memory_utilization: Share of it in which memory was read or written, 0 to 1.
        power_w: Power drawn, in watts.
        temperature_c: Temperature, in degrees Celsius.
        processes: Who uses it.
    """

    name: str
    uuid: str
    kind: Literal["whole", "mig", "host"]
    product: str
    card: str | None = None
    mig_profile: str | None = None
    is_sliced: bool = False
    memory_total_mib: int | None = None
    memory_used_mib: int | None = None
    memory_free_mib: int | None = None
    utilization: float | None = None
    memory_utilization: float | None = None
    power_w: float | None = None
    temperature_c: float | None = None
    processes: tuple[DeviceProcess, ...] | None = None


@dataclass(frozen=True, slots=True)
class Readings:
    """All devices that could be read, and word of every one that could not.

    Attributes:
        devices: In the driver's order, slices after their card.
        problems: What could not be read, and why.
    """

    devices: tuple[Reading, ...]
    problems: tuple[str, ...] = ()
