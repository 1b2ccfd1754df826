"""Decisions as they are written down."""

from __future__ import annotations

from lease_desk import served

from backends.leases.records import KeptWaiter
from backends.leases.state import Waiter
from backends.leases.telling import Decisions
from backends.leases.turning import Told


def test_a_wait_is_as_long_as_the_ledger_says_whatever_this_machines_clock():
    written = []
    waiter = KeptWaiter(Waiter("a", "judge", "batch", 5e9), "one", 5e9, served())
    Decisions(written, "enforce", "one")(Told("grant", "judge", "it is ready", waiter=waiter, waited_s=61.5))
    Decisions(written, "enforce", "one")(Told("unloaded", "judge", "done"))
    assert [decision.waited_ms for decision in written] == [61_500.0, None]
