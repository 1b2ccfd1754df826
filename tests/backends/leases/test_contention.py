"""Many processes over few devices, killed and stopped at random: what must not happen does not."""

from __future__ import annotations

import json
import os
import queue
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest
from lease_process import served_model
from model_host import HostLoading, ModelHost, serving

from backends.leases.attending import Answered, Attendant
from backends.leases.ledger import Asked, Ledger
from backends.leases.policy import Limits
from backends.leases.state import Device
from store.database import StateDatabase
from store.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

PROCESS = Path(__file__).parents[2] / "doubles" / "lease_process.py"
DEVICES = {"a": 24_000, "b": 24_000, "c": 10_000}
MODELS = {
    "small-1": (4_000, 2),
    "small-2": (4_000, 2),
    "small-3": (6_000, 1),
    "middle-1": (9_000, 1),
    "middle-2": (9_000, 3),
    "middle-3": (12_000, 1),
    "large-1": (20_000, 1),
    "large-2": (22_000, 2),
}
TTL_S = 1.0
WAIT_S = 4.0
LOAD_S = 0.03


@dataclass
class Worker:
    """One process and what it told."""

    seed: int
    process: subprocess.Popen[str]
    told: list[dict[str, Any]] = field(default_factory=list)
    stopped_until: float | None = None

    def read(self, out: IO[str]) -> None:
        for line in out:
            self.told.append(json.loads(line))


class Crowd:
    """Keeps so many processes at it until each has asked so often, whatever happens to them."""

    def __init__(self, config: Path, *, processes: int, each: int, seed: int) -> None:
        self.config = config
        self.each = each
        self.rng = random.Random(seed)
        self.begun = 0
        self.killed = 0
        self.stopped = 0
        self.workers = [self.start(each) for _ in range(processes)]
        self.over: list[Worker] = []

    def start(self, count: int) -> Worker:
        self.begun += 1
        process = subprocess.Popen(
            [sys.executable, str(PROCESS), str(self.config), str(self.begun), str(count)],
            stdout=subprocess.PIPE,
            text=True,
        )
        worker = Worker(self.begun, process)
        assert process.stdout is not None
        reader = threading.Thread(target=worker.read, args=(process.stdout,), daemon=True)
        reader.start()
        worker.reader = reader  # type: ignore[attr-defined]
        return worker

    def run(self, *, within_s: float) -> None:
        until = time.monotonic() + within_s
        try:
            while self.workers:
                assert time.monotonic() < until, f"{len(self.workers)} processes are still at it"
                time.sleep(0.05)
                self.disturb()
                for worker in list(self.workers):
                    if worker.process.poll() is not None:
                        self.bury(worker)
        finally:
            for worker in self.workers:
                worker.process.kill()
                worker.process.wait()

    def disturb(self) -> None:
        now = time.monotonic()
        for worker in self.workers:
            if worker.stopped_until is not None and now > worker.stopped_until:
                os.kill(worker.process.pid, signal.SIGCONT)
                worker.stopped_until = None
        worker = self.rng.choice(self.workers)
        if len(worker.told) < 3 or worker.stopped_until is not None:
            return
        chance = self.rng.random()
        if chance < 0.008:
            worker.process.kill()
            self.killed += 1
        elif chance < 0.016:
            os.kill(worker.process.pid, signal.SIGSTOP)
            # Past the end of its leases; others take them for dead.
            worker.stopped_until = now + TTL_S * self.rng.uniform(1.2, 2.0)
            self.stopped += 1

    def bury(self, worker: Worker) -> None:
        worker.process.wait()
        worker.reader.join()  # type: ignore[attr-defined]
        self.workers.remove(worker)
        self.over.append(worker)
        left = self.each - len(worker.told)
        if worker.process.returncode == -signal.SIGKILL and left > 0:
            heir = self.start(left)
            self.workers.append(heir)
        else:
            assert worker.process.returncode == 0

    @property
    def told(self) -> list[dict[str, Any]]:
        return [line for worker in self.over for line in worker.told]


@pytest.fixture
def state_url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    if request.param == "sqlite":
        yield None
    else:
        yield request.getfixturevalue("postgresql_url")


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize(
    "state_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.real)], indirect=True
)
def test_memory_and_slots_are_never_exceeded_and_nobody_waits_for_ever(tmp_path, state_url):
    host = ModelHost(DEVICES, MODELS, LOAD_S)
    with serving(host) as url:
        config = {
            "home": str(tmp_path / "home"),
            "state_url": state_url,
            "url": url,
            "devices": DEVICES,
            "models": MODELS,
            "ttl_s": TTL_S,
            "wait_s": WAIT_S,
            "load_s": LOAD_S,
        }
        (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
        settings = Settings(home=tmp_path / "home", state_url=state_url)
        with StateDatabase.open(settings) as database:
            crowd = Crowd(tmp_path / "config.json", processes=8, each=150, seed=7)
            crowd.run(within_s=1200)
            told = crowd.told
            assert host.violations == []
            assert [line for line in told if line.get("refused")] == []
            # Who waits longest comes first; but a switch for somebody else, and the time until the dead are known
            # to be so, can come before.
            assert max(line.get("waited", 0.0) for line in told) < WAIT_S + 20 * TTL_S
            assert crowd.killed
            assert crowd.stopped
            settle(database, config)


def settle(database: StateDatabase, config: dict[str, Any]) -> None:
    """Who comes next finishes what the dead left; when that one is gone too, nothing is held or under way."""
    attendant = Attendant(
        Ledger(database, "next", limits=Limits(), ttl_s=TTL_S),
        holder="next",
        ttl_s=TTL_S,
        told=lambda *_: None,
        loading=HostLoading,
        poll_s=0.01,
    )
    devices = [Device(name, memory) for name, memory in DEVICES.items()]
    for name, facts in MODELS.items():
        answers: queue.SimpleQueue[Answered] = queue.SimpleQueue()
        attendant.enter(
            Asked(f"next-{name}", "interactive", served_model(name, *facts, devices, config)), answers.put
        )
        held = answers.get(timeout=60.0).held
        assert held is not None
        attendant.give_back(held)
    attendant.close(10.0)
    left = Ledger(database, "last", limits=Limits()).snapshot()
    assert left.leases == ()
    assert left.waiters == ()
    assert [one for one in left.transitions if one.expires_at <= left.now - TTL_S] == []
