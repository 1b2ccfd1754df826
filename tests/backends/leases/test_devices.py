"""Which devices can be leased, and by what names."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backends.errors import ModelMisconfigured
from backends.leases import devices
from backends.leases.state import Device
from backends.readings import Reading
from registry.schema import DeclaredDevice

HOST = Reading(name="host", uuid="host", kind="host", product="8 cores", memory_total_mib=32_000)
CARD = Reading(name="gpu-0", uuid="GPU-1", kind="whole", product="card", memory_total_mib=24_000)
SLICED = replace(CARD, name="gpu-1", uuid="GPU-2", is_sliced=True)
SLICE = replace(
    CARD, name="gpu-1.0", uuid="MIG-3", kind="mig", memory_total_mib=12_000, mig_profile="1g.12gb"
)


def leased_devices(declared, readings):
    return devices.leased_devices(declared, readings, host="studio", boot="boot-1")


def test_this_machines_need_no_declaring_and_its_cards_come_first():
    assert leased_devices({}, [HOST, CARD]).devices == (
        Device("gpu-0", 24_000, host="studio", uuid="GPU-1"),
        Device("host", 32_000, kind="host", host="studio", uuid="boot-1"),
    )


def test_a_sliced_card_is_its_slices():
    leased = leased_devices({}, [HOST, SLICED, SLICE])
    assert [device.name for device in leased.devices] == ["gpu-1.0", "host"]
    assert leased.devices[0].mig_profile == "1g.12gb"


def test_a_card_may_be_given_a_name_by_its_uuid_and_less_memory():
    declared = {"big": DeclaredDevice(uuid="GPU-1", memory_mib=20_000)}
    leased = leased_devices(declared, [HOST, CARD])
    assert [(device.name, device.memory_mib) for device in leased.devices] == [
        ("big", 20_000),
        ("host", 32_000),
    ]
    assert leased.names["GPU-1"] == "big"


def test_the_memory_of_this_machines_is_the_drivers_to_say():
    declared = {"gpu-0": DeclaredDevice(), "host": DeclaredDevice(kind="host", memory_mib=8_000)}
    leased = leased_devices(declared, [HOST, CARD])
    assert {device.name: device.memory_mib for device in leased.devices} == {"gpu-0": 24_000, "host": 8_000}


def test_a_device_of_another_machine_has_to_say_its_memory():
    with pytest.raises(ModelMisconfigured, match=r"devices\.far"):
        leased_devices({"far": DeclaredDevice()}, [HOST])
    far = leased_devices({"far": DeclaredDevice(memory_mib=80_000)}, [HOST])
    assert far.devices[0] == Device("far", 80_000)
    assert far.names == {"host": "host"}


def test_a_card_that_cannot_say_its_memory_is_not_leased():
    assert leased_devices({}, [HOST, replace(CARD, memory_total_mib=None)]).devices == (
        Device("host", 32_000, kind="host", host="studio", uuid="boot-1"),
    )


def test_what_is_declared_is_no_hosts_and_known_by_its_card():
    declared = {"big": DeclaredDevice(uuid="GPU-1"), "far": DeclaredDevice(memory_mib=8_000, uuid="GPU-9")}
    big, far, _ = leased_devices(declared, [HOST, CARD]).devices
    assert (big.host, big.uuid) == (None, "GPU-1")
    assert (far.host, far.uuid) == (None, "GPU-9")
