"""The ledger in the state database: who has what, who waits, and what is being done about it; by its clock.

Every change is one short transaction that first takes the ledger's one row, so that on PostgreSQL as on SQLite one
process at a time changes it, and all see the same order of tokens.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, delete, insert, select, true, update

from backends.leases.claiming import check_claims, claim
from backends.leases.glancing import Glance, glance
from backends.leases.modes import go_over
from backends.leases.policy import plan
from backends.leases.records import (
    LONGEST_TTL_S,
    NOBODY,
    RELEASED,
    TRIES,
    KeptLease,
    KeptResident,
    KeptWaiter,
    Snapshot,
    Transition,
    is_over,
)
from backends.leases.rows import (
    at,
    lease_row,
    open_ledger,
    read_leases,
    read_snapshot,
    resident_row,
    time_of,
    transition_row,
    waiter_row,
)
from backends.leases.state import Place, Waiter
from backends.leases.taking import Taken, Task
from backends.leases.turning import Turn, take_turn
from backends.leases.writing import LEFT, close, drop, end, follow, learn, leases_where
from store.tables import (
    lease_devices,
    lease_residents,
    lease_transitions,
    lease_waiters,
    leases,
)
from store.upserting import upsert

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import Connection

    from backends.leases.policy import Limits, Policy
    from backends.leases.records import Ending, Mode, Served
    from backends.leases.state import Device, Resident
    from backends.leases.taking import Asked
    from backends.leases.turning import Beginning
    from store.database import StateDatabase

TTL_S: Final = 15.0
"""Seconds after which a holder, a waiter or an owner that has said nothing counts as gone."""

_KEPT_S: Final = 30 * 86400.0


@dataclass(slots=True)
class _Written:
    """What was given out while a turn was written down."""

    token: int
    now: float
    tasks: list[Task] = field(default_factory=list)
    granted: list[KeptLease] = field(default_factory=list)

    def next_token(self) -> int:
        self.token += 1
        return self.token


class Ledger:
    """The ledger as one party sees it. Use it from any thread."""

    def __init__(
        self,
        database: StateDatabase,
        holder: str,
        *,
        limits: Limits,
        ttl_s: float = TTL_S,
        mode: Mode = "enforce",
        learns: bool = True,
        policy: Policy | None = None,
    ) -> None:
        """Make one.

        Args:
            database: Has its tables.
            holder: Who the leases, waiters and transitions of this party belong to; unique over all processes.
            limits: How patient the policy is.
            ttl_s: Seconds for which a word of life holds.
            mode: Whether what is decided is carried out; all who use the ledger at one time have the same.
            learns: Whether what its switches cost is remembered.
            policy: Decides whose turn a device is; ours within the limits if None.
        """
        self._mode = mode
        self._learns = learns
        self._claimed: dict[str, Device] = {}
        self._database = database
        self._holder = holder
        self._policy = policy if policy is not None else partial(plan, limits=limits)
        self._ttl_s = ttl_s

    def declare(self, devices: Sequence[Device]) -> dict[str, str]:
        """Begin to use the ledger, and say which devices there are: what is said holds, but for measured memory.

        Returns:
            Whose device has the name, by name, where somebody uses it for another one: those are not to be had.

        Raises:
            LedgerInOtherMode: Somebody uses it in the other mode.
        """
        with self._database.passing() as connection:
            token, version, now = open_ledger(connection)
            go_over(connection, self._mode, now)
            others = claim(connection, devices, now)
            close(connection, token, version + 1)
        self._claimed = {device.name: device for device in devices if device.name not in others}
        return others

    def turn(
        self,
        *,
        enter: Sequence[Asked] = (),
        leave: Collection[str] = (),
        give_back: Collection[int] = (),
    ) -> Taken:
        """Enter and leave the queue, give leases back, and take a turn: all of it, or nothing if it fails.

        Args:
            enter: Waiters of this party.
            leave: Ids of waiters that wait no longer; a lease that one of them was granted ends.
            give_back: Tokens of leases that are no longer needed.

        Raises:
            LedgerInOtherMode: Others began to use it in the other mode while this party had nothing in it.
            ModelMisconfigured: A device that is to be waited for is another host's meanwhile.
        """
        with self._database.passing() as connection:
            token, version, now = open_ledger(connection, mode=self._mode)
            if leave:
                connection.execute(delete(lease_waiters).where(lease_waiters.c.waiter.in_(leave)))
            if leave or give_back:
                end(connection, now, LEFT, {"tokens": list(give_back), "waiters": list(leave)})
            written = _Written(token, now)
            entered = [self._entered(asked, now) for asked in enter if asked.id not in leave]
            if entered or _anybody_waits(connection):
                snapshot = read_snapshot(connection, now)
                entered = _new(entered, snapshot)
                snapshot = replace(snapshot, waiters=(*snapshot.waiters, *entered))
                check_claims(snapshot.devices, self._claimed, entered)
                turn = take_turn(snapshot, self._policy)
                self._write(connection, turn, entered, written)
            else:
                # What is given back is nobody's business until somebody wants it; but others may have granted.
                snapshot, turn = Snapshot(now, leases=read_leases(connection, self._holder)), Turn()
            changed = bool(enter or leave or give_back or turn.changes)
            if changed:
                close(connection, written.token, version + 1)
        return self._taken(snapshot, turn, written, version + changed)

    def _taken(self, snapshot: Snapshot, turn: Turn, written: _Written, version: int) -> Taken:
        refused = [(kept, kept.refused) for kept in snapshot.waiters if kept.refused] + turn.refused
        fenced = {begun.subject for begun in turn.begun} | {one.subject for one in snapshot.transitions}
        over = {lease.token for lease in turn.ended} | fenced
        granted = [
            lease
            for lease in (*snapshot.leases, *written.granted)
            if lease.token not in over and not is_over(lease.expires_at, snapshot.now)
        ]
        left = {kept.waiter.id for kept in turn.forgotten} | {kept.waiter.id for kept, _ in turn.granted}
        return Taken(
            turn=turn,
            tasks=tuple(written.tasks),
            granted={lease.waiter: lease for lease in granted if lease.holder == self._holder},
            refused={kept.waiter.id: why for kept, why in refused if kept.holder == self._holder},
            standing=frozenset(
                kept.waiter.id
                for kept in snapshot.waiters
                if kept.holder == self._holder and kept.waiter.id not in left
            ),
            version=version,
            again_in=None if turn.again_at is None else max(0.0, turn.again_at - snapshot.now),
            now=snapshot.now,
        )

    def glance(self) -> Glance:
        """Look without taking the ledger's row."""
        with self._database.read() as connection:
            return glance(connection)

    def renew(self) -> frozenset[int]:
        """Say that this party lives: for its waiters, its transitions, and its leases that have not run out.

        Returns:
            The tokens of its leases, all of which hold for another while; any other has been lost.
        """
        with self._database.passing() as connection:
            # In turn with all others: nobody takes for dead whom this revives.
            _, _, now = open_ledger(connection)
            until = now + self._ttl_s
            connection.execute(
                update(lease_waiters).where(lease_waiters.c.holder == self._holder).values(expires_at=until)
            )
            connection.execute(
                update(lease_transitions)
                .where(
                    lease_transitions.c.owner == self._holder,
                    lease_transitions.c.ended_at.is_(None),
                    lease_transitions.c.expires_at > now,
                )
                .values(expires_at=until)
            )
            kept = connection.execute(
                update(leases)
                .where(
                    leases.c.holder == self._holder,
                    leases.c.expires_at > now,
                    leases.c.expires_at <= now + LONGEST_TTL_S,
                )
                .values(expires_at=until)
                .returning(leases.c.token)
            ).scalars()
            return frozenset(kept)

    def finish(
        self, transition: Transition, ending: Ending, *, detail: str = "", peak_mib: int | None = None
    ) -> bool:
        """Say how a transition of this party ended.

        Args:
            transition: It.
            ending: ``done`` or ``failed``.
            detail: Why it failed, in the server's words.
            peak_mib: Measured memory of what was loaded.

        Returns:
            False if it was taken over: somebody else took this party for dead, and nothing is changed.
        """
        with self._database.passing() as connection:
            token, version, now = open_ledger(connection)
            closed = connection.execute(
                update(lease_transitions)
                .where(
                    lease_transitions.c.token == transition.token,
                    lease_transitions.c.owner == self._holder,
                    lease_transitions.c.ended_at.is_(None),
                    lease_transitions.c.expires_at > now,
                )
                .values(ended_at=now, outcome=ending, detail=detail or None)
            ).rowcount
            if not closed:
                return False
            follow(connection, transition, ending, now)
            if ending == "done" and self._learns and transition.phase != "revoke":
                learn(connection, transition, now - transition.began_at, peak_mib)
            if ending == "failed" and transition.phase in {"load", "revoke"} and transition.tries < TRIES:
                # Whoever takes the next turn begins anew.
                token += 1
                again = replace(
                    transition,
                    token=token,
                    owner=NOBODY,
                    began_at=now,
                    expires_at=now,
                    tries=transition.tries + 1,
                )
                connection.execute(insert(lease_transitions), transition_row(again))
            connection.execute(delete(lease_transitions).where(lease_transitions.c.ended_at < now - _KEPT_S))
            close(connection, token, version + 1)
        return True

    def adopt(self, resident: Resident, served: Served, *, token: int = 0) -> bool:
        """Put down a resident that a server has and the ledger does not know.

        Args:
            resident: What was found.
            served: Its model.
            token: The highest token that the server has seen.

        Returns:
            False if its deployment has a resident meanwhile, wherever that is.
        """
        with self._database.passing() as connection:
            last, version, now = open_ledger(connection, mode=self._mode)
            found = connection.execute(
                select(lease_residents.c.state).where(
                    lease_residents.c.model == resident.place.model,
                    lease_residents.c.deployment == resident.place.deployment,
                )
            ).first()
            if found is not None:
                return False
            there = replace(resident, since=now, used_at=now)
            upsert(connection, lease_residents, [resident_row(KeptResident(there, served, token))])
            close(connection, max(last, token), version + 1)
        return True

    def reload(self, place: Place, *, token: int) -> bool:
        """Have a resident loaded again whose server has lost it; its leases are stale then.

        Args:
            place: Where it is.
            token: Of the transition that had loaded it.

        Returns:
            Whether it was ready under that token.
        """
        with self._database.passing() as connection:
            last, version, now = open_ledger(connection, mode=self._mode)
            closed = connection.execute(
                update(lease_residents)
                .where(
                    *at(lease_residents, place),
                    lease_residents.c.token == token,
                    lease_residents.c.state == "ready",
                )
                .values(state="loading", since=now)
            ).rowcount
            if closed:
                again = Transition(last + 1, place, "load", NOBODY, now, now)
                connection.execute(insert(lease_transitions), transition_row(again))
                close(connection, last + 1, version + 1)
        return bool(closed)

    def miss(self, place: Place, *, token: int) -> bool:
        """Strike out a resident that its server no longer has, unless it was loaded anew since.

        Args:
            place: Where it was.
            token: Of the transition that had loaded it.

        Returns:
            Whether it was there.
        """
        with self._database.passing() as connection:
            last, version, now = open_ledger(connection, mode=self._mode)
            gone = connection.execute(
                delete(lease_residents).where(
                    *at(lease_residents, place),
                    lease_residents.c.token == token,
                    lease_residents.c.state.in_(("ready", "draining")),
                )
            ).rowcount
            if gone:
                end(connection, now, leases_where(and_(*at(leases, place))), {})
                # Such as revoking one of those leases: nobody takes over what is to be done about nothing.
                drop(connection, place, now)
                close(connection, last, version + 1)
        return bool(gone)

    def raise_token(self, token: int) -> None:
        """See to it that the next token is higher than one that a server has seen."""
        with self._database.passing() as connection:
            last, version, _ = open_ledger(connection)
            if token > last:
                close(connection, token, version)

    def measured(self, device: str, foreign_mib: int) -> None:
        """Put down how much memory of a device is taken by what is no resident."""
        with self._database.passing() as connection:
            token, version, now = open_ledger(connection)
            connection.execute(
                update(lease_devices)
                .where(lease_devices.c.name == device)
                .values(foreign_mib=foreign_mib, seen_at=now)
            )
            close(connection, token, version + 1)

    def release(self, tokens: Collection[int] | None = None, *, holder: str | None = None) -> int:
        """End leases by an operator's word: by token, by holder, or all; a holder that lives asks anew."""
        condition = and_(
            true() if tokens is None else leases.c.token.in_(tokens),
            true() if holder is None else leases.c.holder == holder,
        )
        with self._database.passing() as connection:
            token, version, _ = open_ledger(connection)
            # Not deleted: who has it may be asking, and is to be fenced off first.
            ended = connection.execute(update(leases).where(condition).values(expires_at=RELEASED)).rowcount
            close(connection, token, version + 1)
        return ended

    def snapshot(self) -> Snapshot:
        """All of it, without taking its row."""
        with self._database.read() as connection:
            return read_snapshot(connection, time_of(connection))

    def leave(self) -> None:
        """End all leases and waits of this party; its transitions go to whoever takes the next turn."""
        with self._database.passing() as connection:
            token, version, now = open_ledger(connection)
            connection.execute(delete(lease_waiters).where(lease_waiters.c.holder == self._holder))
            end(connection, now, leases_where(leases.c.holder == self._holder), {})
            connection.execute(
                update(lease_transitions)
                .where(lease_transitions.c.owner == self._holder, lease_transitions.c.ended_at.is_(None))
                .values(expires_at=now)
            )
            close(connection, token, version + 1)

    def _write(
        self, connection: Connection, turn: Turn, entered: Sequence[KeptWaiter], written: _Written
    ) -> None:
        gone = {kept.waiter.id for kept in turn.forgotten} | {kept.waiter.id for kept, _ in turn.granted}
        # Who is granted at once never stands in the queue.
        if staying := [waiter_row(kept) for kept in entered if kept.waiter.id not in gone]:
            upsert(connection, lease_waiters, staying)
        if left := gone - {kept.waiter.id for kept in entered}:
            connection.execute(delete(lease_waiters).where(lease_waiters.c.waiter.in_(left)))
        if turn.ended:
            ended = [lease.token for lease in turn.ended]
            connection.execute(delete(leases).where(leases.c.token.in_(ended)))
        for kept, why in turn.refused:
            connection.execute(
                update(lease_waiters).where(lease_waiters.c.waiter == kept.waiter.id).values(refused=why)
            )
        changed = dict(turn.residents)
        for beginning in turn.begun:
            task = self._begin(connection, beginning, written)
            if beginning.phase == "load":
                place = beginning.place
                changed[place] = replace(changed[place], token=task.transition.token)
        upsert(connection, lease_residents, [resident_row(kept) for kept in changed.values()])
        for kept, place in turn.granted:
            # Who it is granted to may not look for it before its next word of life.
            until = max(kept.expires_at, written.now + self._ttl_s)
            waiter = kept.waiter
            written.granted.append(
                KeptLease(
                    written.next_token(), place, waiter.priority, kept.holder, waiter.id, written.now, until
                )
            )
        if written.granted:
            connection.execute(insert(leases), [lease_row(lease) for lease in written.granted])

    def _begin(self, connection: Connection, beginning: Beginning, written: _Written) -> Task:
        now = written.now
        if beginning.after is not None:
            connection.execute(
                update(lease_transitions)
                .where(lease_transitions.c.token == beginning.after.token)
                .values(ended_at=now, outcome="taken_over")
            )
        transition = Transition(
            written.next_token(),
            beginning.place,
            beginning.phase,
            self._holder,
            now,
            now + self._ttl_s,
            beginning.tries,
            beginning.subject,
        )
        connection.execute(insert(lease_transitions), transition_row(transition))
        task = Task(transition, beginning.served)
        written.tasks.append(task)
        return task

    def _entered(self, asked: Asked, now: float) -> KeptWaiter:
        waiter = Waiter(asked.id, asked.served.model.name, asked.priority, now)
        return KeptWaiter(waiter, self._holder, now + self._ttl_s, asked.served)


def _new(entered: Sequence[KeptWaiter], snapshot: Snapshot) -> list[KeptWaiter]:
    """Those that are not there yet: a turn is taken again whose answer was lost, though it was written down."""
    there = {kept.waiter.id for kept in snapshot.waiters} | {
        lease.waiter for lease in snapshot.leases if not is_over(lease.expires_at, snapshot.now)
    }
    return [kept for kept in entered if kept.waiter.id not in there]


def _anybody_waits(connection: Connection) -> bool:
    return connection.execute(_ANY_WAITER).first() is not None


_ANY_WAITER: Final = select(lease_waiters.c.waiter).limit(1)
