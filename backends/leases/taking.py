"""What a party asks of the ledger as it takes a turn, and what it is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backends.leases.records import KeptLease, Served, Transition
    from backends.leases.state import Priority
    from backends.leases.turning import Turn


@dataclass(frozen=True, slots=True)
class Asked:
    """A waiter to be entered."""

    id: str
    priority: Priority
    served: Served


@dataclass(frozen=True, slots=True)
class Task:
    """A transition that is the caller's to carry out, at whose server."""

    transition: Transition
    served: Served


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a turn, for who took it.

    Attributes:
        turn: What changed.
        tasks: To carry out.
        granted: Leases of the caller's waiters that hold, by the waiter's id; those that others have granted it too.
        refused: Why the others of its waiters never will be granted, by id.
        standing: Ids of the caller's waiters that still stand in the queue.
        version: Of the ledger after it.
        again_in: Seconds after which to take another turn even if nothing changes; None if only a change can help.
        now: When it was, on the database's clock.
    """

    turn: Turn
    tasks: tuple[Task, ...]
    granted: dict[str, KeptLease]
    refused: dict[str, str]
    standing: frozenset[str]
    version: int
    again_in: float | None
    now: float
