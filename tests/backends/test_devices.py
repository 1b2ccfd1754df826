"""The devices of this host: what a run's manifest says of them, and the host's memory among them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from backends.devices import Devices, devices
from backends.host_memory import host_memory

_DEVICES = """
import json
from backends.devices import devices
print(json.dumps([device.as_dict() for device in devices()]))
"""


@pytest.fixture
def cards(nvml):
    """What the manifest of a run on the host of `nvml` says, but for the host itself."""

    def ask():
        done = subprocess.run(
            [sys.executable, "-c", _DEVICES], env=nvml.environment, capture_output=True, text=True, check=True
        )
        host, *others = json.loads(done.stdout)
        assert host["kind"] == "host"
        return others

    return ask


def test_the_hosts_own_memory_is_a_device():
    host = devices()[0]

    assert (host.kind, host.uuid) == ("host", "host")
    assert host.memory_mib > 256


def test_the_hosts_memory_is_read_with_what_of_it_can_be_had():
    with Devices() as all_devices:
        host = all_devices.read().devices[0]

    assert host.kind == "host"
    assert 0 < host.memory_free_mib <= host.memory_total_mib
    assert host.memory_used_mib == host.memory_total_mib - host.memory_free_mib


def test_caches_are_memory_that_can_be_had(tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(
        "MemTotal:       16384000 kB\nMemFree:          102400 kB\nMemAvailable:    8192000 kB\n",
        encoding="ascii",
    )

    host = host_memory(meminfo)

    assert (host.memory_total_mib, host.memory_free_mib, host.memory_used_mib) == (16_000, 8000, 8000)


def test_a_system_that_does_not_tell_what_is_used_tells_how_much_there_is(tmp_path):
    host = host_memory(tmp_path / "none")

    assert host.memory_total_mib > 256
    assert host.memory_used_mib is None


def test_a_host_without_a_driver_has_no_card(nvml, cards):
    nvml.add_card(0)
    nvml["driver.init"] = "not loaded"

    assert cards() == []


def test_cards_and_slices_are_listed_with_their_memory_and_nvml_is_let_go(nvml, cards):
    nvml.add_card(0, total_mib=16384)
    nvml.add_card(1, mig=1)
    nvml.add_slice(1, 0, "1g.12gb", total_mib=12_000, used_mib=0)

    assert cards() == [
        {"kind": "gpu", "uuid": "GPU-0", "name": "A card", "memory_mib": 16384},
        {"kind": "gpu", "uuid": "GPU-1", "name": "A card", "memory_mib": 24576},
        {"kind": "mig", "uuid": "MIG-1-0", "name": "A card MIG 1g.12gb", "memory_mib": 12_000},
    ]
    assert nvml.calls == ["init", "shutdown"]


def test_a_card_that_shares_the_hosts_memory_is_listed_without(nvml, cards):
    nvml.add_card(0, total_mib="unsupported")

    assert cards() == [{"kind": "gpu", "uuid": "GPU-0", "name": "A card", "memory_mib": 0}]


def test_a_card_that_is_lost_is_told_beside_the_others(nvml, cards):
    nvml.add_card(0, state="lost")
    nvml.add_card(1)

    assert [(card["uuid"], card["name"]) for card in cards()] == [
        ("GPU-1", "A card"),
        ("", "unreadable: gpu-0: GPU is lost"),
    ]
    assert nvml.calls == ["init", "shutdown"]


def test_a_broken_driver_is_told_and_fails_nothing(nvml, cards):
    nvml["driver.init"] = "broken"

    assert [card["name"] for card in cards()] == ["unreadable: NVML: Unknown Error"]
