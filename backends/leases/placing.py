"""Where a model may go: its deployments on the devices, in the order in which it likes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backends.leases.state import Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backends.leases.state import Device


def places_on(
    devices: Sequence[Device], *, model: str, deployments: Sequence[str], prefers_slice: bool
) -> tuple[Place, ...]:
    """A model's places: the kind of device that it prefers first, smaller devices before larger ones.

    A small device that will do leaves the large one to those that need it.

    Args:
        devices: Where it may be.
        model: The logical model.
        deployments: Its deployments, the best first.
        prefers_slice: Whether it would rather be on a MIG slice than on a whole card.
    """
    ordered = sorted(
        devices, key=lambda device: ((device.kind == "mig") is not prefers_slice, device.memory_mib)
    )
    return tuple(Place(model, deployment, device.name) for deployment in deployments for device in ordered)
