"""A glance at the ledger: whether a turn is worth while, told without taking the ledger's row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from backends.leases.state import Place
from store.tables import lease_ledger, lease_residents, lease_waiters

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from backends.leases.state import Priority, ResidentState


@dataclass(frozen=True, slots=True)
class Glance:
    """What somebody looks at to know whether a turn is worth while: the version, and who is in whose way.

    Attributes:
        version: Of the ledger.
        wanted: Models that are waited for, each with who waits and with what priority.
        closed: Places whose residents take no more leases, and what becomes of them.
    """

    version: int
    wanted: frozenset[tuple[str, str, Priority]]
    closed: dict[Place, ResidentState]


_VERSION: Final = select(lease_ledger.c.version)
_WANTED: Final = select(lease_waiters.c.model, lease_waiters.c.holder, lease_waiters.c.priority).where(
    lease_waiters.c.refused.is_(None)
)
_CLOSED: Final = select(*(lease_residents.c[name] for name in Place._fields), lease_residents.c.state).where(
    lease_residents.c.state != "ready"
)


def glance(connection: Connection) -> Glance:
    """What is to be seen now."""
    version = connection.execute(_VERSION).scalar_one()
    wanted = connection.execute(_WANTED).all()
    closed = connection.execute(_CLOSED).all()
    return Glance(
        version,
        frozenset((row.model, row.holder, row.priority) for row in wanted),
        {Place(*where): state for *where, state in closed},
    )
