"""The thread that stands in the queue: whatever happens to it, all who wait are told, and nothing is left behind."""

from __future__ import annotations

import queue
import threading

import pytest
from lease_desk import asked, party, resident, served

from backends.leases.attending import Attendant
from backends.leases.observing import Pretended

TOGETHER = served(slots=4)


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
