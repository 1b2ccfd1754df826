"""Turns of the ledger under everything that happens at random: what must never be is not, and nobody waits for ever."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from lease_desk import served
from soak import amount

from backends.leases.policy import Limits, plan
from backends.leases.records import (
    LONGEST_TTL_S,
    NOBODY,
    TRIES,
    Failure,
    KeptLease,
    KeptResident,
    KeptWaiter,
    Served,
    ServerAddress,
    Snapshot,
    Transition,
)
from backends.leases.state import Device, Place, Resident, ServedModel, Waiter
from backends.leases.turning import take_turn

TTL_S = 15.0
LIMITS = Limits(interactive_wait_s=30.0, batch_wait_s=90.0, linger_s=1.0, chat_linger_s=5.0)
PARTIES = ["one", "two", "three"]
DEVICES = (Device("large", 24_000), Device("small", 10_000))
BOTH = ("small", "large")
MODELS = {
    name: served(name, memory, devices=devices, load_s=5.0, **facts)
    for name, memory, devices, facts in [
        ("light", 4_000, BOTH, {"slots": 2}),
        ("middle", 8_000, BOTH, {"slots": 3}),
        ("heavy", 20_000, ("large",), {}),
        ("alone", 3_000, BOTH, {"exclusive": True}),
        ("tagged", 4_000, BOTH, {"tags": frozenset({"pair"})}),
        ("unfenced", 4_000, BOTH, {"provider": "ollama"}),
    ]
}
TWICE = Served(
    ServedModel("twice", 4_000, (Place("twice", "d1", "large"), Place("twice", "d2", "small")), load_s=5.0),
    {one: ServerAddress("vllm", f"http://{one}.test:8600", "twice") for one in ("d1", "d2")},
)
MODELS["twice"] = TWICE
# Two models of one supervisor, each with a device of its own.
SUPERVISOR = "http://pair.test:8600"
MODELS |= {
    name: Served(
        ServedModel(name, 4_000, (Place(name, "d", device),), load_s=5.0, servers={"d": SUPERVISOR}),
        {"d": ServerAddress("vllm", SUPERVISOR, name)},
    )
    for name, device in [("pair-1", "large"), ("pair-2", "small")]
}
# Who asks for the one without d1, or without d2, has just failed there.
WITHOUT = {
    f"twice without {left_out}": Served(
        replace(TWICE.model, places=tuple(one for one in TWICE.model.places if one.deployment != left_out)),
        {name: server for name, server in TWICE.servers.items() if name != left_out},
    )
    for left_out in ("d1", "d2")
}
ASKED = MODELS | WITHOUT
ENDINGS = st.sampled_from(["done", "done", "failed"])


JUDGE = served("judge", 4_000, devices=("large",))
READY = KeptResident(Resident(JUDGE.model.places[0], "ready", 900.0, 900.0), JUDGE, 1)


def kept_waiter(name, since, expires_at):
    return KeptWaiter(Waiter(name, "judge", "batch", since), name, expires_at, JUDGE)


def test_what_would_hold_for_longer_than_it_can_is_over_since_a_clock_was_set_back():
    until = 1_000.0 + LONGEST_TTL_S
    leases = [
        KeptLease(token, READY.place, "batch", "gone", str(token), 0.0, expires_at)
        for token, expires_at in [(2, until), (3, until + 1.0)]
    ]
    waiters = [kept_waiter("living", 990.0, until), kept_waiter("gone", 990.0, until + 1.0)]
    turn = take_turn(
        Snapshot(1_000.0, DEVICES, (READY,), tuple(leases), tuple(waiters)), partial(plan, limits=LIMITS)
    )
    assert [begun.subject for begun in turn.begun] == [3]
    assert [kept.waiter.id for kept in turn.forgotten] == ["gone"]


def test_how_long_a_waiter_has_waited_is_told_by_the_ledgers_clock():
    snapshot = Snapshot(1_000.0, DEVICES, (READY,), waiters=(kept_waiter("one", 940.0, 1_010.0),))
    (told,) = take_turn(snapshot, partial(plan, limits=LIMITS)).told
    assert (told.kind, told.waited_s) == ("grant", 60.0)


class InMemory:
    """The ledger's rows as values, changed as ``Ledger`` changes them."""

    def __init__(self):
        self.now = 1_000.0
        self.token = 0
        self.residents = {}
        self.leases = {}
        self.waiters = {}
        self.transitions = {}
        self.failures = []

    def next_token(self):
        self.token += 1
        return self.token

    def turn(self, party, *, enter=(), leave=(), give_back=()):
        self._end(
            lease for lease in self.leases.values() if lease.token in give_back or lease.waiter in leave
        )
        for waiter in leave:
            self.waiters.pop(waiter, None)
        for waiter in enter:
            until = self.now + TTL_S
            served = ASKED[waiter.model]
            named = replace(waiter, model=served.model.name)
            self.waiters[waiter.id] = KeptWaiter(named, party, until, served)
        if self.waiters:
            self._write(party, take_turn(self.snapshot(), partial(plan, limits=LIMITS)))

    def snapshot(self):
        return Snapshot(
            self.now,
            DEVICES,
            tuple(self.residents.values()),
            tuple(self.leases.values()),
            tuple(self.waiters.values()),
            tuple(self.transitions.values()),
            tuple(self.failures),
        )

    def _write(self, party, turn):
        for kept in turn.forgotten:
            del self.waiters[kept.waiter.id]
        for lease in turn.ended:
            del self.leases[lease.token]
        for kept, why in turn.refused:
            self.waiters[kept.waiter.id] = replace(kept, refused=why)
        self.residents |= turn.residents
        for begun in turn.begun:
            if begun.after is not None:
                del self.transitions[begun.after.token]
            token = self.next_token()
            self.transitions[token] = Transition(
                token,
                begun.place,
                begun.phase,
                party,
                self.now,
                self.now + TTL_S,
                begun.tries,
                begun.subject,
            )
            if begun.phase == "load":
                self.residents[begun.place] = replace(self.residents[begun.place], token=token)
        for kept, place in turn.granted:
            assert place in kept.served.model.places
            del self.waiters[kept.waiter.id]
            token, until = self.next_token(), max(kept.expires_at, self.now + TTL_S)
            self.leases[token] = KeptLease(
                token, place, kept.waiter.priority, kept.holder, kept.waiter.id, self.now, until
            )

    def renew(self, party):
        until = self.now + TTL_S
        for kept in list(self.waiters.values()):
            if kept.holder == party:
                self.waiters[kept.waiter.id] = replace(kept, expires_at=until)
        for lease in list(self.leases.values()):
            if lease.holder == party and lease.expires_at > self.now:
                self.leases[lease.token] = replace(lease, expires_at=until)
        for one in list(self.transitions.values()):
            if one.owner == party and one.expires_at > self.now:
                self.transitions[one.token] = replace(one, expires_at=until)

    def finish(self, transition, ending):
        under_way = self.transitions.get(transition.token)
        if under_way is None or under_way.owner == NOBODY or under_way.expires_at <= self.now:
            return
        del self.transitions[transition.token]
        place, phase, tries = transition.place, transition.phase, transition.tries
        if ending == "failed" and (phase != "load" or tries >= TRIES):
            self.failures.append(Failure(place, phase, self.now, "it broke"))
        if phase == "revoke" and (ending == "done" or tries >= TRIES):
            self._end(lease for lease in self.leases.values() if lease.token == transition.subject)
        elif phase == "load" and ending == "done":
            kept = self.residents[place]
            ready = replace(kept.resident, state="ready", since=self.now, used_at=self.now)
            self.residents[place] = replace(kept, resident=ready)
        elif (phase == "load" and tries >= TRIES) or (phase == "unload" and ending == "done"):
            self._drop(place)
            self._end(lease for lease in self.leases.values() if lease.place == place)
        elif phase in {"load", "revoke"}:
            token = self.next_token()
            self.transitions[token] = Transition(
                token, place, phase, NOBODY, self.now, self.now, tries=tries + 1, subject=transition.subject
            )

    def reload(self, place):
        kept = self.residents[place]
        if kept.resident.state == "ready":
            loading = replace(kept.resident, state="loading", since=self.now)
            self.residents[place] = replace(kept, resident=loading)
            token = self.next_token()
            self.transitions[token] = Transition(token, place, "load", NOBODY, self.now, self.now)

    def miss(self, place):
        if self.residents[place].resident.state in {"ready", "draining"}:
            self._drop(place)
            self._end(lease for lease in self.leases.values() if lease.place == place)

    def _drop(self, place):
        self.residents.pop(place, None)
        self.transitions = {token: one for token, one in self.transitions.items() if one.place != place}

    def _end(self, leases):
        for lease in list(leases):
            del self.leases[lease.token]
            if lease.place in self.residents:
                kept = self.residents[lease.place]
                chatted = self.now if lease.priority == "interactive" else kept.resident.chatted_at
                used = replace(kept.resident, used_at=self.now, chatted_at=chatted)
                self.residents[lease.place] = replace(kept, resident=used)


