"""Play a workload through a policy in virtual time: what happens when, and how long everybody waits."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from backends.leases.decisions import Evict, Grant, Load, Wait
from backends.leases.state import HeldLease, Resident, Waiter
from backends.simulation.errors import PolicyBroken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from backends.leases.decisions import Decision
    from backends.leases.policy import Policy
    from backends.leases.state import Device, Place, Priority
    from backends.simulation.workload import Batch, Chat, Workload


@dataclass(frozen=True, slots=True)
class Span:
    """Something that took time on a device: a request, a loading, an unloading. Seconds since the start.

    Attributes:
        asked_s: Of a request: when it began to wait for its lease, which ended at ``start_s``.
    """

    kind: Literal["request", "load", "unload"]
    device: str
    model: str
    start_s: float
    end_s: float
    priority: Priority | None = None
    asked_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Served:
    """One request's way: how long it waited for its lease, and when it was answered."""

    model: str
    priority: Priority
    wait_s: float
    answered_s: float


@dataclass(slots=True)
class Played:
    """All that happened.

    Attributes:
        devices: Those that were played with.
        spans: In the order of their ends.
        served: One a request, in the order of the answers.
        evictions: How many residents had to go.
        left_waiting: Requests that were never granted, because the policy saw no way.
    """

    devices: tuple[Device, ...]
    spans: list[Span] = field(default_factory=list)
    served: list[Served] = field(default_factory=list)
    evictions: int = 0
    left_waiting: int = 0


def play(workload: Workload, devices: Sequence[Device], policy: Policy, *, seed: int = 0) -> Played:
    """Play a workload to its end.

    The lengths of requests, and when people come, depend on the seed alone, not on the policy.

    Raises:
        PolicyBroken: The policy decided what is not possible.
    """
    return _Play(workload, devices, policy, seed).run()


@dataclass(slots=True)
class _Asked:
    waiter: Waiter
    seconds: float
    answered: Callable[[], None]


class _Play:
    def __init__(self, workload: Workload, devices: Sequence[Device], policy: Policy, seed: int) -> None:
        self._workload = workload
        self._policy = policy
        self._seed = seed
        self._models = workload.served(devices)
        self._played = Played(tuple(devices))
        self._now = 0.0
        self._order = itertools.count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._residents: dict[Place, Resident] = {}
        self._held: defaultdict[Place, list[Waiter]] = defaultdict(list)
        self._waiting: dict[str, _Asked] = {}
        self._wake_at: float | None = None

    def run(self) -> Played:
        ended: dict[str, list[Callable[[], None]]] = defaultdict(list)
        for batch in self._workload.batches:
            begin = _Batch(self, batch, self._chance(batch.name), ended[batch.name]).begin
            if batch.after is None:
                self._at(batch.arrives_s, begin)
            else:
                ended[batch.after].append(begin)
        for number, chat in enumerate(self._workload.chats):
            self._begin_conversations(chat, number)
        while self._events:
            self._now = self._events[0][0]
            # All that happens at one moment is seen by one plan.
            while self._events and self._events[0][0] <= self._now:
                heapq.heappop(self._events)[2]()
            self._carry_out(self._plan())
        self._played.left_waiting = len(self._waiting)
        return self._played

    def ask(
        self, name: str, model: str, priority: Priority, seconds: float, answered: Callable[[], None]
    ) -> None:
        waiter = Waiter(name, model, priority, self._now)
        self._waiting[name] = _Asked(waiter, seconds, answered)

    def later(self, seconds: float, then: Callable[[], None]) -> None:
        self._at(self._now + seconds, then)

    @property
    def now(self) -> float:
        return self._now

    def _at(self, moment: float, then: Callable[[], None]) -> None:
        heapq.heappush(self._events, (moment, next(self._order), then))

    def _chance(self, name: str) -> random.Random:
        return random.Random(f"{self._seed} {name}")  # noqa: S311 - a workload that can be played again

    def _begin_conversations(self, chat: Chat, number: int) -> None:
        chance = self._chance(f"chat {number}")
        moment = chat.arrives_s
        for index in range(chat.conversations):
            moment += chance.expovariate(1 / chat.every_s) if chat.every_s else 0
            name = f"chat-{number}/{index}"
            self._at(moment, _Conversation(self, chat, name, self._chance(name)).begin)

    def _plan(self) -> list[Decision]:
        if not self._waiting:
            return []
        leases = [HeldLease(place, waiter.priority) for place, held in self._held.items() for waiter in held]
        waiters = [asked.waiter for asked in self._waiting.values()]
        return self._policy(
            self._played.devices,
            list(self._residents.values()),
            leases,
            waiters,
            self._now,
            models=self._models,
        )

    def _carry_out(self, decisions: Iterable[Decision]) -> None:
        wake_at = None
        for decision in decisions:
            match decision:
                case Grant():
                    self._grant(decision)
                case Load():
                    self._load(decision)
                case Evict():
                    self._evict(decision)
                case Wait(until=until) if until is not None and until > self._now:
                    wake_at = until if wake_at is None else min(wake_at, until)
        if wake_at is not None and (self._wake_at is None or not self._now < self._wake_at <= wake_at):
            self._wake_at = wake_at
            self._at(wake_at, lambda: None)

    def _grant(self, grant: Grant) -> None:
        asked = self._waiting.pop(grant.waiter)
        waiter, resident = asked.waiter, self._residents.get(grant.place)
        if resident is None or resident.state != "ready":
            raise PolicyBroken(
                f"{waiter.id} was granted {waiter.model} at {grant.place}, which is not ready."
            )
        held = self._held[grant.place]
        held.append(waiter)
        if len(held) > self._models[waiter.model].slots:
            raise PolicyBroken(f"{grant.place} has {len(held)} leases, more than its slots.")
        self.later(asked.seconds, lambda: self._answer(grant.place, asked, self._now - asked.seconds))

    def _answer(self, place: Place, asked: _Asked, granted_at: float) -> None:
        waiter = asked.waiter
        self._held[place].remove(waiter)
        chat = waiter.priority == "interactive"
        resident = self._residents[place]
        self._residents[place] = replace(
            resident, used_at=self._now, chatted_at=self._now if chat else resident.chatted_at
        )
        self._played.served.append(
            Served(waiter.model, waiter.priority, granted_at - waiter.since, self._now)
        )
        self._span("request", place, granted_at, waiter)
        asked.answered()
        if not self._held[place] and self._residents[place].state == "draining":
            self._unload(place)

    def _load(self, load: Load) -> None:
        model, place = self._models[load.place.model], load.place
        device = next(one for one in self._played.devices if one.name == place.device)
        beside = [one for one in self._residents.values() if one.place.device == device.name]
        taken = sum(self._models[one.model].memory_mib for one in beside)
        if place in self._residents or taken + model.memory_mib > device.memory_mib - device.foreign_mib:
            raise PolicyBroken(f"{model.name} was to be loaded at {place}, where there is no room.")
        if any(not model.may_share(self._models[one.model]) or one.state != "ready" for one in beside):
            raise PolicyBroken(f"{model.name} was to be loaded beside what may not be beside it, at {place}.")
        self._residents[place] = Resident(place, "loading", self._now, self._now)
        self.later(model.load_s, lambda: self._loaded(place, self._now - model.load_s))

    def _loaded(self, place: Place, began: float) -> None:
        resident = self._residents[place]
        self._span("load", place, began)
        self._residents[place] = replace(resident, state="ready", since=self._now, used_at=self._now)

    def _evict(self, evict: Evict) -> None:
        resident = self._residents[evict.place]
        if resident.state != "ready":
            raise PolicyBroken(
                f"{resident.model} at {evict.place} was to be evicted, and is {resident.state}."
            )
        self._played.evictions += 1
        wanted = self._waiting[evict.waiter].waiter.model
        self._residents[evict.place] = replace(
            resident, state="draining", since=self._now, cleared_for=wanted
        )
        if not self._held[evict.place]:
            self._unload(evict.place)

    def _unload(self, place: Place) -> None:
        resident = self._residents[place]
        self._residents[place] = replace(resident, state="unloading", since=self._now)
        began = self._now
        self.later(self._models[resident.model].unload_s, lambda: self._unloaded(place, began))

    def _unloaded(self, place: Place, began: float) -> None:
        del self._residents[place]
        self._span("unload", place, began)

    def _span(
        self,
        kind: Literal["request", "load", "unload"],
        place: Place,
        start: float,
        waiter: Waiter | None = None,
    ) -> None:
        span = Span(kind, place.device, place.model, start, self._now)
        if waiter is not None:
            span = replace(span, priority=waiter.priority, asked_s=waiter.since)
        self._played.spans.append(span)


