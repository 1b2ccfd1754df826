"""Claims: which worker carries a step out now, when workers on several hosts may.

A worker that takes a step up claims it, and says again and again that it is there. One that says nothing any longer,
killed or cut off, loses its claim after a time, and the step is started again elsewhere under a higher number. Who
has lost its claim ends its process at once, before anybody else can have the step: it may not ask, publish or tell
any more. A process that ends so is no other than one that is killed, which loses nothing that was answered.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

from sqlalchemy import delete, select, update

from backends.leases.rows import time_of
from store.tables import step_claims
from store.upserting import insert_new

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import ColumnElement, Connection

    from store.database import StateDatabase

log = logging.getLogger(__name__)

LOST_CLAIM: Final = 75
"""What a process ends with that has lost its claim."""

_TELLS: Final = 4
"""How often a claim is renewed in the time after which it is lost."""

_SURE: Final = 0.75
"""Share of that time after which one whose renewals are not answered takes its claim for lost: before others do."""

_held: list[StepClaim] = []
"""The claim that this process works under."""


@dataclass(frozen=True)
class StepClaim:
    """A start of a step: the run, the step's key, and which start it is, from 1."""

    run_id: str
    step: str
    start: int


@dataclass(frozen=True)
class Standing:
    """How a step stands: its latest start that was taken up, and whether that is lost, or over."""

    start: int
    worker: str
    lost: bool
    over: bool


def take(database: StateDatabase, claim: StepClaim, *, worker: str, ttl_s: float) -> bool:
    """Claim a step; False where somebody has it, or it is over, or a later start was taken up."""

    def work(connection: Connection) -> bool:
        now = time_of(connection)
        one = step_claims
        row = {"start": claim.start, "worker": worker, "expires_at": now + ttl_s, "over": False}
        key = {"run_id": claim.run_id, "step": claim.step}
        if insert_new(connection, one, [{**key, **row}]):
            return True
        free = (one.c.start < claim.start) & (one.c.expires_at <= now) & one.c.over.is_(False)
        return bool(
            connection.execute(update(one).where(*_of(claim.run_id, claim.step), free).values(row)).rowcount
        )

    return database.write(work)


def look(database: StateDatabase, run_id: str, step: str) -> Standing | None:
    """How a step stands; None where nobody has taken it up yet."""
    with database.read() as connection:
        row = connection.execute(select(step_claims).where(*_of(run_id, step))).one_or_none()
        if row is None:
            return None
        return Standing(row.start, row.worker, row.expires_at <= time_of(connection), row.over)


def void(database: StateDatabase, claim: StepClaim) -> None:
    """End a claim, over or not: its holder, if there is one, ends its process, and a later start may be taken up."""
    ours = (*_of(claim.run_id, claim.step), step_claims.c.start == claim.start)
    ended = update(step_claims).where(*ours).values(expires_at=0.0, over=False)
    database.write(lambda connection: connection.execute(ended))


def forget(database: StateDatabase, run_id: str) -> None:
    """Forget the claims of a run that is over; who holds one still ends its process."""
    database.write(
        lambda connection: connection.execute(delete(step_claims).where(step_claims.c.run_id == run_id))
    )


@contextmanager
def held(
    database: StateDatabase, claim: StepClaim, *, ttl_s: float, leave: Callable[[str], object] | None = None
) -> Iterator[None]:
    """Keep a claim that was just taken for the length of the block; then the step is over.

    Args:
        database: where claims are.
        claim: the claim.
        ttl_s: seconds after which it is lost.
        leave: called, in a thread, when the claim is lost; ends the process by default.
    """
    keeper = _Keeper(database, claim, ttl_s, leave or _leave)
    keeper.start()
    _held.append(claim)
    try:
        yield
    finally:
        _held.remove(claim)
        keeper.end()
    done = update(step_claims).where(_is(claim)).values(over=True)
    database.write(lambda connection: connection.execute(done))


def under_claim() -> bool:
    """Whether this process carries out a step that it has claimed."""
    return bool(_held)


def stand(connection: Connection) -> None:
    """Within a transaction that publishes: see that the claim of this process, if any, is still its own.

    A process that was stopped and goes on would publish before its keeper wakes up. Its process ends here.
    """
    for claim in _held:
        good = _is(claim) & (step_claims.c.expires_at > time_of(connection))
        if (
            connection.execute(select(step_claims.c.start).where(good).with_for_update()).one_or_none()
            is None
        ):
            _leave(
                f"Step {claim.step} of run {claim.run_id} is another worker's by now; nothing is published."
            )


def _of(run_id: str, step: str) -> tuple[ColumnElement[bool], ...]:
    return step_claims.c.run_id == run_id, step_claims.c.step == step


def _is(claim: StepClaim) -> ColumnElement[bool]:
    one = step_claims.c
    return (one.run_id == claim.run_id) & (one.step == claim.step) & (one.start == claim.start)


def _leave(why: str) -> NoReturn:
    log.critical("%s This process ends, and keeps what was answered.", why)
    logging.shutdown()
    os._exit(LOST_CLAIM)


class _Keeper:
    """Renews a claim in a thread, and takes it for lost as soon as that is not certain."""

    def __init__(
        self, database: StateDatabase, claim: StepClaim, ttl_s: float, leave: Callable[[str], object]
    ) -> None:
        self._database = database
        self._claim = claim
        self._ttl_s = ttl_s
        self._leave = leave
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="step-claim", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._over.set()
        self._thread.join()

    def _keep(self) -> None:
        known = time.monotonic()
        while not self._over.wait(self._ttl_s / _TELLS):
            asked, until = time.monotonic(), known + _SURE * self._ttl_s
            try:
                if not self._database.submit(self._renew).result(max(0.0, until - asked)):
                    self._leave(
                        f"Step {self._claim.step} of run {self._claim.run_id} was taken from this worker."
                    )
                    return
                known = asked
            # Whatever it is: who no longer renews a claim may not keep on for longer.
            except Exception as error:  # noqa: BLE001 - see above
                if time.monotonic() >= until:
                    self._leave(
                        f"Nobody has heard of step {self._claim.step} of run {self._claim.run_id} on this worker "
                        f"for {time.monotonic() - known:.0f} s ({type(error).__name__}): another may have it."
                    )
                    return

    def _renew(self, connection: Connection) -> bool:
        now = time_of(connection)
        good = _is(self._claim) & (step_claims.c.expires_at > now)
        renewed = update(step_claims).where(good).values(expires_at=now + self._ttl_s)
        return bool(connection.execute(renewed).rowcount)
