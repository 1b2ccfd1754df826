"""One turn of the ledger, as a pure function: what has run out, what is finished for the dead, what the policy says.

Whoever waits takes turns; what a turn begins, the process that took it carries out. The order within a turn:

1. Waiters whose process is gone are forgotten.
2. Leases that ran out are revoked at a server that fences, and only then end; elsewhere they end at once.
3. What a dead process was doing at a server is begun anew, under a token that fences it off.
4. A resident that drains is unloaded once its last lease has ended.
5. The policy decides for all who wait.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from backends.leases.decisions import Evict, Grant, Load, Wait
from backends.leases.records import NOBODY, RELEASED, KeptResident, is_over
from backends.leases.state import HeldLease, Resident

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from backends.leases.decisions import Decision
    from backends.leases.policy import Policy
    from backends.leases.records import Failure, KeptLease, KeptWaiter, Phase, Served, Snapshot, Transition
    from backends.leases.state import Place, ServedModel
    from telemetry.decisions import DecisionKind

AVOIDED_S: Final = 30.0
"""Seconds for which a model is loaded elsewhere, where it can be, after a loading failed."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """A transition to begin; its token is given when it is written.

    Attributes:
        after: The transition of a dead process that it takes the place of.
    """

    phase: Phase
    place: Place
    served: Served
    tries: int = 1
    subject: int | None = None
    after: Transition | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """A decision as it is told to people: its kind, about what, and why; and how long the waiter had waited."""

    kind: DecisionKind
    model: str
    reason: str
    place: Place | None = None
    waiter: KeptWaiter | None = None
    token: int | None = None
    waited_s: float = 0.0


@dataclass(slots=True)
class Turn:
    """What changes in one turn.

    Attributes:
        forgotten: Waiters whose process is gone.
        ended: Leases that ended.
        residents: Those that are new or other than before, by place.
        granted: Waiters that get a lease, where.
        refused: Waiters that never will, and why.
        begun: Transitions that whoever takes this turn has to carry out.
        told: What was decided, in words.
        waits: Why each of the others waits, by the waiter's id.
        again_at: When to take another turn even if nothing changes.
    """

    forgotten: list[KeptWaiter] = field(default_factory=list)
    ended: list[KeptLease] = field(default_factory=list)
    residents: dict[Place, KeptResident] = field(default_factory=dict)
    granted: list[tuple[KeptWaiter, Place]] = field(default_factory=list)
    refused: list[tuple[KeptWaiter, str]] = field(default_factory=list)
    begun: list[Beginning] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    waits: dict[str, str] = field(default_factory=dict)
    again_at: float | None = None

    @property
    def changes(self) -> bool:
        """Whether anything does."""
        return bool(
            self.forgotten or self.ended or self.residents or self.granted or self.refused or self.begun
        )


def take_turn(snapshot: Snapshot, policy: Policy) -> Turn:
    """Everything that is to be done now.

    Args:
        snapshot: The ledger.
        policy: Decides for those who wait.
    """
    return _Taking(snapshot, policy).turn


class _Taking:
    def __init__(self, snapshot: Snapshot, policy: Policy) -> None:
        self.turn = Turn()
        self._now = snapshot.now
        self._snapshot = snapshot
        self._policy = policy
        self._residents = {kept.place: kept for kept in snapshot.residents}
        self._waiters = list(self._living(snapshot.waiters))
        self._under_way = {(one.phase, one.place, one.subject) for one in snapshot.transitions}
        self._take_over()
        self._leases = list(self._lasting(snapshot.leases))
        self._unload_drained()
        self._refuse_hopeless()
        self._plan()

    def _living(self, waiters: Iterable[KeptWaiter]) -> Iterator[KeptWaiter]:
        for kept in waiters:
            if is_over(kept.expires_at, self._now):
                self.turn.forgotten.append(kept)
            else:
                yield kept

    def _take_over(self) -> None:
        for old in self._snapshot.transitions:
            if not is_over(old.expires_at, self._now):
                continue
            kept = self._residents.get(old.place)
            if kept is None:
                continue
            if old.owner == NOBODY:
                again = old.tries > 1
                reason = "its loading failed, and is tried once more" if again else "its server has lost it"
                told = Told("load", old.place.model, reason, old.place)
                if old.phase == "revoke":
                    reason = "its server could not be told, and is told once more"
                    told = Told("expire", old.place.model, reason, old.place, token=old.subject)
            else:
                reason = f"{old.owner}, which was to {old.phase} it, is gone"
                told = Told("take_over", old.place.model, reason, old.place, token=old.token)
            self.turn.told.append(told)
            self._begin(old.phase, kept, tries=old.tries, subject=old.subject, after=old)

    def _lasting(self, leases: Iterable[KeptLease]) -> Iterator[KeptLease]:
        for lease in leases:
            if not is_over(lease.expires_at, self._now):
                yield lease
                continue
            kept = self._residents.get(lease.place)
            if kept is not None and kept.server.fences:
                # Its slot is free once its server refuses it: who had it may only have been asleep.
                if ("revoke", lease.place, lease.token) not in self._under_way:
                    self._expire(lease)
                    self._begin("revoke", kept, subject=lease.token)
                yield lease
                continue
            self._expire(lease)
            self.turn.ended.append(lease)
            if kept is not None:
                self._change(kept, replace(kept.resident, used_at=self._now))

    def _expire(self, lease: KeptLease) -> None:
        released = lease.expires_at == RELEASED
        reason = "an operator ended it" if released else f"{lease.holder} has not renewed it"
        self.turn.told.append(Told("expire", lease.place.model, reason, lease.place, token=lease.token))

    def _unload_drained(self) -> None:
        held = {lease.place for lease in self._leases}
        for kept in list(self._residents.values()):
            leaving = kept.resident.state in {"draining", "unloading"}
            if leaving and kept.place not in held and ("unload", kept.place, None) not in self._under_way:
                self._unload(kept)

    def _refuse_hopeless(self) -> None:
        """Those who waited while all that could be done for them failed."""
        for kept in self._waiters:
            if kept.refused is not None:
                continue
            failures = [
                failure
                for failure in self._snapshot.failures
                if failure.ended_at >= kept.waiter.since
                and self._concerns(failure.place, failure.phase, kept)
            ]
            places = kept.served.model.places
            if places and all(any(self._blocks(one, place, kept) for one in failures) for place in places):
                why = {failure.place: failure.detail for failure in failures}
                self.turn.refused.append((kept, " ".join(dict.fromkeys(why.values()))))
        refused = {kept.waiter.id for kept, _ in self.turn.refused}
        self._waiters = [
            kept for kept in self._waiters if kept.refused is None and kept.waiter.id not in refused
        ]

    def _concerns(self, place: Place, phase: Phase, kept: KeptWaiter) -> bool:
        if phase == "load":
            return place.model == kept.waiter.model
        resident = self._residents.get(place)
        return (
            phase == "unload" and resident is not None and resident.resident.cleared_for == kept.waiter.model
        )

    def _blocks(self, failure: Failure, place: Place, kept: KeptWaiter) -> bool:
        """Whether it leaves no hope for a place: its own loading, or what had to leave its device or its server."""
        if failure.phase == "load":
            return failure.place == place
        leaving = self._residents[failure.place].served.model
        server = kept.served.model.servers.get(place.deployment)
        at_its_server = server is not None and leaving.servers.get(failure.place.deployment) == server
        return at_its_server or failure.place.device == place.device

    def _plan(self) -> None:
        waiters = {kept.waiter.id: kept for kept in self._waiters}
        models = self._models()
        decisions = self._policy(
            self._snapshot.devices,
            [kept.resident for kept in self._residents.values()],
            [HeldLease(lease.place, lease.priority) for lease in self._leases],
            [replace(kept.waiter, deployments=frozenset(kept.served.servers)) for kept in self._waiters],
            self._now,
            models=models,
        )
        for decision in decisions:
            self._follow(decision, waiters[decision.waiter])

    def _follow(self, decision: Decision, kept: KeptWaiter) -> None:
        model = kept.waiter.model
        match decision:
            case Grant(place=place, reason=reason):
                self.turn.granted.append((kept, place))
                self._tell("grant", place, reason, kept)
            case Load(place=place, reason=reason):
                resident = Resident(place, "loading", self._now, self._now)
                self._begin("load", KeptResident(resident, kept.served, 0))
                self._tell("load", place, reason, kept)
            case Evict(place=place, reason=reason):
                evicted = self._residents[place]
                leaving = replace(evicted.resident, state="draining", since=self._now, cleared_for=model)
                self._tell("evict", place, reason, kept)
                self._change(evicted, leaving)
                if all(lease.place != place for lease in self._leases):
                    self._unload(self._residents[place])
            case Wait(reason=reason, until=until):
                self.turn.waits[kept.waiter.id] = reason
                if until is not None and (self.turn.again_at is None or until < self.turn.again_at):
                    self.turn.again_at = until

    def _tell(self, kind: DecisionKind, place: Place, reason: str, kept: KeptWaiter) -> None:
        waited_s = max(0.0, self._now - kept.waiter.since)
        self.turn.told.append(Told(kind, place.model, reason, place, kept, waited_s=waited_s))

    def _unload(self, kept: KeptResident) -> None:
        if kept.resident.state != "unloading":
            self._change(kept, replace(kept.resident, state="unloading", since=self._now))
        self._begin("unload", self._residents[kept.place])

    def _begin(
        self,
        phase: Phase,
        kept: KeptResident,
        *,
        tries: int = 1,
        subject: int | None = None,
        after: Transition | None = None,
    ) -> None:
        self._under_way.add((phase, kept.place, subject))
        self.turn.begun.append(Beginning(phase, kept.place, kept.served, tries, subject, after))
        if phase == "load":
            self._residents[kept.place] = self.turn.residents[kept.place] = kept

    def _change(self, kept: KeptResident, resident: Resident) -> None:
        self._residents[kept.place] = self.turn.residents[kept.place] = replace(kept, resident=resident)

    def _models(self) -> dict[str, ServedModel]:
        """By name; what those who wait say of a model goes before what was said when it was loaded."""
        models: dict[str, ServedModel] = {}
        places: dict[str, tuple[Place, ...]] = {}
        # Who has left a deployment out knows less of the model than the others, who have the last word.
        waiting = sorted(self._waiters, key=lambda kept: len(kept.served.model.places))
        for one in waiting:
            fewer = places.get(one.waiter.model, ())
            places[one.waiter.model] = tuple(dict.fromkeys((*self._promising(one.served.model), *fewer)))
        for served in [
            *(kept.served for kept in self._residents.values()),
            *(kept.served for kept in waiting),
        ]:
            model = self._learned(served.model)
            known = models.get(model.name)
            # A resident takes what it was loaded with.
            memory = model.memory_mib if known is None else max(model.memory_mib, known.memory_mib)
            models[model.name] = replace(
                model,
                memory_mib=memory,
                places=places.get(model.name) or self._promising(model),
                servers=model.servers if known is None else {**known.servers, **model.servers},
            )
        for kept in self._residents.values():
            # Whoever it makes room for may have gone.
            if kept.resident.cleared_for is not None and kept.resident.cleared_for not in models:
                self._change(kept, replace(kept.resident, cleared_for=None))
        return models

    def _learned(self, model: ServedModel) -> ServedModel:
        costs = [
            cost
            for deployment in dict.fromkeys(place.deployment for place in model.places)
            if (cost := self._snapshot.costs.get((model.name, deployment))) is not None
        ]
        loads = [cost.load_s for cost in costs if cost.load_s is not None]
        unloads = [cost.unload_s for cost in costs if cost.unload_s is not None]
        return replace(
            model,
            memory_mib=max([model.memory_mib, *(cost.peak_mib for cost in costs if cost.peak_mib)]),
            load_s=max(loads, default=model.load_s),
            unload_s=max(unloads, default=model.unload_s),
        )

    def _promising(self, model: ServedModel) -> tuple[Place, ...]:
        """Its places without those where a loading has just failed, if there are others."""
        failed = [
            failure.place
            for failure in self._snapshot.failures
            if failure.phase == "load" and failure.ended_at > self._now - AVOIDED_S
        ]
        return tuple(place for place in model.places if place not in failed) or model.places
