"""What a client's thread makes of what the ledger says; whatever happens to it, all who wait are told."""

from __future__ import annotations

import queue
import threading
import time
from contextlib import contextmanager

import pytest
from lease_desk import EAGER, asked, party, resident, served

from backends.errors import LoadingFailed
from backends.leases.attending import Attendant
from backends.leases.glancing import Glance
from backends.leases.ledger import Ledger
from backends.leases.observing import Pretended
from store.database import StateDatabase
from store.settings import Settings

TOGETHER = served(slots=4)


@pytest.fixture
def state(tmp_path):
    with StateDatabase.open(Settings(home=tmp_path / "home")) as database:
        yield database


@contextmanager
def attending(ledger, *, ttl_s, loading=Pretended, told=lambda *_: None):
    attendant = Attendant(ledger, holder="one", ttl_s=ttl_s, told=told, loading=loading, poll_s=0.005)
    try:
        yield attendant
    finally:
        attendant.close(10.0)


def held_by(attendant):
    answers = queue.SimpleQueue()
    attendant.enter(asked("a"), answers.put)
    return answers.get(timeout=30.0).held


def test_a_lease_is_used_for_no_longer_than_the_ledger_keeps_it(state):
    party(state)
    with attending(Ledger(state, "one", limits=EAGER, ttl_s=60.0), ttl_s=3_000.0) as attendant:
        assert held_by(attendant).valid_until < time.monotonic() + 60.0


class Unmoved(Pretended):
    """A server that does not listen."""

    def revoke(self, token):
        raise LoadingFailed("It answered 401.")


def test_what_a_lease_that_could_not_be_revoked_may_do_is_told(state):
    told = queue.SimpleQueue()
    two = party(state, "two")
    resident(two)
    lease = two.turn(enter=[asked("b")]).granted["b"]
    two.release([lease.token])
    ledger = Ledger(state, "one", limits=EAGER, ttl_s=60.0)
    with attending(ledger, ttl_s=60.0, loading=Unmoved, told=lambda one, _: told.put(one)) as attendant:
        assert held_by(attendant).lease.token > lease.token
        kinds = {}
        while len(kinds.get("revoke_failed", [])) < 2:
            one = told.get(timeout=30.0)
            kinds.setdefault(one.kind, []).append(one.reason)
    first, last = kinds["revoke_failed"]
    assert first == "It answered 401. It is tried once more."
    assert last.startswith("It answered 401. The lease has ended all the same: should its holder live")


def test_a_lease_that_is_to_be_given_back_stays_so_whatever_the_ledger_says_of_it(state):
    class Meanwhile(dict):
        """Looked at by the thread, while a request under the lease learns that it is stale."""

        def __contains__(self, place):
            for held in stale:
                held.hold.wanted = True
            return super().__contains__(place)

    class Looked(Ledger):
        def glance(self):
            glance = super().glance()
            return Glance(glance.version, glance.wanted, Meanwhile(glance.closed))

    stale, over = [], threading.Event()
    party(state)
    with attending(Looked(state, "one", limits=EAGER, ttl_s=60.0), ttl_s=60.0) as attendant:
        held = held_by(attendant)
        held.told = over.set
        stale.append(held)
        assert over.wait(30.0)


@pytest.fixture
def ledger(state):
    made = party(state)
    resident(made, TOGETHER)
    return made


def attendant(ledger, **options):
    return Attendant(
        ledger, holder="one", ttl_s=30.0, told=lambda *_: None, loading=Pretended, poll_s=0.005, **options
    )


def closed_loop(_answer):
    raise RuntimeError("Event loop is closed")


def test_who_cannot_be_told_keeps_nobody_else_from_being_told_and_no_lease(ledger):
    attending = attendant(ledger)
    answers = queue.SimpleQueue()
    attending.enter(asked("a", TOGETHER), closed_loop)
    attending.enter(asked("b", TOGETHER), answers.put)
    held = answers.get(timeout=10.0).held
    assert held is not None
    attending.give_back(held)
    attending.close(10.0)
    assert ledger.snapshot().leases == ()


def test_when_it_ends_by_a_mistake_all_are_told_who_can_be_and_the_ledger_is_left(ledger, monkeypatch):
    attending = attendant(ledger)
    answers = queue.SimpleQueue()
    turn, left = type(ledger).turn, threading.Event()

    def mistaken(self, *, enter=(), **orders):
        turn(self, enter=enter, **orders)
        raise ZeroDivisionError

    def leave(self):
        left.set()
        return leaving(self)

    leaving = type(ledger).leave
    monkeypatch.setattr(type(ledger), "turn", mistaken)
    monkeypatch.setattr(type(ledger), "leave", leave)
    attending.enter(asked("a", TOGETHER), closed_loop)
    attending.enter(asked("b", TOGETHER), answers.put)
    assert "ZeroDivisionError" in answers.get(timeout=10.0).refused
    assert left.wait(10.0)
    attending.close(10.0)
    monkeypatch.undo()
    assert (ledger.snapshot().leases, ledger.snapshot().waiters) == ((), ())


def test_who_comes_after_it_is_closed_is_told_so_at_once(ledger):
    attending = attendant(ledger)
    attending.close(10.0)
    answers = []
    attending.enter(asked("a", TOGETHER), answers.append)
    assert [answer.refused for answer in answers] == ["the leases of this process are closed"]


def test_who_waits_when_it_is_closed_is_told_so(ledger):
    attending = attendant(ledger)
    answers = queue.SimpleQueue()
    # No device has so much.
    attending.enter(asked("b", served("huge", 99_000)), answers.put)
    attending.close(10.0)
    assert answers.get(timeout=10.0).refused == "the leases of this process are closed"


class Counted:
    """A machine's devices that count how often they are looked at, and let go of."""

    def __init__(self):
        self.measured = self.closed = 0

    def measure(self, ledger):
        del ledger
        self.measured += 1

    def used_mib(self, device):
        raise AssertionError(device)

    def close(self):
        self.closed += 1


@pytest.mark.parametrize("waited", [True, False])
def test_this_machines_devices_are_let_go_of_once_at_the_end(ledger, waited):
    machine = Counted()
    attending = attendant(ledger, machine=machine)
    if waited:
        answers = queue.SimpleQueue()
        attending.enter(asked("a", TOGETHER), answers.put)
        attending.give_back(answers.get(timeout=10.0).held)
    attending.close(10.0)
    assert (machine.measured, machine.closed) == (int(waited), 1)
