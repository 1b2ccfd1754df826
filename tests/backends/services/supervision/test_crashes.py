"""What happens to a model server that crashes, hangs, does not load, or cannot be started."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import psutil
import pytest
from supervised import lives, served_by_double, wait_until, within

pytestmark = pytest.mark.slow


def test_a_server_that_crashes_is_started_anew(tmp_path):
    with within(tmp_path, {"tiny": served_by_double()}) as supervised:
        first = supervised.ready()

        supervised.crash(status=3)
        wait_until(lambda: supervised.active()["restarts"] == 1, "it is restarted")
        again = supervised.until("ready")

        assert again["pid"] != first["pid"]
        assert again["error"] is None
        assert supervised.client.get("/v1/models").status_code == 200


def test_the_workers_of_a_server_that_was_killed_are_gone_before_it_is_started_anew(tmp_path):
    pids = tmp_path / "pids"
    double = served_by_double("--workers", 1, "--escaped-workers", 1, "--pids", pids)
    with within(tmp_path, {"tiny": double}) as supervised:
        os.kill(supervised.ready()["pid"], signal.SIGKILL)
        wait_until(lambda: supervised.active()["restarts"] == 1, "it is restarted")
        supervised.until("ready")

        tree = [int(line) for line in pids.read_text().split()]
        assert [lives(pid) for pid in tree] == [False] * 3 + [True] * 3


def test_between_a_crash_and_the_next_start_it_says_why_it_waits(tmp_path):
    slow = {"first_wait_s": 60, "longest_wait_s": 60}
    with within(tmp_path, {"tiny": served_by_double()}, restarts=slow) as supervised:
        supervised.ready()
        supervised.double("say", text="CUDA error: device-side assert")
        supervised.crash(status=3)

        active = supervised.until("backing_off")

        assert "exited with status 3" in active["error"]
        assert active["log_tail"][-1] == "CUDA error: device-side assert"
        assert active["pid"] is None
        refused = supervised.client.get("/v1/models")
        assert supervised.refusal(refused) == (503, "not_ready")
        assert "exited with status 3" in refused.json()["error"]["message"]
        assert supervised.activate("tiny", 2).json()["active"]["state"] == "backing_off"
        assert supervised.deactivate(2).json()["active"] is None


def test_a_server_that_crashes_again_and_again_is_left_alone_with_its_last_words(tmp_path):
    with within(
        tmp_path,
        {"tiny": served_by_double("--exit-at-start", 7)},
        restarts={"first_wait_s": 0, "give_up_after": 3},
    ) as supervised:
        supervised.activate()

        active = supervised.until("failed")

        assert active["restarts"] == 2
        assert "exited with status 7 before it was ready" in active["error"]
        assert "after 3 crashes" in active["error"]
        assert active["log_tail"][-2:] == ["loading", "no kernel image is available"]


def test_a_failed_model_is_started_anew_when_it_is_activated_again_and_no_other_one(tmp_path):
    gate = tmp_path / "fail"
    gate.touch()
    script = f'if [ -e {gate} ]; then exit 9; fi; exec "$@"'
    repaired = served_by_double()
    repaired["command"] = ["sh", "-c", script, "sh", *repaired["command"]]
    with within(
        tmp_path, {"tiny": repaired, "other": served_by_double()}, restarts={"give_up_after": 1}
    ) as supervised:
        supervised.activate("tiny", 1)
        supervised.until("failed")
        assert supervised.refusal(supervised.activate("other", 2)) == (409, "busy")
        gate.unlink()

        active = supervised.ready("tiny", 2)

        assert (active["restarts"], active["error"]) == (0, None)


def test_a_failed_model_can_be_deactivated(tmp_path):
    with within(
        tmp_path, {"tiny": served_by_double("--exit-at-start", 1)}, restarts={"give_up_after": 1}
    ) as supervised:
        supervised.activate()
        supervised.until("failed")

        assert supervised.deactivate().json()["active"] is None


def test_a_server_whose_engine_died_is_killed_and_started_anew(tmp_path):
    with within(tmp_path, {"tiny": served_by_double()}) as supervised:
        first = supervised.ready()
        supervised.double("health", status=503)

        wait_until(lambda: supervised.active()["restarts"] == 1, "it is restarted")

        assert supervised.until("ready")["pid"] != first["pid"]
        assert not lives(first["pid"])


def test_a_server_that_hangs_is_killed_and_started_anew(tmp_path):
    with within(
        tmp_path,
        {"tiny": served_by_double()},
        watch={"every_s": 0.05, "timeout_s": 0.1, "unhealthy_after": 2},
    ) as supervised:
        first = supervised.ready()
        supervised.double("hang")

        wait_until(lambda: supervised.active()["restarts"] >= 1, "it is restarted")
        assert not lives(first["pid"])


def test_a_server_that_does_not_load_in_time_fails_at_once(tmp_path):
    double = served_by_double("--ready-when", tmp_path / "never", load_timeout_s=0.5)
    with within(tmp_path, {"tiny": double}) as supervised:
        supervised.activate()
        wait_until(lambda: supervised.active()["pid"] or supervised.active()["error"], "it is started")
        pid = supervised.active()["pid"]

        active = supervised.until("failed")

        assert "not ready within 0.5 s" in active["error"]
        assert active["restarts"] == 0
        assert pid is None or not lives(pid)


def test_a_command_that_does_not_exist_is_told(tmp_path):
    with within(
        tmp_path, {"tiny": {"command": ["no-such-program"]}}, restarts={"give_up_after": 1}
    ) as supervised:
        supervised.activate()

        assert "no-such-program: No such file or directory" in supervised.until("failed")["error"]


def test_somebody_elses_server_on_the_childs_port_is_not_taken_for_the_model(tmp_path):
    with (
        socket.socket() as squatter,
        within(tmp_path, {"tiny": served_by_double()}, restarts={"give_up_after": 1}) as supervised,
    ):
        squatter.bind(("127.0.0.1", int(supervised.child_url.rpartition(":")[2])))
        squatter.listen()
        supervised.activate()

        assert "Address already in use" in supervised.until("failed")["error"]


def test_killing_the_leash_kills_the_server_and_it_is_started_anew(tmp_path):
    with within(tmp_path, {"tiny": served_by_double("--workers", 1)}) as supervised:
        first = supervised.ready()
        leash = psutil.Process(first["pid"]).ppid()
        os.kill(leash, signal.SIGKILL)

        wait_until(lambda: supervised.active()["restarts"] == 1, "it is restarted")
        assert not lives(first["pid"])
        assert supervised.until("ready")["pid"] != first["pid"]


def test_a_model_gets_its_own_variables_and_no_standard_input(tmp_path):
    with within(tmp_path, {"tiny": served_by_double(env={"VLLM_NO_USAGE_STATS": "1"})}) as supervised:
        pid = supervised.ready()["pid"]

        assert supervised.double("seen")["environ"]["VLLM_NO_USAGE_STATS"] == "1"
        assert Path(f"/proc/{pid}/fd/0").readlink() == Path("/dev/null")