class _Batch:
    """One stage of a batch: a new request whenever one was answered."""

    def __init__(
        self, play: _Play, batch: Batch, chance: random.Random, then: list[Callable[[], None]]
    ) -> None:
        self._play = play
        self._batch = batch
        # Drawn before: who is answered when must not change what is asked.
        self._seconds = [batch.seconds * chance.uniform(0.8, 1.2) for _ in range(batch.requests)]
        self._then = then
        self._asked = 0
        self._answered = 0

    def begin(self) -> None:
        if self._play.now < self._batch.arrives_s:
            self._play.later(self._batch.arrives_s - self._play.now, self.begin)
            return
        for _ in range(min(self._batch.concurrency, self._batch.requests)):
            self._ask()

    def _ask(self) -> None:
        name = f"{self._batch.name}/{self._asked}"
        seconds = self._seconds[self._asked]
        self._asked += 1
        self._play.ask(name, self._batch.model, "batch", seconds, self._was_answered)

    def _was_answered(self) -> None:
        self._answered += 1
        if self._asked < self._batch.requests:
            self._ask()
        elif self._answered == self._batch.requests:
            for then in self._then:
                then()


class _Conversation:
    """One person: a message, an answer, a pause, the next message."""

    def __init__(self, play: _Play, chat: Chat, name: str, chance: random.Random) -> None:
        self._play = play
        self._chat = chat
        self._name = name
        self._seconds = [chat.seconds * chance.uniform(0.5, 1.5) for _ in range(chat.messages)]
        self._pauses = [
            chance.expovariate(1 / chat.pause_s) if chat.pause_s else 0.0 for _ in range(chat.messages)
        ]
        self._sent = 0

    def begin(self) -> None:
        name = f"{self._name}/{self._sent}"
        self._play.ask(name, self._chat.model, "interactive", self._seconds[self._sent], self._was_answered)
        self._sent += 1

    def _was_answered(self) -> None:
        if self._sent < self._chat.messages:
            self._play.later(self._pauses[self._sent], self.begin)
