"""What other programs take of a card."""

from __future__ import annotations

from dataclasses import replace

import pytest
from lease_desk import served

from backends.leases.measuring import foreign_memory
from backends.leases.records import Cost, KeptResident, Snapshot
from backends.leases.state import Device, Place, Resident
from backends.readings import Reading

CARD = Reading(
    name="gpu-0",
    uuid="GPU-1",
    kind="whole",
    product="card",
    memory_total_mib=24_000,
    memory_used_mib=18_000,
    memory_free_mib=6_000,
)
NAMES = {"GPU-1": "big"}
THERE = KeptResident(Resident(Place("judge", "only", "big"), "ready", 0.0, 0.0), served(devices=("big",)), 1)
SNAPSHOT = Snapshot(now=100.0, devices=(Device("big", 24_000),), residents=(THERE,))


def test_it_is_what_is_used_beyond_what_residents_take():
    assert foreign_memory([CARD], NAMES, SNAPSHOT) == {"big": 2_000}


def test_what_a_resident_was_seen_to_take_is_its_own():
    learned = replace(SNAPSHOT, costs={("judge", "only"): Cost(peak_mib=18_000)})
    assert foreign_memory([CARD], NAMES, learned) == {}


@pytest.mark.parametrize("state", ["loading", "unloading"])
def test_nobody_can_tell_while_a_model_comes_or_goes(state):
    switching = replace(THERE, resident=replace(THERE.resident, state=state))
    assert foreign_memory([CARD], NAMES, replace(SNAPSHOT, residents=(switching,))) == {}


def test_it_is_given_back_when_the_other_program_ends():
    before = replace(SNAPSHOT, devices=(Device("big", 24_000, foreign_mib=2_000),))
    assert foreign_memory([replace(CARD, memory_used_mib=16_100)], NAMES, before) == {"big": 0}


def test_small_changes_are_not_worth_a_word():
    before = replace(SNAPSHOT, devices=(Device("big", 24_000, foreign_mib=1_900),))
    assert foreign_memory([CARD], NAMES, before) == {}


def test_a_host_gives_models_what_its_operator_says():
    host = replace(CARD, name="host", uuid="host", kind="host")
    there = replace(SNAPSHOT, devices=(Device("host", 24_000, kind="host"),), residents=())
    assert foreign_memory([host], {"host": "host"}, there) == {}


def test_a_card_that_does_not_tell_is_left_as_it_is():
    assert foreign_memory([replace(CARD, memory_used_mib=None)], NAMES, SNAPSHOT) == {}


def test_a_card_of_another_host_that_has_its_name_is_not_measured_here():
    theirs = replace(SNAPSHOT, devices=(Device("big", 24_000, host="hall", uuid="GPU-9"),))
    assert foreign_memory([CARD], NAMES, theirs) == {}
