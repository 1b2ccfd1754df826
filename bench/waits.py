"""How long people and batches wait for a model, by our policy and first in, first out: real sockets and a supervisor.

One device, on which one of two models fits, each a child of a supervisor that takes two seconds to load and half a
second for an answer. A batch keeps more requests under way than there are slots; a person asks the same model now and
then, or the other one, as soon as the last question was answered and read. Two goals hold our policy: on the same
model the slowest answer takes no more than two requests' times, on the other one nobody waits past the limit.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from client_desk import model_at, request_of
from rich.console import Console
from rich.table import Table
from supervised import program, served_by_double

from backends.client import Client
from backends.leases.attending import Attendant
from backends.leases.baselines import first_in_first_out
from backends.leases.broker import Broker
from backends.leases.ledger import Ledger
from backends.leases.policy import Limits
from backends.leases.serving import Serving
from backends.leases.state import Device
from bench.result import Result
from registry.registry import Registry
from store.database import StateDatabase
from store.home import Home
from store.settings import Settings
from telemetry.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backends.leases.policy import Policy
    from backends.leases.state import Priority
    from registry.schema import Model

REQUEST_S, LOAD_S = 0.5, 2.0
SLOTS, BATCH_CONCURRENCY = 4, 12
TTL_S = 15.0
CARD = Device("gpu0", 24_576)
MEMORY_MIB = 16_000
# Patience in the proportion in which it is set by default, for an hour's work in a minute.
LIMITS = Limits(interactive_wait_s=10.0, batch_wait_s=30.0, linger_s=0.5, chat_linger_s=2.0)
POLICIES: dict[str, Policy | None] = {"ours": None, "first in, first out": first_in_first_out}

Asks = Literal["same", "other"]
# How long the batch lasts, and how long a person reads before the next question, in seconds.
LASTS_S: dict[Asks, float] = {"same": 20.0, "other": 45.0}
READS_S: dict[Asks, float] = {"same": 0.8, "other": 8.0}


@dataclass
class Waits:
    """What came of one batch and one person beside it.

    Attributes:
        waits_s: Seconds until the lease, of each request, by class.
        answers_s: Seconds from the question to its answer, of the person's.
        requests_s: Seconds from the lease to the answer, of the batch's.
    """

    waits_s: dict[Priority, list[float]] = field(default_factory=lambda: {"interactive": [], "batch": []})
    answers_s: list[float] = field(default_factory=list)
    requests_s: list[float] = field(default_factory=list)


def run() -> list[Result]:
    """Both policies, a person on the same model and on the other one."""
    waits = {(name, asks): waits_under(policy, asks) for name, policy in POLICIES.items() for asks in LASTS_S}
    Console().print(as_table(waits))
    same, other = waits["ours", "same"], waits["ours", "other"]
    theirs = waits["first in, first out", "other"]
    return [
        Result(
            "interactive_same_model_over_request_time",
            max(same.answers_s) / statistics.median(same.requests_s),
            "ratio",
            2.0,
        ),
        Result(
            "interactive_other_model_wait_over_limit",
            max(other.waits_s["interactive"]) / LIMITS.interactive_wait_s,
            "ratio",
            1.0,
        ),
        Result(
            "interactive_other_model_wait_over_limit_fifo",
            max(theirs.waits_s["interactive"]) / LIMITS.interactive_wait_s,
            "ratio",
        ),
    ]


def waits_under(policy: Policy | None, asks: Asks) -> Waits:
    """What a batch and a person wait for under a policy, in a home and with a supervisor of their own."""
    with tempfile.TemporaryDirectory() as place:
        server = served_by_double("--load", str(LOAD_S), "--latency", str(REQUEST_S))
        with program(Path(place), {"same": server, "other": server}) as supervised:
            return asyncio.run(side_by_side(Path(place) / "home", supervised.url, policy, asks))


async def side_by_side(home: Path, url: str, policy: Policy | None, asks: Asks) -> Waits:
    """A batch for its time, and a person who asks until it has ended."""
    waits = Waits()
    settings = Settings(home=home, concurrency=BATCH_CONCURRENCY)
    with StateDatabase.open(settings) as database, Spool(Home.of(settings).spool) as spool:

        def client(name: str) -> Client:
            leasing = broker(database, name, policy)
            registry = Registry.load(None, environ={})
            return Client(settings, registry, database, spool, {}, leasing=leasing, environ={})

        async with client("batch") as batch, client("person") as person:
            # As every stage and every chat does first: the server is asked whether it loads as it is told.
            await person.check(model(url, asks))
            begun = asyncio.Event()
            until = time.monotonic() + LASTS_S[asks]
            works = [
                asyncio.create_task(
                    work(batch, model(url, "same"), number, until=until, begun=begun, waits=waits)
                )
                for number in range(BATCH_CONCURRENCY)
            ]
            await begun.wait()
            await ask_now_and_then(person, model(url, asks), until, READS_S[asks], waits)
            await asyncio.gather(*works)
    return waits


async def work(
    client: Client, model: Model, number: int, *, until: float, begun: asyncio.Event, waits: Waits
) -> None:
    """One of the batch's requests after the other."""
    for count in itertools.count():
        if time.monotonic() >= until:
            return
        answer = await client.complete(request_of(model, f"Photo {number}-{count}", output_schema=None))
        if not answer.ok:
            raise AssertionError(answer.error_message)
        # What waited for the first loading tells nothing of the policy.
        if begun.is_set():
            waits.waits_s["batch"].append(answer.lease_wait_ms / 1e3)
            waits.requests_s.append((answer.total_ms - answer.lease_wait_ms) / 1e3)
        begun.set()


