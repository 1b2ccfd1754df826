"""Whose turn a device is: a pure function from what the ledger knows to what is to be done, each with its reason.

The rules, in their order:

1. Who has waited past the limit comes first, then who is interactive, then batches; among equals, who came first.
2. A resident that is ready serves whoever waits for its model.
3. A model that nobody serves is loaded where there is room, else where making room costs least.
4. A resident in use keeps its device for as long as makes its loading worth while: a number of times of what the
   switch costs. Somebody interactive does not wait for that; nobody waits past the limit for it.
5. A resident out of use stays until its room is needed, and a moment longer: a batch comes back for its next
   round, a person for the next question.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from backends.leases.board import Board
from backends.leases.decisions import Evict, Grant, Load, Wait

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from backends.leases.decisions import Decision
    from backends.leases.state import Device, HeldLease, Place, Resident, ServedModel, Waiter


class Policy(Protocol):
    """Decides for every waiter; see ``plan``."""

    def __call__(
        self,
        devices: Iterable[Device],
        residents: Iterable[Resident],
        leases: Iterable[HeldLease],
        waiters: Sequence[Waiter],
        now: float,
        *,
        models: Mapping[str, ServedModel],
    ) -> list[Decision]:
        """Decide."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How patient the policy is; seconds, but for ``worth``.

    Attributes:
        interactive_wait_s: Somebody interactive who has waited for so long comes before all else.
        batch_wait_s: So does a batch after so long.
        interactive_patience_s: How long somebody interactive waits before a batch in its stride is stopped; more
            of it gathers more questions for one switch.
        worth: A resident in use keeps its device for this many times of what the switch costs.
        linger_s: How long an idle resident is kept from a batch.
        chat_linger_s: How long one with which somebody has chatted is.
        forget_s: After so long an idle resident is half as likely to be asked again.
    """

    interactive_wait_s: float = 30.0
    batch_wait_s: float = 900.0
    interactive_patience_s: float = 0.0
    worth: float = 8.0
    linger_s: float = 3.0
    chat_linger_s: float = 45.0
    forget_s: float = 300.0

    def wait_s(self, waiter: Waiter) -> float:
        """After how long a waiter comes before all else."""
        return self.interactive_wait_s if waiter.priority == "interactive" else self.batch_wait_s

    def overdue(self, waiter: Waiter, now: float) -> bool:
        """Whether a waiter has waited for that long."""
        return now - waiter.since >= self.wait_s(waiter)


def plan(
    devices: Iterable[Device],
    residents: Iterable[Resident],
    leases: Iterable[HeldLease],
    waiters: Sequence[Waiter],
    now: float,
    *,
    models: Mapping[str, ServedModel],
    limits: Limits | None = None,
) -> list[Decision]:
    """Decide for every waiter, the most urgent first.

    Args:
        devices: All of them.
        residents: All that is in their memory, or on its way.
        leases: All that are held.
        waiters: All who wait.
        now: On the clock of all other times.
        models: By name, at least those of residents and waiters.
        limits: How patient to be.

    Returns:
        One decision a waiter, or several evictions for one; all of them together keep within every device's memory.
    """
    board = Board(devices, residents, leases, waiters, models=models)
    return _Planning(board, limits or Limits(), now).decide(waiters)


class _Planning:
    def __init__(self, board: Board, limits: Limits, now: float) -> None:
        self._board = board
        self._limits = limits
        self._now = now
        # What was found for the most urgent of those who may be served alike holds for all behind it.
        self._found: dict[tuple[str, frozenset[str]], Wait] = {}

    def decide(self, waiters: Sequence[Waiter]) -> list[Decision]:
        decisions: list[Decision] = []
        for waiter in sorted(waiters, key=self._urgency):
            model = self._board.models[waiter.model]
            place = self._board.free_slot(waiter)
            if place is not None:
                self._board.grant(waiter, place)
                decisions.append(
                    Grant(waiter.id, place, f"{model.name} is ready on {place.device} and has a free slot")
                )
            elif self._board.take_coming_slot(waiter):
                decisions.append(Wait(waiter.id, f"{model.name} is on its way"))
            elif (found := self._found.get((model.name, waiter.deployments))) is not None:
                decisions.append(Wait(waiter.id, found.reason, found.until))
            else:
                made = self._make_room(waiter, model)
                decisions += made
                if isinstance(made[0], Wait):
                    self._found[model.name, waiter.deployments] = made[0]
        return decisions

    def _urgency(self, waiter: Waiter) -> tuple[int, float, str]:
        rank = 1 if waiter.priority == "interactive" else 2
        return 0 if self._limits.overdue(waiter, self._now) else rank, waiter.since, waiter.id

    def _make_room(self, waiter: Waiter, model: ServedModel) -> Sequence[Decision]:
        board = self._board
        if not board.fits_somewhere(waiter):
            return [
                Wait(waiter.id, f"{model.name} needs {model.memory_mib} MiB, and no device of its has that")
            ]
        served = board.is_served(waiter)
        if served and self._now - waiter.since < model.load_s:
            # A slot comes free sooner than another copy of the model would.
            reason = f"all {model.slots} slots of {model.name} are taken"
            return [Wait(waiter.id, reason, waiter.since + model.load_s)]
        places = list(board.places(waiter))
        for place in places:
            if board.has_room(place):
                board.load(place)
                return [Load(waiter.id, place, f"{place.device} has room for {model.memory_mib} MiB")]
        return self._evict(waiter, model, places, served=served)

    def _evict(
        self, waiter: Waiter, model: ServedModel, places: Sequence[Place], *, served: bool
    ) -> Sequence[Decision]:
        best: tuple[float, tuple[Resident, ...], Place] | None = None
        kept: tuple[float, Resident] | None = None
        for place in places:
            evictable = []
            for resident in self._board.beside(place):
                # What is in use is never stopped for another copy of a model.
                stays = served and self._board.in_use(resident)
                until = math.inf if stays else self._kept_until(resident, waiter, model)
                if until <= self._now:
                    evictable.append(resident)
                elif kept is None or until < kept[0]:
                    kept = until, resident
            found = self._board.cheapest_to_evict(place, evictable, self._price)
            if found is not None and (best is None or found[0] < best[0]):
                best = *found, place
        if best is not None:
            price, chosen, place = best
            self._board.evict(chosen, place)
            return [
                Evict(waiter.id, one.place, self._why_evicted(one, waiter, model, price)) for one in chosen
            ]
        if kept is not None and kept[0] < math.inf:
            until, resident = kept
            return [Wait(waiter.id, self._why_kept(resident, until), until)]
        if served:
            return [Wait(waiter.id, f"all slots of {model.name} are taken, and no device is idle")]
        return [Wait(waiter.id, f"every device that could hold {model.name} is being switched")]

    def _kept_until(self, resident: Resident, waiter: Waiter, model: ServedModel) -> float:
        """From when on the resident may be evicted for the waiter."""
        limits, board = self._limits, self._board
        own = board.models[resident.model]
        interactive = waiter.priority == "interactive"
        chatted_until = -math.inf
        if resident.chatted_at is not None:
            chatted_until = resident.chatted_at + limits.chat_linger_s
        if not board.in_use(resident):
            if interactive:
                return self._now
            return max(resident.used_at + limits.linger_s, chatted_until)
        switch_s = own.unload_s + model.load_s + own.load_s
        # Whatever else: it is not thrown out before it was of use for as long as its loading took.
        settled = resident.since + own.load_s
        chat = board.in_chat(resident) or chatted_until > self._now
        if interactive and not chat:
            until = waiter.since + limits.interactive_patience_s
        elif not interactive and chat:
            until = math.inf
        else:
            until = max(resident.since + limits.worth * switch_s, waiter.since + switch_s)
        return max(min(until, waiter.since + limits.wait_s(waiter)), settled)

    def _price(self, resident: Resident) -> float:
        """Seconds that an eviction is expected to cost: the unloading, and the loading if it is asked again."""
        own = self._board.models[resident.model]
        if self._board.in_use(resident):
            return own.unload_s + own.load_s
        idle = max(0.0, self._now - resident.used_at)
        asked_again = math.exp2(-idle / self._limits.forget_s)
        return own.unload_s + own.load_s * asked_again

    def _why_evicted(self, resident: Resident, waiter: Waiter, model: ServedModel, price: float) -> str:
        if not self._board.in_use(resident):
            why = f"nobody has used it for {self._now - resident.used_at:.0f} s"
        elif self._limits.overdue(waiter, self._now):
            why = f"somebody has waited for {self._now - waiter.since:.0f} s"
        elif waiter.priority == "interactive":
            why = "somebody interactive waits"
        else:
            why = f"it has had its turn, {self._now - resident.since:.0f} s"
        return f"{resident.model} makes room for {model.name}: {why}; expected cost {price:.0f} s"

    def _why_kept(self, resident: Resident, until: float) -> str:
        left = until - self._now
        if self._board.in_use(resident):
            return (
                f"{resident.model} is in use on {resident.place.device} and keeps it for {left:.0f} s at most"
            )
        return f"{resident.model} on {resident.place.device} may be asked again; it is kept for {left:.0f} s"
