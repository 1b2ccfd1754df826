"""Devices are sampled beside the work; whatever they do, the work neither fails nor waits."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from backends.readings import Reading, Readings
from backends.sampling import Sampler, sample_of
from store.home import Home
from telemetry.catalog import connect
from telemetry.compaction import compact
from telemetry.fsck import fsck
from telemetry.spool import Spool
from telemetry.spool_reading import BadLine, read_spool, spool_files

if TYPE_CHECKING:
    from telemetry.gpu_samples import GpuSample

WITHIN_S = 30

# Samples until its standard input ends.
SAMPLING = """
import sys
from pathlib import Path
from backends.sampling import Sampler
from telemetry.spool import Spool
with Spool(Path(sys.argv[1])) as spool, Sampler(spool, every_s=0.01, run_id="run-1") as sampler:
    sampler.begin()
    sys.stdin.read()
"""


class Strange:
    """Devices that do as a test says, in the place of a driver."""

    def __init__(self, read):
        self.read = read
        self.closed = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closed = True


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home").create()


@pytest.fixture
def spool(home):
    with Spool(home.spool) as opened:
        yield opened


def samples(home) -> list[GpuSample]:
    found = [item for path in spool_files(home.spool) for item in read_spool(path)]
    return [item for item in found if not isinstance(item, BadLine)]


def until(condition):
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_hosts_memory_is_sampled_from_the_beginning_until_the_block_is_left(home, spool):
    with Sampler(spool, every_s=0.01, run_id="run-1") as sampler:
        sampler.begin()
        until(lambda: len(samples(home)) >= 3)
    taken = [sample for sample in samples(home) if sample.device == "host"]
    assert len({sample.sample_id for sample in taken}) == len(taken)
    assert {(sample.kind, sample.run_id) for sample in taken} == {("host", "run-1")}
    assert all(0 < sample.memory_used_mib < sample.memory_total_mib for sample in taken)
    assert "device-sampler" not in {one.name for one in threading.enumerate()}
    assert len([sample for sample in samples(home) if sample.device == "host"]) == len(taken)


def test_cards_and_slices_arrive_in_the_catalog(home, nvml):
    nvml.add_card(0, computing="12=2048,13=64", degrees="unsupported")
    nvml.add_card(1, mig=1, gpu_percent="unsupported", computing="denied", drawing="unsupported")
    nvml.add_slice(1, 0, "1g.12gb", total_mib=12_000, used_mib=9000)
    with subprocess.Popen(
        [sys.executable, "-c", SAMPLING, str(home.spool)], env=nvml.environment, stdin=subprocess.PIPE
    ) as process:
        until(lambda: len(samples(home)) >= 4)
        nvml["0.used_mib"] = 20_000
        until(lambda: any(sample.memory_used_mib == 20_000 for sample in samples(home)))
        nvml["0.state"] = "lost"
        process.stdin.close()
    assert process.returncode == 0
    compact(home)
    assert fsck(home).problems == ()
    with connect(home) as connection:
        rows = connection.execute(
            """
            SELECT DISTINCT ON (device) device, kind, uuid, memory_total_mib, utilization, power_w, temperature_c,
                   processes, run_id
            FROM gpu_samples WHERE device <> 'host' ORDER BY device
            """
        ).fetchall()
        used = connection.execute(
            "SELECT DISTINCT memory_used_mib FROM gpu_samples WHERE device = 'gpu-0' ORDER BY 1"
        )
        assert used.fetchall() == [(1024,), (20_000,)]
    assert rows == [
        ("gpu-0", "whole", "GPU-0", 24576, 0.5, 123.5, None, 2, "run-1"),
        ("gpu-1", "whole", "GPU-1", 24576, None, 123.5, 61.0, None, "run-1"),
        ("gpu-1.0", "mig", "MIG-1-0", 12_000, None, None, None, None, "run-1"),
    ]


def test_a_sampling_process_that_is_killed_leaves_whole_samples(home, nvml):
    nvml.add_card(0)
    with subprocess.Popen(
        [sys.executable, "-c", SAMPLING, str(home.spool)], env=nvml.environment, stdin=subprocess.PIPE
    ) as process:
        until(lambda: len(samples(home)) >= 10)
        process.kill()
    assert compact(home).gpu_samples >= 10
    assert fsck(home).problems == ()


def test_with_no_seconds_given_nothing_is_sampled(home, spool):
    with Sampler(spool, every_s=0) as sampler:
        sampler.begin()
    assert spool_files(home.spool) == []


def test_nothing_is_sampled_that_was_not_begun(home, spool):
    with Sampler(spool, every_s=0.01):
        pass
    assert spool_files(home.spool) == []


def test_beginning_twice_is_beginning_once(spool):
    with Sampler(spool, every_s=3600) as sampler:
        sampler.begin()
        sampler.begin()
        assert [one.name for one in threading.enumerate()].count("device-sampler") <= 1


def test_the_end_is_not_waited_for_until_the_next_sample(home, spool):
    with Sampler(spool, every_s=3600) as sampler:
        sampler.begin()
        until(lambda: samples(home))
    assert "device-sampler" not in {one.name for one in threading.enumerate()}


def test_devices_that_break_end_the_sampling_and_nothing_else(home, spool, caplog):
    def fail():
        raise RuntimeError("boom")

    devices = Strange(fail)
    with Sampler(spool, every_s=0.01, open_devices=lambda: devices) as sampler:
        sampler.begin()
        until(lambda: devices.closed)
    assert "The devices are sampled no more; the work goes on." in caplog.text
    assert samples(home) == []


def test_a_driver_that_hangs_is_left_behind_and_writes_nothing_afterwards(home, caplog):
    reads, goes_on = threading.Event(), threading.Event()
    reading = Reading(name="gpu-0", uuid="GPU-0", kind="whole", product="A card")

    def hang():
        reads.set()
        goes_on.wait()
        return Readings((reading,))

    devices = Strange(hang)
    with Spool(home.spool) as spool:
        with Sampler(spool, every_s=0.01, open_devices=lambda: devices) as sampler:
            sampler.begin()
            assert reads.wait(WITHIN_S)
        assert "is left behind" in caplog.text
    goes_on.set()
    until(lambda: devices.closed)
    assert samples(home) == []
    assert spool.dropped == 0


def test_a_problem_is_told_once(spool, caplog):
    reads = []

    def read():
        reads.append(None)
        return Readings((), ("gpu-0: GPU is lost",))

    with Sampler(spool, every_s=0.001, open_devices=lambda: Strange(read)) as sampler:
        sampler.begin()
        until(lambda: len(reads) >= 3)
    assert caplog.text.count("A device cannot be sampled. gpu-0: GPU is lost") == 1


def test_what_a_device_does_not_tell_is_empty_in_its_sample():
    reading = Reading(name="gpu-0", uuid="GPU-0", kind="whole", product="A card")
    sample = sample_of(reading, sampled_at="2026-03-01T10:00:00.000000+00:00")
    assert (sample.memory_total_mib, sample.utilization, sample.processes, sample.run_id) == (None,) * 4


def test_a_sampler_is_made_without_the_binding_of_the_driver():
    code = "import sys, backends.sampling; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "pynvml" not in loaded.split()
