"""What leases cost: one of them in the ledger, and a critique's share of those that a batch uses again and again."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from lease_desk import asked, party, resident

from backends.leases.attending import Attendant
from backends.leases.broker import Broker
from backends.leases.ledger import Ledger
from backends.leases.policy import Limits
from backends.leases.serving import Serving
from backends.leases.state import Device
from backends.loading.protocol import Found, Inventory
from bench.own_time import REQUESTS, asked_in_a_new_process
from bench.result import Result
from store.database import StateDatabase
from store.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from backends.leases.records import ServerAddress

TIMES = 300
TTL_S = 15.0
CARD = Device("gpu0", 24_576)


class LoadsAtOnce:
    """A server that has loaded a model as soon as it is told to: ``Loading``."""

    def __init__(self, server: ServerAddress) -> None:
        self._served_model_id = server.served_model_id

    def load(self, token: int, *, going_on: Callable[[], bool]) -> int | None:
        """Done."""
        del token, going_on
        return None

    def unload(self, token: int, *, going_on: Callable[[], bool]) -> None:
        """Done."""

    def revoke(self, token: int) -> None:
        """Done."""

    def inventory(self) -> Inventory:
        """It is there."""
        return Inventory((Found(self._served_model_id, ready=True),))

    def close(self) -> None:
        """Done."""


def run() -> list[Result]:
    """A lease in the ledger; then critiques without leases, with them, and without again."""
    lease_ms = lease_and_release()
    before, _ = asked_in_a_new_process()
    leased, cpu = asked_in_a_new_process(broker_over)
    after, _ = asked_in_a_new_process()
    return [
        Result("lease_and_release", lease_ms, "ms", 3.0),
        Result("own_time_with_leases", leased / REQUESTS * 1e6, "us", 500.0),
        Result("own_cpu_time_with_leases", cpu / REQUESTS * 1e6, "us"),
        Result("own_time_with_leases_over_without", leased / ((before + after) / 2), "ratio"),
    ]


def lease_and_release() -> float:
    """Median milliseconds to enter, be granted at once, and give back, with nobody else there, on SQLite."""
    spent = []
    with (
        tempfile.TemporaryDirectory() as place,
        StateDatabase.open(Settings(home=Path(place) / "home")) as state,
    ):
        ledger = party(state)
        resident(ledger)
        for number in range(TIMES):
            began = time.perf_counter()
            taken = ledger.turn(enter=[asked(f"waiter-{number}")])
            ledger.turn(give_back=[taken.granted[f"waiter-{number}"].token])
            spent.append(time.perf_counter() - began)
    return statistics.median(spent) * 1e3


def broker_over(database: StateDatabase) -> Broker:
    """Leases enforced over the database's ledger; only loading costs nothing."""
    ledger = Ledger(database, "bench", limits=Limits(), ttl_s=TTL_S)
    attendant = Attendant(ledger, holder="bench", ttl_s=TTL_S, told=lambda *_: None, loading=LoadsAtOnce)
    return Broker(attendant, Serving(ledger, [CARD], {}, loading=LoadsAtOnce), name="bench")
