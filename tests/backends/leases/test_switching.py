"""Switches: what is given up when a process ends has not failed, and memory is free when the device says so."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest
from lease_desk import asked, party, resident, served

from backends.errors import LoadingFailed
from backends.leases.observing import Pretended
from backends.leases.settling import wait_until_free
from backends.leases.switching import Switches

FREEING = Path(__file__).parents[2] / "doubles" / "freeing_process.py"


class Endless(Pretended):
    """A server that loads until it is told that nobody goes on with it."""

    def __init__(self, server, *, began):
        super().__init__(server)
        self._began = began

    def load(self, token, *, going_on):
        del token
        self._began.set()
        while going_on():
            threading.Event().wait(0.001)
        raise LoadingFailed("somebody else goes on with it")


def switches(ledger, loading, **options):
    ended = threading.Event()
    return Switches(ledger, told=lambda *_: None, loading=loading, ended=ended.set, **options), ended


def test_what_is_given_up_when_a_process_ends_has_not_failed(state):
    one, two = party(state), party(state, "two")
    (task,) = one.turn(enter=[asked("a")]).tasks
    two.turn(enter=[asked("b")])
    began = threading.Event()
    made, ended = switches(one, partial(Endless, began=began))
    made.carry_out(task)
    assert began.wait(10.0)
    assert made
    made.stop()
    assert ended.wait(10.0)
    assert not made
    # Nothing is told of it, and it counts as no try: who comes next begins anew, and may fail once.
    one.leave()
    taken = two.turn()
    assert taken.refused == {}
    (again,) = taken.tasks
    assert two.finish(again.transition, "failed", detail="once")
    assert two.turn().refused == {}


def test_what_ends_well_while_a_process_ends_is_written_down(state):
    one = party(state)
    (task,) = one.turn(enter=[asked("a")]).tasks
    made, ended = switches(one, Pretended)
    made.stop()
    made.carry_out(task)
    assert ended.wait(10.0)
    assert [kept.resident.state for kept in one.snapshot().residents] == ["ready"]


class Clock:
    """Time that passes only while somebody sleeps, and a device whose memory falls meanwhile."""

    def __init__(self, *used_by_second):
        self.now = 0.0
        self._used = used_by_second

    def used_mib(self):
        return self._used[min(int(self.now), len(self._used) - 1)]

    def sleep(self, seconds):
        self.now += seconds

    def wait(self, *, resident_mib=8_000, going_on=lambda: True):
        wait_until_free(
            self.used_mib,
            before_mib=10_000,
            resident_mib=resident_mib,
            going_on=going_on,
            clock=lambda: self.now,
            sleep=self.sleep,
        )
        return self.now


def test_it_is_free_when_as_much_is_given_back_as_the_model_took():
    assert Clock(10_000, 6_000, 2_500, 2_500).wait() == pytest.approx(2.0, abs=0.2)


def test_a_model_that_took_less_than_is_said_is_waited_for_until_nothing_falls():
    assert Clock(10_000, 7_000, 7_000).wait() == pytest.approx(3.5, abs=0.2)


def test_memory_that_others_take_at_once_is_not_waited_for_forever():
    assert Clock(10_000, 12_000).wait() == pytest.approx(2.5, abs=0.2)
    assert Clock(*range(10_000, 0, -100)).wait() == pytest.approx(10.0, abs=0.2)


def test_a_card_that_cannot_be_read_any_longer_is_not_waited_for():
    assert Clock(10_000, None).wait() == pytest.approx(1.0, abs=0.2)


def test_nobody_waits_for_memory_while_a_process_ends():
    with pytest.raises(LoadingFailed, match="until its memory was free"):
        Clock(10_000).wait(going_on=lambda: False)


@pytest.mark.parametrize(("provider", "looks"), [("ollama", True), ("vllm", False)])
def test_only_a_server_that_frees_its_memory_late_is_waited_for(state, provider, looks):
    one = party(state)
    resident(one, served(provider=provider))
    (task,) = one.turn(enter=[asked("a", served("other"))]).tasks
    asked_of: list[str] = []
    made, ended = switches(one, Pretended, used_mib=asked_of.append)
    made.carry_out(task)
    assert ended.wait(10.0)
    assert asked_of == (["gpu0"] if looks else [])


def test_a_model_is_unloaded_once_its_card_shows_the_memory_free(nvml, tmp_path):
    nvml.add_card(0, used_mib=17_000)
    with subprocess.Popen(
        [sys.executable, FREEING, tmp_path / "home"],
        env=nvml.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        # The server has said that the model is gone, and the driver shows all of it yet.
        assert json.loads(process.stdout.readline()) == {"residents": ["unloading"], "used_mib": 17_000}
        nvml["0.used_mib"] = 1_000
        assert json.loads(process.stdout.readline()) == {"residents": [], "used_mib": 1_000}
    assert process.returncode == 0
    assert nvml.calls == ["init", "shutdown"]
