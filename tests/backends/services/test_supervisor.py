"""The supervisor as a program: how it starts, and that nothing of it is left whichever way it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from supervised import ROOT, lives, program, served_by_double, wait_until, write_configuration

pytestmark = pytest.mark.slow


@pytest.fixture
def tree(tmp_path):
    """A running program with a ready model, and the ids of all processes of its server."""
    pids = tmp_path / "pids"
    double = served_by_double("--workers", 2, "--escaped-workers", 1, "--pids", pids)
    with program(tmp_path, {"tiny": double}) as supervised:
        supervised.ready()
        processes = [int(line) for line in pids.read_text().split()]
        assert len(processes) == 4
        yield supervised, processes
        for pid in processes:
            if lives(pid):
                os.kill(pid, signal.SIGKILL)


def test_killing_the_supervisor_leaves_no_process_of_the_server(tree):
    supervised, processes = tree

    supervised.process.send_signal(signal.SIGKILL)

    wait_until(lambda: not any(lives(pid) for pid in processes), "all processes have ended")


def test_killing_the_supervisor_while_the_server_ends_leaves_none_either(tmp_path):
    pids = tmp_path / "pids"
    double = served_by_double("--workers", 1, "--ignore-sigterm", "--pids", pids, stop_s=600)
    with program(tmp_path, {"tiny": double}) as supervised, ThreadPoolExecutor(1) as callers:
        supervised.ready()
        broken = callers.submit(supervised.deactivate)
        supervised.until("stopping")
        supervised.process.send_signal(signal.SIGKILL)
        assert isinstance(broken.exception(), httpx.TransportError)

    processes = [int(line) for line in pids.read_text().split()]
    wait_until(lambda: not any(lives(pid) for pid in processes), "all processes have ended")


def test_sigterm_ends_the_server_and_then_the_supervisor_in_order(tree):
    supervised, processes = tree

    supervised.process.send_signal(signal.SIGTERM)

    assert supervised.process.wait(30) == 0
    assert not any(lives(pid) for pid in processes)


def test_sigterm_lets_requests_in_flight_end(tree):
    supervised, processes = tree
    with supervised.client.stream("POST", "/v1/chat/completions", json={"stream": True}) as answer:
        pieces = answer.iter_bytes()
        assert next(pieces) == b"data: 0\n\n"
        supervised.process.send_signal(signal.SIGTERM)
        supervised.double("go-on")
        supervised.double("go-on")
        assert b"".join(pieces) == b"data: 1\n\ndata: 2\n\n"

    assert supervised.process.wait(30) == 0
    assert not any(lives(pid) for pid in processes)


def test_a_driver_that_hangs_keeps_nobody_waiting(tmp_path, nvml):
    nvml.add_card(0, used_mib=2048)
    card = {"name": "card", "kind": "whole", "memory_mib": 24_576, "uuid": "GPU-0"}
    models = {"tiny": served_by_double()}
    with program(tmp_path, models, environ=nvml.environment, device=card) as supervised:
        assert supervised.state()["device"]["used_mib"] == 2048

        nvml["driver.hangs"] = "yes"
        with ThreadPoolExecutor(2) as callers:
            asked = [callers.submit(supervised.state) for _ in range(2)]
            supervised.ready()
            assert supervised.client.get("/v1/models").status_code == 200
            assert [one.result()["device"]["used_mib"] for one in asked] == [None, None]

        nvml["driver.hangs"] = "no"
        wait_until(lambda: supervised.state()["device"]["used_mib"] == 2048, "the driver answers again")
        nvml["driver.hangs"] = "yes"
        assert supervised.state()["device"]["used_mib"] is None
        supervised.process.send_signal(signal.SIGTERM)
        assert supervised.process.wait(30) == 0


def run(*arguments, **environ):
    return subprocess.run(
        [sys.executable, "-m", "backends.services.supervisor", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_bad_configuration_is_told_in_a_line_and_nothing_starts(tmp_path):
    path = write_configuration(tmp_path, {"tiny": served_by_double(loads="fast")})

    done = run("--config", path)

    assert done.returncode == 1
    assert done.stderr == f"{path}:1: models.tiny.loads: is no field here\n"


def test_without_a_key_it_does_not_listen_beyond_the_loopback(tmp_path):
    path = write_configuration(tmp_path, {"tiny": served_by_double()})

    done = run("--config", path, "--host", "0.0.0.0")

    assert done.returncode == 1
    assert "control_key_env" in done.stderr


def test_a_configuration_can_be_checked_without_starting_anything(tmp_path):
    path = write_configuration(tmp_path, {"tiny": served_by_double()}, control_key_env="A_KEY")

    done = run("--config", path, "--host", "0.0.0.0", "--check", A_KEY="k")

    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("models tiny\n")


def test_dagsters_definitions_need_no_part_of_it():
    script = (
        "import sys, imageworks_dagster.definitions;"
        "print('fastapi' in sys.modules, 'backends.services' in sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == ["False", "False"]
    assert Path(ROOT / "backends" / "services").is_dir()
