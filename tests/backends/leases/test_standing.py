"""How things stand: residents, leases, waiters and transitions, told in seconds from now."""

from __future__ import annotations

from dataclasses import replace

import pytest
from lease_desk import asked, party, resident, served

from backends.leases.ledger import Ledger
from backends.leases.policy import Limits
from backends.leases.standing import read_standing, standing
from backends.leases.state import Device
from store.database import StateDatabase
from store.errors import DatabaseUnreachable
from store.settings import Settings


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home")


@pytest.fixture
def database(settings):
    with StateDatabase.open(settings) as database:
        yield database


def test_where_nothing_was_ever_leased_nothing_stands_and_nothing_is_made(settings):
    told = read_standing(settings)
    assert (told.devices, told.leases, told.waiters) == ((), (), ())
    assert not settings.home.exists()


def test_a_database_that_is_none_is_told(settings):
    settings.home.mkdir()
    (settings.home / "state.db").write_bytes(b"not a database" * 100)
    with pytest.raises(DatabaseUnreachable):
        read_standing(settings)


def test_a_resident_stands_with_its_leases_and_whoever_waits_for_its_device(settings, database):
    one, two = party(database, "one"), party(database, "two")
    resident(one)
    one.turn(enter=[asked("a", priority="interactive")])
    two.turn(enter=[asked("b"), asked("c")])
    told = read_standing(settings)
    (device,) = told.devices
    (there,) = device.residents
    assert (device.name, device.kind, device.memory_mib) == ("gpu0", "whole", 24_000)
    assert (there.model, there.deployment, there.state) == ("judge", "only", "ready")
    assert (there.leases, there.slots, there.memory_mib) == (1, 1, 16_000)
    (lease,) = told.leases
    assert (lease.holder, lease.priority, lease.device) == ("one", "interactive", "gpu0")
    assert 0 <= lease.age_s < lease.expires_in_s <= 30
    assert [(one.waiter, one.holder, one.devices, one.gone) for one in told.waiters] == [
        ("b", "two", ("gpu0",), False),
        ("c", "two", ("gpu0",), False),
    ]
    assert device.waiters == told.waiters


def test_a_waiter_stands_at_every_device_that_its_model_may_be_on(settings, database):
    ledger = Ledger(database, "one", limits=Limits())
    ledger.declare([Device("left", 8_000), Device("right", 8_000), Device("other", 8_000)])
    ledger.turn(enter=[asked("a", served(memory_mib=4_000, devices=("right", "left")))])
    told = read_standing(settings)
    assert [(device.name, len(device.waiters)) for device in told.devices] == [
        ("left", 1),
        ("other", 0),
        ("right", 1),
    ]


def test_a_loading_stands_with_who_does_it_and_is_overdue_once_they_are_gone(database):
    ledger = party(database, "one", ttl_s=30.0)
    ledger.turn(enter=[asked("a")])
    snapshot = ledger.snapshot()
    (now,), (later,) = (
        standing(replace(snapshot, now=snapshot.now + passed)).devices for passed in (0.0, 60.0)
    )
    (loading,) = now.transitions
    assert (loading.phase, loading.model, loading.owner, loading.tries) == ("load", "judge", "one", 1)
    assert now.residents[0].state == "loading"
    assert (loading.overdue, now.waiters[0].gone) == (False, False)
    assert (later.transitions[0].overdue, later.waiters[0].gone) == (True, True)


def test_a_loading_that_failed_once_is_for_whoever_comes_next(settings, database):
    ledger = party(database)
    taken = ledger.turn(enter=[asked("a")])
    ledger.finish(taken.tasks[0].transition, "failed", detail="no weights")
    (device,) = read_standing(settings).devices
    (loading,) = device.transitions
    assert (loading.owner, loading.tries) == (None, 2)
