"""What a client's thread makes of what the ledger says."""

from __future__ import annotations

import queue
import threading
import time
from contextlib import contextmanager

import pytest
from lease_desk import EAGER, asked, party, resident

from backends.errors import LoadingFailed
from backends.leases.attending import Attendant
from backends.leases.ledger import Glance, Ledger
from backends.leases.observing import Pretended
from store.database import StateDatabase
from store.settings import Settings


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
