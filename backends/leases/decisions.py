"""What a policy may decide about a waiter, each with its reason in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backends.leases.state import Place


@dataclass(frozen=True, slots=True)
class Grant:
    """Give the waiter a lease on a resident that is ready."""

    waiter: str
    place: Place
    reason: str


@dataclass(frozen=True, slots=True)
class Load:
    """Load the waiter's model there; the memory is free."""

    waiter: str
    place: Place
    reason: str


@dataclass(frozen=True, slots=True)
class Evict:
    """Close a resident, let its leases end, and unload it, so that the waiter's model finds room."""

    waiter: str
    place: Place
    reason: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing can be done for the waiter now.

    Attributes:
        until: When to plan anew even if nothing changes; None if only a change can help.
    """

    waiter: str
    reason: str
    until: float | None = None


Decision = Grant | Load | Evict | Wait