async def ask_now_and_then(client: Client, model: Model, until: float, reads_s: float, waits: Waits) -> None:
    """A person's questions, one after the other."""
    labels = {"stage": "chat", "priority": "interactive"}
    for count in itertools.count():
        request = request_of(model, f"Question {count}", output_schema=None, labels=labels)
        asked = time.monotonic()
        answer = await client.complete(request)
        if not answer.ok:
            raise AssertionError(answer.error_message)
        waits.answers_s.append(time.monotonic() - asked)
        waits.waits_s["interactive"].append(answer.lease_wait_ms / 1e3)
        if time.monotonic() + reads_s >= until:
            return
        await asyncio.sleep(reads_s)


def broker(database: StateDatabase, name: str, policy: Policy | None) -> Broker:
    """Leases enforced over the ledger by a policy."""
    ledger = Ledger(database, name, limits=LIMITS, ttl_s=TTL_S, policy=policy)
    attendant = Attendant(ledger, holder=name, ttl_s=TTL_S, told=lambda *_: None)
    return Broker(attendant, Serving(ledger, [CARD], {}), name=name)


def model(url: str, name: str) -> Model:
    """One of the supervisor's models."""
    made: Model = model_at(
        url,
        name=name,
        deployment={"served_model_id": name, "slots": SLOTS},
        footprint={"vram_mib": MEMORY_MIB, "source": "made up"},
    )
    return made


def as_table(waits: dict[tuple[str, Asks], Waits]) -> Table:
    """Waits for a lease by policy, by the model that the person asks, and by class."""
    table = Table(
        "policy",
        "a person asks",
        "who waits",
        "answers",
        "p50 s",
        "p95 s",
        "max s",
        title="Waits for a lease",
    )
    for (policy, asks), measured in waits.items():
        for who, seconds in measured.waits_s.items():
            figures = (statistics.median(seconds), at_percent(seconds, 95), max(seconds))
            table.add_row(
                policy, f"the {asks} model", who, str(len(seconds)), *(f"{one:.2f}" for one in figures)
            )
    return table


def at_percent(values: Sequence[float], percent: int) -> float:
    """The smallest of the values that so many in a hundred do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
