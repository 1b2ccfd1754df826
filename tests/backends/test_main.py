"""`python -m backends`: what it prints, and how it fails."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def backends(*arguments, cwd=None, env=None):
    return subprocess.run(
        [sys.executable, "-m", "backends", *arguments],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


def test_all_policies_are_compared_unless_some_are_named(tmp_path):
    done = backends("simulate", "--workload", "five-clubs", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = [line.split("│")[1].strip() for line in done.stdout.splitlines() if line.startswith("│")]
    assert rows == ["turns", "fifo", "lru"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--workload", "six-clubs"], "these are shipped: five-clubs"),
        (["--workload", "five-clubs", "--devices", "24"], "'24' is no device"),
        (["--workload", "five-clubs", "--picture", "p.svg"], "name it with --policy"),
        (["--workload", "five-clubs", "--policy", "turns", "--picture", "no/such/p.svg"], "no/such/p.svg"),
    ],
)
def test_a_wrong_word_is_one_line_and_exit_status_1(tmp_path, arguments, words):
    done = backends("simulate", *arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_model_that_fits_no_device_is_named_and_nothing_is_played(tmp_path):
    done = backends(
        "simulate", "--workload", "five-clubs", "--devices", "8G", "--policy", "turns", cwd=tmp_path
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "No device is large enough" in done.stderr
    assert "the largest device has 8,192 MiB" in done.stderr


@pytest.fixture
def three_devices(nvml, tmp_path):
    nvml.add_card(0, name="A card [link]", computing="12=2048,13=?", degrees="unsupported")
    nvml.add_card(1, state="lost")
    nvml.add_card(2, mig=1)
    nvml.add_slice(2, 0, "1g.12gb", total_mib=12_000, used_mib=9000)
    return {**nvml.environment, "IMAGEWORKS_HOME": str(tmp_path / "home")}


def test_the_devices_of_the_host_are_a_table_with_what_each_tells(three_devices):
    done = backends("devices", env=three_devices)
    assert done.returncode == 0
    rows = [
        [cell.strip() for cell in line.split("│")[1:-1]]
        for line in done.stdout.splitlines()
        if line.startswith("│")
    ]
    assert [row[0] for row in rows] == ["host", "gpu-0", "gpu-2", "gpu-2.0"]
    assert rows[1][1:] == [
        "whole",
        "A card [link]",
        "24,576 MiB",
        "1,024 MiB",
        "23,552 MiB",
        "50%",
        "124 W",
        "",
        "2",
    ]
    assert [row[1] for row in rows] == ["host", "whole", "whole, sliced", "1g.12gb"]
    assert "A device cannot be read. gpu-1: GPU is lost" in done.stderr


def test_the_devices_of_the_host_are_json_for_programs(three_devices):
    told = json.loads(backends("devices", "--json", env=three_devices).stdout)
    assert told["problems"] == ["gpu-1: GPU is lost"]
    card = told["devices"][1]
    assert (card["name"], card["uuid"], card["memory_free_mib"]) == ("gpu-0", "GPU-0", 23552)
    assert card["processes"] == [{"pid": 12, "memory_mib": 2048}, {"pid": 13, "memory_mib": None}]


def test_a_host_without_cards_shows_its_memory(nvml, tmp_path):
    nvml["driver.init"] = "not loaded"
    done = backends("devices", env=nvml.environment, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == ""
    assert [line.split("│")[1].strip() for line in done.stdout.splitlines() if line.startswith("│")] == [
        "host"
    ]