class Turns(RuleBasedStateMachine):
    """Parties that come, go, die, and do what falls to them, well or not."""

    def __init__(self):
        super().__init__()
        self.ledger = InMemory()
        self.entered = 0
        self.begun = {}

    def turn(self, party, **orders):
        self.ledger.turn(party, **orders)
        # Remembered past their end: who was only asleep finishes what others have taken over.
        self.begun |= self.ledger.transitions

    @rule(
        party=st.sampled_from(PARTIES),
        model=st.sampled_from(sorted(ASKED)),
        priority=st.sampled_from(["interactive", "batch", "batch"]),
    )
    def somebody_asks(self, party, model, priority):
        self.entered += 1
        self.turn(party, enter=[Waiter(f"waiter-{self.entered}", model, priority, self.ledger.now)])

    @precondition(lambda self: self.ledger.waiters)
    @rule(data=st.data())
    def somebody_leaves(self, data):
        waiter = data.draw(st.sampled_from(sorted(self.ledger.waiters)))
        self.turn(self.ledger.waiters[waiter].holder, leave=[waiter])

    @precondition(lambda self: self.ledger.leases)
    @rule(data=st.data())
    def a_lease_is_given_back(self, data):
        token = data.draw(st.sampled_from(sorted(self.ledger.leases)))
        self.turn(self.ledger.leases[token].holder, give_back=[token])

    @rule(party=st.sampled_from(PARTIES))
    def a_turn_is_taken(self, party):
        self.turn(party)

    @precondition(lambda self: self.begun)
    @rule(data=st.data(), ending=ENDINGS)
    def something_ends(self, data, ending):
        token = data.draw(st.sampled_from(sorted(self.begun)))
        self.ledger.finish(self.begun.pop(token), ending)

    @precondition(lambda self: self.ledger.transitions)
    @rule(party=st.sampled_from(PARTIES))
    def all_that_is_begun_ends_well(self, party):
        self.finish_all()
        self.turn(party)

    def finish_all(self):
        for transition in list(self.ledger.transitions.values()):
            self.ledger.finish(transition, "done")

    @precondition(lambda self: self.ledger.residents)
    @rule(data=st.data(), loads_again=st.booleans())
    def a_server_has_lost_what_it_had(self, data, loads_again):
        place = data.draw(st.sampled_from(sorted(self.ledger.residents)))
        if loads_again:
            self.ledger.reload(place)
        else:
            self.ledger.miss(place)

    @rule(seconds=st.sampled_from([0.5, 4.0, 14.0]))
    def time_passes_for_the_living(self, seconds):
        self.ledger.now += seconds
        for party in PARTIES:
            self.ledger.renew(party)

    @rule(party=st.sampled_from(PARTIES))
    def one_party_says_nothing_for_too_long(self, party):
        for _ in range(2):
            self.ledger.now += TTL_S / 2
            for other in PARTIES:
                if other != party:
                    self.ledger.renew(other)

    @rule()
    def whoever_waits_is_served_or_refused_once_all_that_is_begun_ends_well(self):
        waiting = len(self.ledger.waiters)
        for _ in range(8 * (waiting + 2)):
            self.finish_all()
            refused = [kept.waiter.id for kept in self.ledger.waiters.values() if kept.refused]
            self.turn(PARTIES[0], leave=refused, give_back=list(self.ledger.leases))
            self.check_all()
            if not self.ledger.waiters:
                break
            self.ledger.now += 5.0
            for party in PARTIES:
                self.ledger.renew(party)
        assert sorted(self.ledger.waiters) == []
        # Nor is anything left that nobody will ever do.
        assert [
            one
            for one in self.ledger.transitions.values()
            if one.expires_at <= self.ledger.now and one.place not in self.ledger.residents
        ] == []

    def check_all(self):
        self.memory_is_never_promised_twice()
        self.nobody_is_beside_whom_it_may_not_be()
        self.a_deployment_has_one_copy_and_a_supervisor_one_model()
        self.slots_are_never_exceeded()
        self.leases_are_on_residents_that_answer()
        self.nothing_is_done_twice_at_once()

    @invariant()
    def memory_is_never_promised_twice(self):
        promised = Counter()
        for kept in self.ledger.residents.values():
            promised[kept.place.device] += kept.served.model.memory_mib
        assert all(promised[device.name] <= device.memory_mib for device in DEVICES)

    @invariant()
    def nobody_is_beside_whom_it_may_not_be(self):
        residents = list(self.ledger.residents.values())
        assert all(
            one.served.model.may_share(other.served.model)
            for one in residents
            for other in residents
            if one.place != other.place and one.place.device == other.place.device
        )

    @invariant()
    def a_deployment_has_one_copy_and_a_supervisor_one_model(self):
        places = list(self.ledger.residents)
        assert len({(place.model, place.deployment) for place in places}) == len(places)
        assert sum(place.model in {"pair-1", "pair-2"} for place in places) <= 1

    @invariant()
    def slots_are_never_exceeded(self):
        held = Counter(lease.place for lease in self.ledger.leases.values())
        assert all(count <= MODELS[place.model].model.slots for place, count in held.items())

    @invariant()
    def leases_are_on_residents_that_answer(self):
        # But for leases that are stale, since what they were on is loaded again.
        loading = {one.place: one.token for one in self.ledger.transitions.values() if one.phase == "load"}
        for lease in self.ledger.leases.values():
            answers = self.ledger.residents[lease.place].resident.state in {"ready", "draining"}
            assert answers or lease.token < loading[lease.place]

    @invariant()
    def nothing_is_done_twice_at_once(self):
        under_way = Counter((one.place, one.phase, one.subject) for one in self.ledger.transitions.values())
        assert all(count == 1 for count in under_way.values())
        # Only leases are revoked beside each other.
        switching = Counter(one.place for one in self.ledger.transitions.values() if one.phase != "revoke")
        assert all(count == 1 for count in switching.values())


TestTurns = Turns.TestCase
TestTurns.settings = settings(max_examples=amount(150, 40), stateful_step_count=40, deadline=None)
