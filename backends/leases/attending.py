"""The thread that stands in the queue for one client: it takes turns, renews, and carries out what falls to it.

A thread and not the event loop: a loop that is busy, or a picture that takes long, must not lose a lease.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from backends.errors import BackendError
from backends.leases.records import TRIES, KeptWaiter
from backends.leases.seam import Hold
from backends.leases.state import Waiter
from backends.leases.turning import Told
from backends.loading.choosing import loading_at
from store.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from backends.leases.ledger import Asked, Glance, Ledger, Taken, Task
    from backends.leases.records import KeptLease, Phase, ServerAddress, Transition
    from backends.loading.protocol import Loading
    from telemetry.decisions import DecisionKind

_LOG: Final = logging.getLogger(__name__)
POLL_S: Final = 0.05
"""Seconds between glances at the ledger while something is waited for or held."""

# What is told of a transition that went well, and of one that did not.
_ENDINGS: Final[dict[Phase, tuple[DecisionKind, DecisionKind]]] = {
    "load": ("loaded", "load_failed"),
    "unload": ("unloaded", "unload_failed"),
    "revoke": ("revoked", "revoke_failed"),
}
_UNREVOKED: Final = (
    " The lease has ended all the same: should its holder live, its server still answers what it asks, beside others "
    "who have its slot now."
)
# Others' leases run out without anybody saying so.
_TURN_EVERY_S: Final = 1.0
_MEASURE_EVERY_S: Final = 5.0


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
        measure: Callable[[], None] = lambda: None,
    ) -> None:
        """Make one; its thread starts with the first order.

        Args:
            ledger: Where it stands.
            holder: As the ledger knows it.
            ttl_s: Seconds for which a word of life holds.
            told: Hears of every decision, and, of a loading or unloading that ended, how many seconds it took.
            loading: Gives the way to load at a server.
            poll_s: Seconds between glances.
            measure: Looks at this machine's devices, and puts down what is there; called now and then by who waits.
            observes: Whether those who wait go on all the same: then it is told that they would have been blocked.
        """
        self._ledger = ledger
        self._holder = holder
        self._ttl_s = ttl_s
        self._told = told
        self._loading = loading
        self._poll_s = poll_s
        self._observes = observes
        self._measure = measure
        self._measure_at = 0.0
        self._changed = threading.Condition()
        self._orders = _Orders()
        self._waiting: dict[str, _Waiting] = {}
        self._held: dict[int, Held] = {}
        self._busy: set[int] = set()
        self._closing = False
        self._thread: threading.Thread | None = None
        self._version = -1
        self._turn_at = 0.0
        self._renew_at = 0.0
        self._word_of_life = 0.0

    def enter(self, asked: Asked, answered: Callable[[Answered], None]) -> None:
        """Wait for a lease.

        Args:
            asked: For what.
            answered: Called once, from the attendant's thread.
        """
        with self._changed:
            self._waiting[asked.id] = _Waiting(asked, answered)
            self._orders.enter.append(asked)
            self._start()

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
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join(within_s)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._attend, name="leases", daemon=True)
            self._thread.start()
        self._changed.notify()

    def _attend(self) -> None:
        orders = _Orders()
        while True:
            with self._changed:
                if not (self._orders or orders or self._closing):
                    self._changed.wait(self._poll_s if self._waiting or self._held or self._busy else None)
                if self._closing:
                    break
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
            except Exception as error:  # noqa: BLE001 - whatever it is, nobody may wait for a thread that is gone
                _LOG.exception("Leases ended in a way that was not foreseen.")
                self._give_up(error)
                break
        try:
            self._ledger.leave()
        except StoreError as error:
            _LOG.warning("Leases could not be given back, and will run out: %s", error)

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
            self._measure()
        taken = self._ledger.turn(enter=orders.enter, leave=orders.leave, give_back=orders.give_back)
        self._version = taken.version
        self._turn_at = now + min(
            _TURN_EVERY_S, taken.again_in if taken.again_in is not None else _TURN_EVERY_S
        )
        for told in [*taken.turn.told, *self._blocked(orders, taken)]:
            self._told(told, None)
        for task in taken.tasks:
            self._carry_out(task)
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
            waiting.answered(answer)

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
        if not (self._held or self._waiting or self._busy):
            return
        kept = self._ledger.renew()
        for token, held in list(self._held.items()):
            if token in kept:
                held.valid_until = now + self._ttl_s
            else:
                self._lose(held)

    def _give_up(self, error: Exception) -> None:
        """Tell all who wait, and take back all that is held; who comes later begins with a new thread."""
        with self._changed:
            self._thread = None
            self._orders = _Orders()
            waiting, self._waiting = list(self._waiting.values()), {}
        for held in list(self._held.values()):
            self._lose(held)
        for one in waiting:
            one.answered(Answered(refused=f"the leases of this process failed: {error!r}"))

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

    def _carry_out(self, task: Task) -> None:
        self._busy.add(task.transition.token)
        thread = threading.Thread(
            target=self._switch, args=(task,), name=f"leases-{task.transition.phase}", daemon=True
        )
        thread.start()

    def _switch(self, task: Task) -> None:
        transition, began = task.transition, time.monotonic()
        try:
            detail, peak_mib = self._switched(task)
            seconds = time.monotonic() - began
            if self._finished(transition, detail, peak_mib):
                self._told(_ended(task, detail), seconds)
        finally:
            self._busy.discard(transition.token)
            with self._changed:
                self._turn_at = 0.0
                self._changed.notify()

    def _finished(self, transition: Transition, detail: str, peak_mib: int | None) -> bool:
        """Write down how a transition ended: until that is there, nobody else can go on with its resident."""
        while True:
            try:
                return self._ledger.finish(
                    transition, "failed" if detail else "done", detail=detail, peak_mib=peak_mib
                )
            except StoreError as error:
                _LOG.warning("How a %s ended could not be written down: %s", transition.phase, error)
                if self._closing:
                    # Its owner says nothing any longer: who takes it over does it again.
                    return False
            time.sleep(1.0)

    def _switched(self, task: Task) -> tuple[str, int | None]:
        """Load, unload or revoke: why it failed, empty if it did not, and the memory that was seen."""
        transition = task.transition
        server = task.served.servers[transition.place.deployment]
        peak_mib = None
        try:
            with closing(self._loading(server)) as loading:
                if transition.phase == "load":
                    peak_mib = loading.load(transition.token, going_on=self._going_on)
                elif transition.phase == "unload":
                    loading.unload(transition.token, going_on=self._going_on)
                elif transition.subject is not None:
                    loading.revoke(transition.subject)
        except BackendError as error:
            return str(error) or type(error).__name__, None
        except Exception as error:  # noqa: BLE001 - those who wait for it must hear of it
            _LOG.exception("A %s ended in a way that was not foreseen.", transition.phase)
            return f"{type(error).__name__}: {error}", None
        return "", peak_mib

    def _going_on(self) -> bool:
        return not self._closing


def _together(first: _Orders, then: _Orders) -> _Orders:
    return _Orders(first.enter + then.enter, first.leave + then.leave, first.give_back + then.give_back)


def _ended(task: Task, detail: str) -> Told:
    transition, place = task.transition, task.transition.place
    if detail and transition.phase == "revoke":
        detail += " It is tried once more." if transition.tries < TRIES else _UNREVOKED
    kinds = _ENDINGS[transition.phase]
    return Told(kinds[bool(detail)], place.model, detail or "done", place, token=transition.token)
