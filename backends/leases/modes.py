"""The ledger's mode: what is only observed and what is done must not stand in it side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, select, update

from backends.errors import LedgerInOtherMode
from store.tables import (
    lease_devices,
    lease_ledger,
    lease_residents,
    lease_transitions,
    lease_waiters,
    leases,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from backends.leases.records import Mode


def go_over(connection: Connection, mode: Mode, now: float) -> None:
    """Have the ledger in this mode from now on.

    Nothing of another mode stays: residents that were only pretended are not there, and others may have gone since.
    What servers have is learned anew.

    Args:
        connection: Has taken the ledger's row.
        mode: The mode.
        now: On the database's clock.

    Raises:
        LedgerInOtherMode: It is in another, and somebody lives who holds, waits, loads or unloads in it.
    """
    before = connection.execute(select(lease_ledger.c.mode)).scalar_one()
    if before == mode:
        return
    alive = _alive(connection, now)
    if alive:
        others = f"{', '.join(alive)} {'uses' if len(alive) == 1 else 'use'} them"
        raise LedgerInOtherMode(
            f"Leases are in mode {before or 'of an earlier version'} now, and {others}: nobody can begin in mode "
            f"{mode} beside that. Let that end first (who died counts for IMAGEWORKS_LEASE_TTL_S more), or give both "
            f"the same IMAGEWORKS_LEASES."
        )
    connection.execute(
        update(lease_transitions)
        .where(lease_transitions.c.ended_at.is_(None))
        .values(ended_at=now, outcome="taken_over")
    )
    for table in (leases, lease_waiters, lease_residents):
        connection.execute(delete(table))
    # Measured beside residents that may not have been there.
    connection.execute(update(lease_devices).values(foreign_mib=0))
    connection.execute(update(lease_ledger).values(mode=mode))


def _alive(connection: Connection, now: float) -> list[str]:
    """Who holds, waits, loads or unloads; without those who said nothing for too long."""
    return sorted(
        {
            *connection.execute(select(leases.c.holder).where(leases.c.expires_at > now)).scalars(),
            *connection.execute(
                select(lease_waiters.c.holder).where(lease_waiters.c.expires_at > now)
            ).scalars(),
            *connection.execute(
                select(lease_transitions.c.owner).where(
                    lease_transitions.c.ended_at.is_(None), lease_transitions.c.expires_at > now
                )
            ).scalars(),
        }
    )
