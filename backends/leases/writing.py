"""What ends in the ledger, written down: leases, transitions, and what that means for their residents.

All of it within the caller's transaction, which has taken the ledger's row.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, bindparam, case, delete, select, update

from backends.leases.records import TRIES, Cost
from backends.leases.rows import at
from backends.leases.state import Place
from store.tables import lease_costs, lease_ledger, lease_residents, lease_transitions, leases
from store.upserting import upsert

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection
    from sqlalchemy.sql.dml import ReturningDelete

    from backends.leases.records import Ending, Transition

# How much the last switch counts among those before.
_NEWEST: Final = 0.5


def leases_where(condition: ColumnElement[bool]) -> ReturningDelete[Any]:
    """Delete leases, and say whose they were."""
    return (
        delete(leases)
        .where(condition)
        .returning(leases.c.model, leases.c.deployment, leases.c.device, leases.c.priority)
    )


LEFT: Final = leases_where(
    leases.c.token.in_(bindparam("tokens", expanding=True))
    | leases.c.waiter.in_(bindparam("waiters", expanding=True))
)
"""Of leases that are given back, by token, and of those that a waiter was granted who has left."""

_USED: Final = (
    update(lease_residents)
    .where(*(lease_residents.c[name] == bindparam(f"of_{name}") for name in Place._fields))
    .values(
        used_at=bindparam("now"),
        chatted_at=case((bindparam("chatted"), bindparam("now")), else_=lease_residents.c.chatted_at),
    )
)
_CLOSING: Final = update(lease_ledger).values(token=bindparam("new_token"), version=bindparam("new_version"))


def close(connection: Connection, token: int, version: int) -> None:
    """Write down the last token that was given out, and the ledger's new version."""
    connection.execute(_CLOSING, {"new_token": token, "new_version": version})


def end(connection: Connection, now: float, ended: ReturningDelete[Any], parameters: dict[str, Any]) -> None:
    """End leases, and note on their residents that they were in use until now."""
    used: dict[Place, bool] = {}
    for *where, priority in connection.execute(ended, parameters):
        place = Place(*where)
        used[place] = used.get(place, False) or priority == "interactive"
    if used:
        connection.execute(
            _USED,
            [
                {f"of_{name}": value for name, value in place._asdict().items()}
                | {"now": now, "chatted": chatted}
                for place, chatted in used.items()
            ],
        )


def follow(connection: Connection, transition: Transition, ending: Ending, now: float) -> None:
    """Write down what the end of a transition means for its resident."""
    place = transition.place
    if transition.phase == "revoke":
        if ending == "failed" and transition.tries < TRIES:
            return
        # Nobody waits for ever for a server that cannot be told; it is said what that means.
        end(connection, now, leases_where(leases.c.token == transition.subject), {})
        return
    if transition.phase == "load" and ending == "done":
        connection.execute(
            update(lease_residents)
            .where(*at(lease_residents, place))
            .values(state="ready", since=now, used_at=now)
        )
    elif (transition.phase == "load" and transition.tries >= TRIES) or (
        transition.phase == "unload" and ending == "done"
    ):
        # One that was to be loaded again may still have leases from before.
        end(connection, now, leases_where(and_(*at(leases, place))), {})
        connection.execute(delete(lease_residents).where(*at(lease_residents, place)))
        drop(connection, place, now)


def drop(connection: Connection, place: Place, now: float) -> None:
    """End whatever is under way for a resident that is gone."""
    connection.execute(
        update(lease_transitions)
        .where(*at(lease_transitions, place), lease_transitions.c.ended_at.is_(None))
        .values(ended_at=now, outcome="taken_over")
    )


def learn(connection: Connection, transition: Transition, seconds: float, peak_mib: int | None) -> None:
    """Remember what a loading or unloading cost, the newest most."""
    where = (
        lease_costs.c.model == transition.place.model,
        lease_costs.c.deployment == transition.place.deployment,
    )
    row = connection.execute(select(lease_costs).where(*where)).first()
    known = Cost() if row is None else Cost(row.load_s, row.unload_s, row.peak_mib)
    before = known.load_s if transition.phase == "load" else known.unload_s
    learned = seconds if before is None else before + _NEWEST * (seconds - before)
    peak = max(known.peak_mib or 0, peak_mib or 0) or None
    cost = (
        replace(known, load_s=learned, peak_mib=peak)
        if transition.phase == "load"
        else replace(known, unload_s=learned, peak_mib=peak)
    )
    upsert(
        connection,
        lease_costs,
        [
            {
                "model": transition.place.model,
                "deployment": transition.place.deployment,
                "load_s": cost.load_s,
                "unload_s": cost.unload_s,
                "peak_mib": cost.peak_mib,
            }
        ],
    )
