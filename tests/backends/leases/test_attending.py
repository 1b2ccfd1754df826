"""What a client's thread makes of what the ledger says."""

from __future__ import annotations

import queue
import threading
import time
from contextlib import contextmanager

import pytest
from lease_desk import EAGER, asked, party

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
def attending(ledger, *, ttl_s):
    attendant = Attendant(
        ledger, holder="one", ttl_s=ttl_s, told=lambda *_: None, loading=Pretended, poll_s=0.005
    )
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
