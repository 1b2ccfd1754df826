"""A process that takes leases at random and uses them: ``lease_process.py CONFIG SEED COUNT``, JSON lines out."""

from __future__ import annotations

import json
import os
import queue
import random
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from model_host import HostLoading

from backends.leases.attending import Answered, Attendant
from backends.leases.ledger import Ledger
from backends.leases.placing import places_on
from backends.leases.policy import Limits
from backends.leases.records import Served, ServerAddress
from backends.leases.state import Device, ServedModel
from backends.leases.taking import Asked
from store.database import StateDatabase
from store.settings import Settings

# As good as for ever: only a request that nobody would answer waits so long, however slow the machine.
PATIENCE_S = 300.0


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
    # A server is known by its address; this one has another that leads to the same host.
    shared = config["url"].replace("127.0.0.1", "localhost")
    urls = {device: shared if is_shared(name, device, config) else config["url"] for device in names}
    servers = {device: ServerAddress("vllm", url, f"{name}@{device}") for device, url in urls.items()}
    model = ServedModel(
        name,
        memory,
        places,
        slots=slots,
        load_s=config["load_s"],
        unload_s=0.01,
        servers={device: url for device, url in urls.items() if url == shared},
    )
    return Served(model, servers)


def is_shared(name: str, device: str, config: dict[str, Any]) -> bool:
    return (name, device) in [tuple(one) for one in config["shared"]]


def without(served: Served, deployment: str) -> Served:
    """The model as whoever has just failed at a deployment asks for it."""
    model, servers = served.model, dict(served.servers)
    servers.pop(deployment)
    left = {name: url for name, url in model.servers.items() if name in servers}
    places = tuple(place for place in model.places if place.deployment in servers)
    return Served(replace(model, places=places, servers=left), servers)


def take(
    attendant: Attendant, client: httpx.Client, served: dict[str, Served], waiter: str, rng: random.Random
) -> dict[str, Any]:
    answers: queue.SimpleQueue[Answered] = queue.SimpleQueue()
    model = rng.choice(sorted(served))
    asked = served[model]
    if len(asked.servers) > 1 and rng.random() < 0.2:
        asked = without(asked, rng.choice(sorted(asked.servers)))
    priority = "interactive" if rng.random() < 0.3 else "batch"
    attendant.enter(Asked(waiter, priority, asked), answers.put)  # type: ignore[arg-type]
    if rng.random() < 0.05:
        # Some change their mind.
        attendant.leave(waiter)
        return {"left": True}
    answer = answers.get(timeout=PATIENCE_S)
    if answer.held is None:
        return {"refused": answer.refused}
    lease = answer.held.lease
    assert lease.place in asked.model.places
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
    return {"model": model, "status": response.status_code, "token": lease.token}


def tell(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), int(sys.argv[2]), int(sys.argv[3]))
