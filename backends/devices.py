"""The devices of this host: its memory, and its NVIDIA cards by NVML where there are any."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

import pynvml

_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Device:
    """A place where a model can be resident.

    Attributes:
        kind: ``host`` for the host's own memory, or ``gpu`` for a whole card.
        uuid: The card's UUID; ``host`` for the host; empty for a card that cannot be read.
        name: As the driver calls it, or why it cannot be read.
        memory_mib: All of its memory.
    """

    kind: Literal["host", "gpu"]
    uuid: str
    name: str
    memory_mib: int

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def devices() -> tuple[Device, ...]:
    """The host, and its cards in the driver's order."""
    return (_host(), *_cards())


def _host() -> Device:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Device("host", "host", f"{os.cpu_count()} cores", memory // _MIB)


def _cards() -> tuple[Device, ...]:
    # A card that cannot be asked is told of; a run that needs none goes on.
    try:
        pynvml.nvmlInit()
        try:
            return tuple(_card(index) for index in range(pynvml.nvmlDeviceGetCount()))
        finally:
            pynvml.nvmlShutdown()
    except (pynvml.NVMLError_LibraryNotFound, pynvml.NVMLError_DriverNotLoaded):
        return ()
    except pynvml.NVMLError as error:
        return (_unreadable(str(error)),)


def _card(index: int) -> Device:
    try:
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        return Device(
            kind="gpu",
            uuid=pynvml.nvmlDeviceGetUUID(handle),
            name=pynvml.nvmlDeviceGetName(handle),
            # A card that shares the host's memory has none of its own to tell of.
            memory_mib=pynvml.nvmlDeviceGetMemoryInfo(handle).total // _MIB,
        )
    except pynvml.NVMLError as error:
        return _unreadable(f"card {index}: {error}")


def _unreadable(why: str) -> Device:
    return Device("gpu", "", f"unreadable: {why}", 0)
