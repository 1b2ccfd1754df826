"""The thread that stands in the queue for one client: it takes turns, renews, and has done what falls to it.

A thread and not the event loop: a loop that is busy, or a picture that takes long, must not lose a lease.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from backends.errors import BackendError
from backends.leases.records import KeptWaiter
from backends.leases.seam import Hold
from backends.leases.state import Waiter
from backends.leases.switching import Switches
from backends.leases.turning import Told
from backends.loading.choosing import loading_at
from store.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from backends.leases.glancing import Glance
    from backends.leases.ledger import Ledger
    from backends.leases.measuring import Machine
    from backends.leases.records import KeptLease, ServerAddress
    from backends.leases.taking import Asked, Taken
    from backends.loading.protocol import Loading

_LOG: Final = logging.getLogger(__name__)
POLL_S: Final = 0.05
"""Seconds between glances at the ledger while something is waited for or held."""

# Others' leases run out without anybody saying so.
_TURN_EVERY_S: Final = 1.0
_MEASURE_EVERY_S: Final = 5.0
_CLOSED: Final = "the leases of this process are closed"


@dataclass(slots=True, eq=False)
class Held:
    """A lease that this client has.

    Attributes:
        lease: It.
        valid_until: On the monotonic clock; who holds it must not ask after that.
        hold: What has become of it.
        told: Called, from the attendant's thread, once it is over.
    """

    lease: KeptLease
    valid_until: float
    hold: Hold = field(default_factory=Hold)
    told: Callable[[], object] | None = None

    @property
    def usable(self) -> bool:
        """Whether another request may be asked under it."""
        return not self.hold.is_over and time.monotonic() < self.valid_until


@dataclass(frozen=True, slots=True)
class Answered:
    """What a waiter is told in the end: its lease, or why it gets none."""

    held: Held | None = None
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Who waits, and who is told in the end."""

    asked: Asked
    answered: Callable[[Answered], None]


@dataclass(slots=True)
class _Orders:
    """What the client wants of the thread, gathered while it was busy."""

    enter: list[Asked] = field(default_factory=list)
    leave: list[str] = field(default_factory=list)
    give_back: list[int] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.enter or self.leave or self.give_back)


