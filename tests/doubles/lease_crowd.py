"""A crowd of processes that take leases over few devices, killed and stopped at random."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from model_host import ModelHost

PROCESS = Path(__file__).with_name("lease_process.py")
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
# Models on these devices are one server's, which has one of them at a time.
SHARED = [("small-3", "a"), ("middle-1", "b"), ("large-2", "a")]
TTL_S = 1.0
WAIT_S = 4.0
LOAD_S = 0.03


@dataclass
class Worker:
    """One process and what it told."""

    process: subprocess.Popen[str]
    count: int
    told: list[dict[str, Any]] = field(default_factory=list)
    stopped_until: float | None = None
    reader: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        assert self.process.stdout is not None
        self.reader = threading.Thread(target=self.read, args=(self.process.stdout,), daemon=True)
        self.reader.start()

    def read(self, out: IO[str]) -> None:
        with out:
            for line in out:
                self.told.append(json.loads(line))


class Crowd:
    """Keeps so many processes at it until each has asked so often, whatever happens to them.

    At each look one of them is killed with the chance ``disturbed``, and as often one is stopped for a while.
    """

    def __init__(
        self, config: Path, *, processes: int, each: int, seed: int, disturbed: float = 0.008
    ) -> None:
        self.disturbed = disturbed
        self.config = config
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
        return Worker(process, count)

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
        if chance < self.disturbed:
            worker.process.kill()
            self.killed += 1
        elif chance < 2 * self.disturbed:
            os.kill(worker.process.pid, signal.SIGSTOP)
            # Past the end of its leases; others take them for dead.
            worker.stopped_until = now + TTL_S * self.rng.uniform(1.2, 2.0)
            self.stopped += 1

    def bury(self, worker: Worker) -> None:
        worker.process.wait()
        worker.reader.join()
        self.workers.remove(worker)
        self.over.append(worker)
        killed = worker.process.returncode == -signal.SIGKILL
        assert killed or worker.process.returncode == 0
        left = worker.count - len(worker.told)
        if killed and left > 0:
            self.workers.append(self.start(left))

    @property
    def told(self) -> list[dict[str, Any]]:
        return [line for worker in self.over for line in worker.told]


def crowded_host() -> ModelHost:
    """Servers on these devices, of these models."""
    return ModelHost(DEVICES, MODELS, LOAD_S, shared=SHARED)


def write_config(
    folder: Path, url: str, *, state_url: str | None = None, poll_s: float = 0.01
) -> dict[str, Any]:
    """What each process is told, in ``config.json`` of the folder; their home is beside it."""
    config = {
        "home": str(folder / "home"),
        "state_url": state_url,
        "url": url,
        "devices": DEVICES,
        "models": MODELS,
        "shared": SHARED,
        "ttl_s": TTL_S,
        "wait_s": WAIT_S,
        "load_s": LOAD_S,
        "poll_s": poll_s,
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return config
