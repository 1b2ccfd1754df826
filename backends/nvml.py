"""The NVIDIA cards of this host and their MIG slices, through NVML."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pynvml

from backends.readings import DeviceProcess, Reading, Readings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

_MIB: Final = 1024 * 1024
_PROFILE: Final = re.compile(r"MIG (\S+)$")
# What NVML says where a device, a driver or a permission does not give a reading. A slice is no valid argument for
# what only a card has; that a handle is no longer valid shows in the memory, which is read before all else.
_UNTOLD: Final = (
    pynvml.NVMLError_NotSupported,
    pynvml.NVMLError_FunctionNotFound,
    pynvml.NVMLError_NoPermission,
    pynvml.NVMLError_InvalidArgument,
)


@dataclass(frozen=True, slots=True)
class _Card:
    name: str
    handle: Any
    uuid: str
    product: str


class Cards:
    """The cards, to be read again and again: NVML is begun once, and the cards' handles are kept.

    It is begun anew when it says that it is not, and after a while when a card could not be read or no driver was
    there. Slices are listed at every reading, since they can be made and removed at any time. For one thread at a
    time.
    """

    def __init__(self, *, again_after_s: float = 60.0) -> None:
        """Make it; nothing is begun before the first reading.

        Args:
            again_after_s: Seconds after which NVML is begun anew when something could not be read: beginning may
                take seconds where the driver keeps no state.
        """
        self._again_after_s = again_after_s
        self._is_up = False
        self._cards: list[_Card] = []
        self._unlisted: list[str] = []
        self._begin_at: float | None = time.monotonic()

    def read(self) -> Readings:
        """All cards and slices as they are now; a host without a driver has none. Raises nothing of NVML."""
        if self._begin_at is not None and time.monotonic() >= self._begin_at:
            self._begin()
        try:
            return self._read()
        except pynvml.NVMLError_Uninitialized:
            # Somebody else in this process has shut it down.
            self._begin()
        try:
            return self._read()
        except pynvml.NVMLError_Uninitialized as error:
            self._begin_again_later()
            return Readings((), (f"NVML: {error}",))

    def close(self) -> None:
        """Let go of NVML. A later reading begins it anew."""
        if self._is_up:
            with suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()
        self._is_up = False
        self._cards, self._unlisted = [], []
        self._begin_at = time.monotonic()

    def _begin(self) -> None:
        self.close()
        self._begin_at = None
        try:
            pynvml.nvmlInit()
            self._is_up = True
            count = pynvml.nvmlDeviceGetCount()
        except (pynvml.NVMLError_LibraryNotFound, pynvml.NVMLError_DriverNotLoaded):
            self._begin_again_later()
            return
        except pynvml.NVMLError as error:
            self._unlisted.append(f"NVML: {error}")
            self._begin_again_later()
            return
        for index in range(count):
            try:
                self._cards.append(_card(index))
            except pynvml.NVMLError as error:
                self._unlisted.append(f"gpu-{index}: {error}")
                self._begin_again_later()

    def _begin_again_later(self) -> None:
        if self._begin_at is None:
            self._begin_at = time.monotonic() + self._again_after_s

    def _read(self) -> Readings:
        devices: list[Reading] = []
        problems = [*self._unlisted]
        for card in self._cards:
            try:
                most_slices = _most_slices(card.handle)
                devices.append(_whole(card, is_sliced=most_slices > 0))
                devices.extend(_slices(card, most_slices))
            except pynvml.NVMLError_Uninitialized:
                raise
            except pynvml.NVMLError as error:
                problems.append(f"{card.name}: {error}")
                self._begin_again_later()
        return Readings(tuple(devices), tuple(problems))


def _card(index: int) -> _Card:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    return _Card(
        name=f"gpu-{index}",
        handle=handle,
        uuid=pynvml.nvmlDeviceGetUUID(handle),
        product=pynvml.nvmlDeviceGetName(handle),
    )


def _most_slices(handle: Any) -> int:
    """How many slices a card can have; 0 while its MIG mode is off, which can be switched at any time."""
    mode = _told(pynvml.nvmlDeviceGetMigMode, handle)
    is_sliced = mode is not None and mode[0] == pynvml.NVML_DEVICE_MIG_ENABLE
    return pynvml.nvmlDeviceGetMaxMigDeviceCount(handle) if is_sliced else 0


def _whole(card: _Card, *, is_sliced: bool) -> Reading:
    memory = _memory(card.handle)
    shares = _told(pynvml.nvmlDeviceGetUtilizationRates, card.handle)
    milliwatts = _told(pynvml.nvmlDeviceGetPowerUsage, card.handle)
    return Reading(
        name=card.name,
        uuid=card.uuid,
        kind="whole",
        product=card.product,
        is_sliced=is_sliced,
        **memory,
        utilization=None if shares is None else shares.gpu / 100,
        memory_utilization=None if shares is None else shares.memory / 100,
        power_w=None if milliwatts is None else milliwatts / 1000,
        temperature_c=_temperature(card.handle),
        processes=_processes(card.handle),
    )


def _slices(card: _Card, most: int) -> Iterator[Reading]:
    """The slices of a card; what only the whole card has (power, temperature, utilization) is not told of them."""
    for index in range(most):
        try:
            # The slice's own handle: through its card's one would read the memory of all slices together.
            handle = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(card.handle, index)
        except pynvml.NVMLError_NotFound:
            continue
        product = pynvml.nvmlDeviceGetName(handle)
        profile = _PROFILE.search(product)
        yield Reading(
            name=f"{card.name}.{index}",
            uuid=pynvml.nvmlDeviceGetUUID(handle),
            kind="mig",
            product=product,
            card=card.uuid,
            mig_profile=None if profile is None else profile.group(1),
            **_memory(handle),
            processes=_processes(handle),
        )


def _told(read: Callable[..., T], *arguments: Any) -> T | None:
    """A reading that not every device gives; None where this one does not."""
    try:
        return read(*arguments)
    except _UNTOLD:
        return None


def _memory(handle: Any) -> dict[str, Any]:
    try:
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    except pynvml.NVMLError_NotSupported:
        # A card that shares the host's memory has none of its own to tell of.
        return {}
    return {
        "memory_total_mib": memory.total // _MIB,
        "memory_used_mib": memory.used // _MIB,
        "memory_free_mib": memory.free // _MIB,
    }


def _temperature(handle: Any) -> float | None:
    # The newer call is missing in older drivers, and the older one is to go.
    for read in (pynvml.nvmlDeviceGetTemperatureV, pynvml.nvmlDeviceGetTemperature):
        degrees = _told(read, handle, pynvml.NVML_TEMPERATURE_GPU)
        if degrees is not None:
            return float(degrees)
    return None


def _processes(handle: Any) -> tuple[DeviceProcess, ...] | None:
    lists = [
        _told(read, handle)
        for read in (
            pynvml.nvmlDeviceGetComputeRunningProcesses_v3,
            pynvml.nvmlDeviceGetGraphicsRunningProcesses_v3,
        )
    ]
    if all(listed is None for listed in lists):
        return None
    found: dict[int, int | None] = {}
    # A process that draws and computes is in both, each time with all of its memory.
    for process in (process for listed in lists for process in listed or ()):
        used = process.usedGpuMemory
        found[process.pid] = None if used is None else used // _MIB
    return tuple(DeviceProcess(pid, memory) for pid, memory in sorted(found.items()))
