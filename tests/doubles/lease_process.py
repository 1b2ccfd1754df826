"""A process that takes leases at random and uses them: ``lease_process.py CONFIG SEED COUNT``, JSON lines out."""

from __future__ import annotations

import json
import os
import queue
import random
import sys
import time
from pathlib import Path
from typing import Any

import httpx
from model_host import HostLoading

from backends.leases.attending import Answered, Attendant
from backends.leases.ledger import Asked, Ledger
from backends.leases.placing import places_on
from backends.leases.policy import Limits
from backends.leases.records import Served, ServerAddress
from backends.leases.state import Device, ServedModel
from store.database import StateDatabase
from store.settings import Settings


def main(config: dict[str, Any], seed: int, count: int) -> None:
    rng = random.Random(seed)
    devices = [Device(name, memory) for name, memory in config["devices"].items()]
    served = {name: served_model(name, *facts, devices, config) for name, facts in config["models"].items()}
    limits = Limits(
        interactive_wait_s=config["wait_s"], batch_wait_s=config["wait_s"], linger_s=0.01, chat_linger_s=0.05
    )
    holder = f"{os.getpid()}-{seed}"
    with StateDatabase.open(
        Settings(home=Path(config["home"]), state_url=config.get("state_url"))
    ) as database:
        ledger = Ledger(database, holder, limits=limits, ttl_s=config["ttl_s"])
        ledger.declare(devices)
        attendant = Attendant(
            ledger,
            holder=holder,
            ttl_s=config["ttl_s"],
            told=lambda *_: None,
            loading=HostLoading,
            poll_s=config["poll_s"],
        )
        with httpx.Client(base_url=config["url"], timeout=60.0, trust_env=False) as client:
            for number in range(count):
                tell(take(attendant, client, served, f"{holder}-{number}", rng))
        attendant.close(5.0)


def served_model(name: str, memory: int, slots: int, devices: list[Device], config: dict[str, Any]) -> Served:
    names = [device.name for device in devices if device.memory_mib >= memory]
    places = tuple(
        place
        for device in devices
        if device.name in names
        for place in places_on([device], model=name, deployments=[device.name], prefers_slice=False)
    )
    servers = {device: ServerAddress("vllm", config["url"], f"{name}@{device}") for device in names}
    load_s = config["load_s"]
    return Served(ServedModel(name, memory, places, slots=slots, load_s=load_s, unload_s=0.01), servers)


def take(
    attendant: Attendant, client: httpx.Client, served: dict[str, Served], waiter: str, rng: random.Random
) -> dict[str, Any]:
    answers: queue.SimpleQueue[Answered] = queue.SimpleQueue()
    model = rng.choice(sorted(served))
    priority = "interactive" if rng.random() < 0.3 else "batch"
    began = time.monotonic()
    attendant.enter(Asked(waiter, priority, served[model]), answers.put)  # type: ignore[arg-type]
    if rng.random() < 0.05:
        # Some change their mind.
        attendant.leave(waiter)
        return {"left": True}
    answer = answers.get(timeout=120.0)
    waited = time.monotonic() - began
    if answer.held is None:
        return {"refused": answer.refused}
    lease = answer.held.lease
    # It does not look at its clock: whoever was stopped for long is to be refused by the server.
    response = client.post(
        "/use",
        json={
            "model": model,
            "device": lease.place.device,
            "token": lease.token,
            "seconds": rng.uniform(0.0, 0.01),
        },
    )
    attendant.give_back(answer.held)
    return {"model": model, "waited": waited, "status": response.status_code, "token": lease.token}


def tell(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), int(sys.argv[2]), int(sys.argv[3]))
