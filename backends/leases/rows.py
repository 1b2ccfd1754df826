"""The ledger's rows and the values that they are, both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Double, bindparam, literal_column, select

from backends.errors import LedgerInOtherMode
from backends.leases.records import (
    TRIES,
    Cost,
    Failure,
    KeptLease,
    KeptResident,
    KeptWaiter,
    Served,
    Snapshot,
    Transition,
)
from backends.leases.state import Device, Place, Resident, Waiter
from store.tables import (
    lease_costs,
    lease_devices,
    lease_ledger,
    lease_residents,
    lease_transitions,
    lease_waiters,
    leases,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row, Table

    from backends.leases.records import Mode

# Failures that are older tell nothing about now.
_FAILURES_S: Final = 3600.0

_CLOCKS: Final = {
    "sqlite": "(julianday('now') - 2440587.5) * 86400.0",
    "postgresql": "extract(epoch from clock_timestamp())::double precision",
}

# Made once: making a statement costs more than asking it.
_TIME: Final = {
    dialect: select(literal_column(clock, Double).label("now")) for dialect, clock in _CLOCKS.items()
}
_OPENING: Final = {
    dialect: time.add_columns(
        lease_ledger.c.token, lease_ledger.c.version, lease_ledger.c.mode
    ).with_for_update()
    for dialect, time in _TIME.items()
}
_DEVICES: Final = select(lease_devices)
_RESIDENTS: Final = select(lease_residents)
_LEASES: Final = select(leases).order_by(leases.c.token)
_LEASES_OF: Final = _LEASES.where(leases.c.holder == bindparam("of"))
_WAITERS: Final = select(lease_waiters)
_COSTS: Final = select(lease_costs)
_TRANSITIONS: Final = select(lease_transitions).where(
    lease_transitions.c.ended_at.is_(None)
    | ((lease_transitions.c.ended_at > bindparam("since")) & (lease_transitions.c.outcome == "failed"))
)


def open_ledger(connection: Connection, *, mode: Mode | None = None) -> tuple[int, int, float]:
    """Take the ledger's row: its last token, its version, and what time it is, in seconds since 1970.

    Args:
        connection: In a transaction.
        mode: That the ledger has to be in.

    Raises:
        LedgerInOtherMode: It is in another.
    """
    row = connection.execute(_OPENING[connection.dialect.name]).one()
    if mode is not None and row.mode not in {None, mode}:
        raise LedgerInOtherMode(
            f"The leases went over to mode {row.mode} while this process, in mode {mode}, held none. Give all that "
            f"share devices the same IMAGEWORKS_LEASES, and begin again."
        )
    return row.token, row.version, row.now


def time_of(connection: Connection) -> float:
    """Seconds since 1970 on the database's clock."""
    return float(connection.execute(_TIME[connection.dialect.name]).scalar_one())


def read_snapshot(connection: Connection, now: float) -> Snapshot:
    """All of the ledger; a resident of a device that nobody has declared is left out.

    Args:
        connection: Sees one state of it.
        now: On the database's clock.
    """
    devices = tuple(
        Device(row.name, row.memory_mib, row.kind, row.mig_profile, row.foreign_mib, row.host, row.uuid)
        for row in connection.execute(_DEVICES)
    )
    transitions, failures = _transitions(connection, now)
    return Snapshot(
        now=now,
        devices=devices,
        residents=tuple(
            kept
            for kept in map(_resident, connection.execute(_RESIDENTS))
            if any(device.name == kept.place.device for device in devices)
        ),
        leases=tuple(map(_lease, connection.execute(_LEASES))),
        waiters=tuple(
            KeptWaiter(
                Waiter(row.waiter, row.model, row.priority, row.since),
                row.holder,
                row.expires_at,
                Served.from_json(row.served),
                row.refused,
            )
            for row in connection.execute(_WAITERS)
        ),
        transitions=transitions,
        failures=failures,
        costs={
            (row.model, row.deployment): Cost(row.load_s, row.unload_s, row.peak_mib)
            for row in connection.execute(_COSTS)
        },
    )


def read_leases(connection: Connection, holder: str) -> tuple[KeptLease, ...]:
    """One holder's leases."""
    return tuple(map(_lease, connection.execute(_LEASES_OF, {"of": holder})))


def _lease(row: Row[Any]) -> KeptLease:
    place = Place(row.model, row.deployment, row.device)
    return KeptLease(row.token, place, row.priority, row.holder, row.waiter, row.granted_at, row.expires_at)


def _transitions(connection: Connection, now: float) -> tuple[tuple[Transition, ...], tuple[Failure, ...]]:
    rows = connection.execute(_TRANSITIONS, {"since": now - _FAILURES_S}).all()
    under_way, failures = [], []
    for row in rows:
        place = Place(row.model, row.deployment, row.device)
        if row.ended_at is None:
            under_way.append(
                Transition(
                    row.token,
                    place,
                    row.phase,
                    row.owner,
                    row.began_at,
                    row.expires_at,
                    row.tries,
                    row.subject,
                )
            )
        elif row.tries >= TRIES or row.phase != "load":
            failures.append(Failure(place, row.phase, row.ended_at, row.detail or ""))
    return tuple(under_way), tuple(failures)


def _resident(row: Row[Any]) -> KeptResident:
    return KeptResident(
        Resident(
            Place(row.model, row.deployment, row.device),
            row.state,
            row.since,
            row.used_at,
            row.chatted_at,
            row.cleared_for,
        ),
        Served.from_json(row.served),
        row.token,
    )


def resident_row(kept: KeptResident) -> dict[str, Any]:
    """The row of a resident."""
    resident = kept.resident
    return {
        **resident.place._asdict(),
        "state": resident.state,
        "since": resident.since,
        "used_at": resident.used_at,
        "chatted_at": resident.chatted_at,
        "cleared_for": resident.cleared_for,
        "token": kept.token,
        "served": kept.served.as_json(),
    }


def waiter_row(kept: KeptWaiter) -> dict[str, Any]:
    """The row of a waiter."""
    waiter = kept.waiter
    return {
        "waiter": waiter.id,
        "model": waiter.model,
        "priority": waiter.priority,
        "holder": kept.holder,
        "since": waiter.since,
        "expires_at": kept.expires_at,
        "served": kept.served.as_json(),
        "refused": kept.refused,
    }


def transition_row(transition: Transition) -> dict[str, Any]:
    """The row of a transition under way."""
    return {
        "token": transition.token,
        **transition.place._asdict(),
        "phase": transition.phase,
        "subject": transition.subject,
        "owner": transition.owner,
        "tries": transition.tries,
        "began_at": transition.began_at,
        "expires_at": transition.expires_at,
    }


def lease_row(lease: KeptLease) -> dict[str, Any]:
    """The row of a lease."""
    return {
        "token": lease.token,
        **lease.place._asdict(),
        "priority": lease.priority,
        "holder": lease.holder,
        "waiter": lease.waiter,
        "granted_at": lease.granted_at,
        "expires_at": lease.expires_at,
    }


def at(table: Table, place: Place) -> tuple[Any, ...]:
    """Conditions that a row of the table is of a place."""
    return tuple(table.c[name] == value for name, value in place._asdict().items())
