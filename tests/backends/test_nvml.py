"""The cards as NVML tells of them, through the true binding; the library is a stand-in built from C."""

from __future__ import annotations


def test_a_card_tells_its_memory_load_power_temperature_and_processes(nvml):
    nvml.add_card(0, computing="12=2048,13=?", drawing="12=2048,99=64")
    with nvml.reader() as reader:
        devices, problems = reader.read()
    assert problems == []
    assert devices == {
        "gpu-0": {
            "name": "gpu-0",
            "uuid": "GPU-0",
            "kind": "whole",
            "product": "A card",
            "card": None,
            "mig_profile": None,
            "is_sliced": False,
            "memory_total_mib": 24576,
            "memory_used_mib": 1024,
            "memory_free_mib": 23552,
            "utilization": 0.5,
            "memory_utilization": 0.25,
            "power_w": 123.5,
            "temperature_c": 61.0,
            "processes": [
                {"pid": 12, "memory_mib": 2048},
                {"pid": 13, "memory_mib": None},
                {"pid": 99, "memory_mib": 64},
            ],
        }
    }


def test_many_processes_are_all_told(nvml):
    nvml.add_card(0, computing=",".join(f"{pid}=1" for pid in range(100, 140)))
    with nvml.reader() as reader:
        assert [one["pid"] for one in reader.read()[0]["gpu-0"]["processes"]] == [*range(100, 140)]


def test_a_slice_tells_its_own_memory_and_not_its_cards(nvml):
    nvml.add_card(0)
    nvml.add_card(1, mig=1, gpu_percent="unsupported", used_mib=14_000)
    nvml.add_slice(1, 0, "1g.12gb", total_mib=12_000, used_mib=9000, computing="5=9000")
    nvml.add_slice(1, 3, "1g.6gb", total_mib=6000, used_mib=1)
    with nvml.reader() as reader:
        devices, problems = reader.read()
    assert problems == []
    assert list(devices) == ["gpu-0", "gpu-1", "gpu-1.0", "gpu-1.3"]
    assert [one["kind"] for one in devices.values()] == ["whole", "whole", "mig", "mig"]
    assert [one["is_sliced"] for one in devices.values()] == [False, True, False, False]
    first, second = devices["gpu-1.0"], devices["gpu-1.3"]
    assert (first["uuid"], first["card"], first["mig_profile"]) == ("MIG-1-0", "GPU-1", "1g.12gb")
    assert (first["memory_total_mib"], first["memory_used_mib"], first["memory_free_mib"]) == (
        12_000,
        9000,
        3000,
    )
    assert first["processes"] == [{"pid": 5, "memory_mib": 9000}]
    assert (second["memory_total_mib"], second["memory_used_mib"]) == (6000, 1)
    assert (first["power_w"], first["utilization"], second["processes"]) == (None, None, None)


def test_slices_that_are_made_and_removed_meanwhile_are_seen(nvml):
    nvml.add_card(0, mig=1)
    with nvml.reader() as reader:
        assert list(reader.read()[0]) == ["gpu-0"]
        nvml.add_slice(0, 1, "2g.12gb", total_mib=12_000, used_mib=0)
        assert list(reader.read()[0]) == ["gpu-0", "gpu-0.1"]
        nvml["0:1.uuid"] = "unsupported"
        assert list(reader.read()[0]) == ["gpu-0"]


def test_a_card_whose_mig_mode_is_switched_meanwhile_is_seen_as_sliced_and_whole_again(nvml):
    nvml.add_card(0, mig=0)
    nvml.add_slice(0, 1, "2g.12gb", total_mib=12_000, used_mib=0)
    with nvml.reader() as reader:
        for mode, names in ((0, ["gpu-0"]), (1, ["gpu-0", "gpu-0.1"]), (0, ["gpu-0"])):
            nvml["0.mig"] = mode
            devices, problems = reader.read()
            assert (list(devices), problems) == (names, [])
            assert devices["gpu-0"]["is_sliced"] == (mode == 1)


def test_what_a_card_does_not_support_or_allow_is_empty_and_the_rest_is_told(nvml):
    nvml.add_card(
        0,
        gpu_percent="unsupported",
        milliwatts="denied",
        degrees="unsupported",
        computing="denied",
        drawing="unsupported",
    )
    with nvml.reader() as reader:
        devices, problems = reader.read()
    assert problems == []
    card = devices["gpu-0"]
    assert [
        card[name] for name in ("utilization", "memory_utilization", "power_w", "temperature_c", "processes")
    ] == [None] * 5
    assert card["memory_total_mib"] == 24576


def test_a_card_that_shares_the_hosts_memory_has_none_of_its_own(nvml):
    nvml.add_card(0, total_mib="unsupported")
    with nvml.reader() as reader:
        devices, problems = reader.read()
    assert problems == []
    assert (devices["gpu-0"]["memory_total_mib"], devices["gpu-0"]["utilization"]) == (None, 0.5)


def test_values_are_those_of_each_reading_and_the_library_is_begun_once(nvml):
    nvml.add_card(0)
    with nvml.reader() as reader:
        for used in (1024, 2048, 512):
            nvml["0.used_mib"] = used
            assert reader.read()[0]["gpu-0"]["memory_used_mib"] == used
    assert nvml.calls == ["init", "shutdown"]


def test_a_lost_card_is_told_of_and_the_others_are_read(nvml):
    nvml.add_card(0)
    nvml.add_card(1)
    with nvml.reader() as reader:
        assert list(reader.read()[0]) == ["gpu-0", "gpu-1"]
        nvml["0.state"] = "lost"
        for _ in range(2):
            devices, problems = reader.read()
            assert list(devices) == ["gpu-1"]
            assert problems == ["gpu-0: GPU is lost"]
    assert nvml.calls == ["init", "shutdown"]


def test_a_lost_card_that_comes_back_is_read_again_after_a_while(nvml):
    nvml.add_card(0)
    with nvml.reader(again_after_s=0) as reader:
        reader.read()
        nvml["0.state"] = "lost"
        assert reader.read() == ({}, ["gpu-0: GPU is lost"])
        nvml["0.state"] = "well"
        devices, problems = reader.read()
        assert (list(devices), problems) == (["gpu-0"], [])
        begun = nvml.calls.count("init")
        reader.read()
        assert nvml.calls.count("init") == begun


def test_a_library_that_somebody_else_shut_down_is_begun_anew_at_once(nvml):
    nvml.add_card(0)
    with nvml.reader() as reader:
        reader.read()
        nvml["driver.epoch"] = 2
        devices, problems = reader.read()
        assert (list(devices), problems) == (["gpu-0"], [])
    assert nvml.calls.count("init") == 2


def test_a_driver_that_is_not_loaded_means_no_card_until_it_is(nvml):
    nvml.add_card(0)
    nvml["driver.init"] = "not loaded"
    with nvml.reader(again_after_s=0) as reader:
        assert reader.read() == ({}, [])
        nvml["driver.init"] = "ok"
        assert list(reader.read()[0]) == ["gpu-0"]


def test_a_broken_driver_is_told_of(nvml):
    nvml["driver.init"] = "broken"
    with nvml.reader() as reader:
        assert reader.read() == ({}, ["NVML: Unknown Error"])