class Attendant:
    """Stands in the ledger's queue. Its methods may be called from any thread; none of them blocks but ``close``."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        holder: str,
        ttl_s: float,
        told: Callable[[Told, float | None], None],
        loading: Callable[[ServerAddress], Loading] = loading_at,
        poll_s: float = POLL_S,
        observes: bool = False,
        machine: Machine | None = None,
    ) -> None:
        """Make one; its thread starts with the first order.

        Args:
            ledger: Where it stands.
            holder: As the ledger knows it.
            ttl_s: Seconds for which a word of life holds.
            told: Hears of every decision, and, of a loading or unloading that ended, how many seconds it took.
            loading: Gives the way to load at a server.
            poll_s: Seconds between glances.
            machine: This machine's devices: looked at now and then by who waits, and let go of at the end.
            observes: Whether those who wait go on all the same: then it is told that they would have been blocked.
        """
        self._ledger = ledger
        self._holder = holder
        self._ttl_s = ttl_s
        self._told = told
        self._poll_s = poll_s
        self._observes = observes
        self._machine = machine
        self._measure_at = 0.0
        self._changed = threading.Condition()
        self._orders = _Orders()
        self._waiting: dict[str, _Waiting] = {}
        self._held: dict[int, Held] = {}
        self._closing = False
        self._switches = Switches(
            ledger,
            told=told,
            loading=loading,
            ended=self._look_soon,
            # What is only pretended frees nothing.
            **({} if machine is None or observes else {"used_mib": machine.used_mib}),
        )
        self._thread: threading.Thread | None = None
        self._version = -1
        self._turn_at = 0.0
        self._renew_at = 0.0
        self._word_of_life = 0.0

    def enter(self, asked: Asked, answered: Callable[[Answered], None]) -> None:
        """Wait for a lease.

        Args:
            asked: For what.
            answered: Called once, from the attendant's thread; at once where it is closed.
        """
        with self._changed:
            if not self._closing:
                self._waiting[asked.id] = _Waiting(asked, answered)
                self._orders.enter.append(asked)
                self._start()
                return
        answered(Answered(refused=_CLOSED))

    def leave(self, waiter: str) -> None:
        """Wait no longer; a lease that was granted meanwhile ends."""
        with self._changed:
            if self._waiting.pop(waiter, None) is not None:
                self._orders.leave.append(waiter)
                self._orders.enter = [asked for asked in self._orders.enter if asked.id != waiter]
                self._changed.notify()

    def give_back(self, held: Held) -> None:
        """End a lease."""
        with self._changed:
            if self._held.pop(held.lease.token, None) is not None and not held.hold.lost:
                self._orders.give_back.append(held.lease.token)
                self._changed.notify()

    def close(self, within_s: float) -> None:
        """Give everything back. What is being loaded or unloaded is somebody else's to finish."""
        with self._changed:
            self._closing = True
            self._switches.stop()
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join(within_s)
        elif self._machine is not None:
            self._machine.close()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._attend, name="leases", daemon=True)
            self._thread.start()
        self._changed.notify()

    def _look_soon(self) -> None:
        with self._changed:
            self._turn_at = 0.0
            self._changed.notify()

    def _attend(self) -> None:
        why = _CLOSED
        try:
            why = self._stand()
        finally:
            try:
                self._leave()
            finally:
                self._give_up(why)

    def _stand(self) -> str:
        """Stand in the queue until there is no more of it, and say why."""
        orders = _Orders()
        while True:
            with self._changed:
                if not (self._orders or orders or self._closing):
                    self._changed.wait(
                        self._poll_s if self._waiting or self._held or self._switches else None
                    )
                if self._closing:
                    return _CLOSED
                orders = _together(orders, self._orders)
                self._orders = _Orders()
            try:
                self._renew_if_due()
                orders = self._look(orders)
            except StoreError as error:
                # The orders are kept, and given again.
                _LOG.warning("The ledger of leases could not be reached: %s", error)
                self._lose_what_ran_out()
                with self._changed:
                    self._changed.wait(1.0)
            except BackendError as error:
                _LOG.warning("Leases ended: %s", error)
                return str(error)
            except Exception as error:  # noqa: BLE001 - whatever it is, nobody may wait for a thread that is gone
                _LOG.exception("Leases ended in a way that was not foreseen.")
                return f"the leases of this process failed: {error!r}"

    def _leave(self) -> None:
        try:
            self._ledger.leave()
        except StoreError as error:
            _LOG.warning("Leases could not be given back, and will run out: %s", error)
        finally:
            if self._machine is not None:
                self._machine.close()

    def _look(self, orders: _Orders) -> _Orders:
        """Take a turn if there is reason to; else only see whether somebody wants what is held."""
        now = time.monotonic()
        if not orders:
            glance = self._ledger.glance()
            self._mark_wanted(glance)
            if not self._waiting or (glance.version == self._version and now < self._turn_at):
                return orders
        if self._waiting and now >= self._measure_at:
            self._measure_at = now + _MEASURE_EVERY_S
            if self._machine is not None:
                self._machine.measure(self._ledger)
        taken = self._ledger.turn(enter=orders.enter, leave=orders.leave, give_back=orders.give_back)
        self._version = taken.version
        self._turn_at = now + min(
            _TURN_EVERY_S, taken.again_in if taken.again_in is not None else _TURN_EVERY_S
        )
        for told in [*taken.turn.told, *self._blocked(orders, taken)]:
            self._told(told, None)
        for task in taken.tasks:
            self._switches.carry_out(task)
        self._deliver(taken, now)
        return _Orders()

    def _blocked(self, orders: _Orders, taken: Taken) -> Iterator[Told]:
        """Of those who have just entered and are not served at once: why not."""
        others = {told.waiter.waiter.id: told for told in taken.turn.told if told.waiter is not None}
        for asked in orders.enter:
            if asked.id in taken.granted:
                continue
            waits, decided = taken.turn.waits.get(asked.id), others.get(asked.id)
            kept = KeptWaiter(
                Waiter(asked.id, asked.served.model.name, asked.priority, taken.now),
                self._holder,
                taken.now,
                asked.served,
            )
            if self._observes:
                reason = waits or (decided.reason if decided is not None else "it is being decided")
                place = decided.place if decided is not None else None
                yield Told("would_block", asked.served.model.name, reason, place, kept)
            elif waits is not None:
                yield Told("wait", asked.served.model.name, waits, None, kept)

    def _deliver(self, taken: Taken, now: float) -> None:
        answers: list[tuple[_Waiting, Answered]] = []
        with self._changed:
            for waiter, lease in taken.granted.items():
                waiting = self._waiting.pop(waiter, None)
                if waiting is not None:
                    # Whoever granted it may have done so a while ago.
                    left_s = min(self._ttl_s, lease.expires_at - taken.now)
                    held = self._held[lease.token] = Held(lease, now + left_s)
                    answers.append((waiting, Answered(held=held)))
                elif lease.token not in self._held and waiter not in self._orders.leave:
                    # Granted to one who had left: the next turn ends it.
                    self._orders.give_back.append(lease.token)
            for waiter, why in taken.refused.items():
                waiting = self._waiting.pop(waiter, None)
                if waiting is not None:
                    self._orders.leave.append(waiter)
                    answers.append((waiting, Answered(refused=why)))
            # Those who took this process for dead, when it was only asleep, have struck them out.
            entering = {asked.id for asked in self._orders.enter}
            self._orders.enter += [
                waiting.asked
                for waiter, waiting in self._waiting.items()
                if waiter not in taken.standing and waiter not in entering
            ]
        for waiting, answer in answers:
            self._answer(waiting, answer)

    def _answer(self, waiting: _Waiting, answer: Answered) -> None:
        try:
            waiting.answered(answer)
        except Exception as error:  # noqa: BLE001 - such as a loop that is closed: the others are told all the same
            _LOG.warning("Nobody hears any more what became of %s: %r", waiting.asked.id, error)
            if answer.held is not None:
                self.give_back(answer.held)

    def _mark_wanted(self, glance: Glance) -> None:
        for held in list(self._held.values()):
            if held.hold.is_over:
                continue
            held.hold.reloading = glance.closed.get(held.lease.place) == "loading"
            # Another thread may have said so meanwhile: it is never taken back.
            if self._is_wanted(held, glance):
                held.hold.wanted = True
            if held.hold.is_over and held.told is not None:
                held.told()

    def _is_wanted(self, held: Held, glance: Glance) -> bool:
        lease = held.lease
        if lease.place in glance.closed:
            return True
        # This client's own waiters do not take from each other, unless a person waits for a batch.
        return any(
            model == lease.place.model
            and (holder != self._holder or (priority == "interactive" and lease.priority == "batch"))
            for model, holder, priority in glance.wanted
        )

    def _renew_if_due(self) -> None:
        now = time.monotonic()
        if now < self._renew_at:
            return
        self._renew_at = now + self._ttl_s / 3
        if not (self._held or self._waiting or self._switches):
            return
        kept = self._ledger.renew()
        for token, held in list(self._held.items()):
            if token in kept:
                held.valid_until = now + self._ttl_s
            else:
                self._lose(held)

    def _give_up(self, why: str) -> None:
        """Tell all who wait, and take back all that is held; who comes later begins with a new thread."""
        with self._changed:
            self._thread = None
            self._orders = _Orders()
            waiting, self._waiting = list(self._waiting.values()), {}
        if not self._closing:
            for held in list(self._held.values()):
                self._lose(held)
        for one in waiting:
            self._answer(one, Answered(refused=why))

    def _lose_what_ran_out(self) -> None:
        now = time.monotonic()
        for held in list(self._held.values()):
            if held.valid_until < now:
                self._lose(held)

    def _lose(self, held: Held) -> None:
        held.hold.lost = True
        self._held.pop(held.lease.token, None)
        _LOG.warning(
            "The lease on %s ran out before it was renewed: this process was stopped, or the ledger out of reach.",
            held.lease.place.model,
        )


def _together(first: _Orders, then: _Orders) -> _Orders:
    return _Orders(first.enter + then.enter, first.leave + then.leave, first.give_back + then.give_back)
