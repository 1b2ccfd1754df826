"""The devices of this host: its memory, and its NVIDIA cards by NVML where there are any."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

from backends.host_memory import host_memory
from backends.nvml import Cards
from backends.readings import Readings

if TYPE_CHECKING:
    from types import TracebackType


class Devices:
    """All devices of this host, to be read again and again. For one thread at a time."""

    def __init__(self) -> None:
        self._cards = Cards()

    def read(self) -> Readings:
        """The host first, then the cards in the driver's order, each with its slices after it."""
        cards = self._cards.read()
        return Readings((host_memory(), *cards.devices), cards.problems)

    def close(self) -> None:
        """Let go of the driver."""
        self._cards.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Device:
    """A place where a model can be resident, as a run's manifest names it.

    Attributes:
        kind: ``host`` for the host's own memory, ``gpu`` for a whole card, ``mig`` for a slice of one.
        uuid: The card's or slice's UUID; ``host`` for the host; empty for a card that cannot be read.
        name: As the driver calls it, or why it cannot be read.
        memory_mib: All of its memory; 0 if it has none of its own to tell of.
    """

    kind: Literal["host", "gpu", "mig"]
    uuid: str
    name: str
    memory_mib: int

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def devices() -> tuple[Device, ...]:
    """The host, and its cards with their slices in the driver's order; what cannot be read is told of at the end."""
    with Devices() as all_devices:
        read = all_devices.read()
    found = [
        Device(
            kind="gpu" if one.kind == "whole" else one.kind,
            uuid=one.uuid,
            name=one.product,
            memory_mib=one.memory_total_mib or 0,
        )
        for one in read.devices
    ]
    # A card that cannot be asked is told of; a run that needs none goes on.
    return (*found, *(Device("gpu", "", f"unreadable: {problem}", 0) for problem in read.problems))
