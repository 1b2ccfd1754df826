"""Mode observe: nobody waits, no server is told anything, and what would have had to wait is told."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from client_desk import model_at
from model_host import HostLoading, ModelHost, serving

from backends.errors import LoadingFailed
from backends.leases.attending import Attendant
from backends.leases.ledger import Ledger
from backends.leases.observing import Observer, Pretended
from backends.leases.policy import Limits
from backends.leases.serving import Serving
from backends.leases.state import Device
from store.database import StateDatabase
from store.settings import Settings

pytestmark = pytest.mark.anyio

CARD = Device("card", 24_000)


@pytest.fixture
def state(tmp_path):
    with StateDatabase.open(Settings(home=tmp_path / "home")) as database:
        yield database


@pytest.fixture
def host():
    host = ModelHost({"card": 24_000}, {"judge": (16_000, 1), "other": (16_000, 1)}, load_s=0.0)
    with serving(host) as url:
        host.url = url
        yield host


def model(host, name):
    deployment = {"served_model_id": f"{name}@card", "devices": ("card",), "slots": 1}
    return model_at(
        host.url, name=name, deployment=deployment, footprint={"vram_mib": 16_000, "source": "made up"}
    )


@asynccontextmanager
async def observer(state, name, told, *, looking=HostLoading):
    ledger = Ledger(state, name, limits=Limits(), ttl_s=10.0, learns=False)
    attendant = Attendant(
        ledger,
        holder=name,
        ttl_s=10.0,
        told=lambda what, _seconds: told.append(what),
        loading=Pretended,
        poll_s=0.005,
        observes=True,
    )
    made = Observer(attendant, Serving(ledger, [CARD], {}, loading=looking), name=name)
    try:
        yield made
    finally:
        await made.close()


async def until(condition):
    while not condition():  # noqa: ASYNC110 - the ledger tells nobody
        await asyncio.sleep(0.005)


async def test_what_would_have_waited_goes_at_once_and_is_told(state, host):
    one_told, two_told = [], []
    async with observer(state, "one", one_told) as one, observer(state, "two", two_told) as two:
        judge, other = model(host, "judge"), model(host, "other")
        async with one.lease(judge, judge.deployments, priority="batch") as first:
            assert first.token is None
            await until(lambda: Ledger(state, "looks", limits=Limits()).snapshot().leases)
            async with two.lease(other, other.deployments, priority="batch"):
                await until(lambda: two_told)
    (blocked,) = [told for told in two_told if told.kind == "would_block"]
    assert blocked.model == "other"
    assert "judge is in use on card" in blocked.reason
    assert blocked.waiter.waiter.priority == "batch"
    assert host.loads == 0


async def test_what_would_not_have_waited_is_told_of_as_granted(state, host):
    told = []
    async with observer(state, "one", told) as one:
        judge = model(host, "judge")
        for _ in range(2):
            async with one.lease(judge, judge.deployments, priority="batch"):
                await until(lambda: Ledger(state, "looks", limits=Limits()).snapshot().leases)
            await until(lambda: not Ledger(state, "looks", limits=Limits()).snapshot().leases)
    # The first would have waited for the loading.
    assert [one.kind for one in told].count("would_block") == 1
    assert [one.kind for one in told].count("grant") == 2


async def test_what_it_pretends_teaches_it_nothing_of_costs(state, host):
    async with observer(state, "one", []) as one:
        judge = model(host, "judge")
        async with one.lease(judge, judge.deployments, priority="batch"):
            await until(lambda: Ledger(state, "looks", limits=Limits()).snapshot().leases)
    assert Ledger(state, "looks", limits=Limits()).snapshot().costs == {}


class Counting(HostLoading):
    """A server that counts how often it is asked what it has."""

    asked = 0

    def inventory(self):
        type(self).asked += 1
        return super().inventory()


async def test_those_who_begin_together_look_once(state, host, monkeypatch):
    monkeypatch.setattr(Counting, "asked", 0)
    async with observer(state, "one", [], looking=Counting) as one:
        judge = model(host, "judge")

        async def ask():
            async with one.lease(judge, judge.deployments, priority="batch"):
                pass

        await asyncio.gather(*(ask() for _ in range(8)))
    assert Counting.asked == 1


class Silent(HostLoading):
    """A server that is not there."""

    def inventory(self):
        raise LoadingFailed("connection refused")


async def test_a_server_that_does_not_answer_blocks_nobody_here(state, host, caplog):
    async with observer(state, "one", [], looking=Silent) as one:
        judge = model(host, "judge")
        async with one.lease(judge, judge.deployments, priority="batch"):
            pass
    assert "cannot be told" in caplog.text
