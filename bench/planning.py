"""How long one plan takes: eight devices, fifty models, two hundred waiters."""

from __future__ import annotations

import random
import time

from backends.leases.policy import plan
from backends.leases.state import Device, HeldLease, Place, Resident, ServedModel, Waiter
from bench.result import Result

DEVICES, MODELS, WAITERS = 8, 50, 200
PLANS = 200
NOW = 10_000.0


def run() -> list[Result]:
    """Plan for many states drawn by chance, and take the slowest but one in twenty."""
    chance = random.Random(0)
    seconds = sorted(one_plan(chance) for _ in range(PLANS))
    return [Result("plan", seconds[int(PLANS * 0.95)] * 1000, "ms", 5.0)]


def one_plan(chance: random.Random) -> float:
    """Seconds for one plan."""
    devices = [Device(f"gpu-{index}", 24_576) for index in range(DEVICES)]
    models = {
        name: ServedModel(
            name,
            chance.randrange(2_000, 20_000),
            # A deployment has one copy, so that each device has one of its own.
            tuple(Place(name, device.name, device.name) for device in devices),
            slots=chance.randrange(1, 9),
            load_s=chance.uniform(5, 120),
        )
        for name in (f"model-{index}" for index in range(MODELS))
    }
    residents, held = [], []
    for device in devices:
        free = device.memory_mib
        for model in chance.sample(list(models.values()), 4):
            if model.memory_mib > free:
                continue
            free -= model.memory_mib
            place = next(one for one in model.places if one.device == device.name)
            since = NOW - chance.uniform(0, 2_000)
            residents.append(Resident(place, "ready", since, NOW - chance.uniform(0, NOW - since)))
            held += [HeldLease(place, "batch")] * chance.randrange(model.slots + 1)
    waiters = [
        Waiter(
            str(index),
            chance.choice(list(models)),
            chance.choice(["interactive", "batch", "batch"]),
            NOW - chance.uniform(0, 1_000),
        )
        for index in range(WAITERS)
    ]
    began = time.perf_counter()
    plan(devices, residents, held, waiters, NOW, models=models)
    return time.perf_counter() - began
