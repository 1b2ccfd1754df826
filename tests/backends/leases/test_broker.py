"""Leases as a client has them: waited for, used again, given back when somebody else's turn has come."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial

import pytest
from client_desk import model_at
from model_host import HostLoading, ModelHost, serving

from backends.errors import LoadingFailed, ModelUnreachable, StaleLease
from backends.leases.attending import Attendant
from backends.leases.broker import Broker
from backends.leases.ledger import Ledger
from backends.leases.policy import Limits
from backends.leases.serving import Serving
from backends.leases.state import Device
from backends.provider_settings import ProviderSettings
from store.database import StateDatabase
from store.errors import DatabaseBusy
from store.settings import Settings

pytestmark = pytest.mark.anyio

CARD = Device("card", 24_000)
LIMITS = Limits(linger_s=0.0, chat_linger_s=0.0, worth=0.0)


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
    assert host.violations == []


def model(host, name="judge", *, slots=1, devices=("card",)):
    deployment = {"served_model_id": f"{name}@card", "devices": devices, "slots": slots}
    footprint = {"vram_mib": 16_000, "source": "made up"}
    return model_at(host.url, name=name, deployment=deployment, footprint=footprint)


@asynccontextmanager
async def broker(state, name="one", *, loading=HostLoading, told=None):
    decisions = told if told is not None else []
    ledger = Ledger(state, name, limits=LIMITS, ttl_s=10.0)
    attendant = Attendant(
        ledger,
        holder=name,
        ttl_s=10.0,
        told=lambda what, _seconds: decisions.append(what),
        loading=loading,
        poll_s=0.005,
    )
    made = Broker(attendant, Serving(ledger, [CARD], {}, loading=loading), name=name)
    try:
        yield made
    finally:
        await made.close()


async def until(condition):
    while not condition():  # noqa: ASYNC110 - the ledger tells nobody
        await asyncio.sleep(0.005)


def snapshot(state):
    return Ledger(state, "looks", limits=LIMITS).snapshot()


async def test_the_model_is_loaded_and_then_leased(state, host):
    told = []
    async with broker(state, told=told) as one:
        judge = model(host)
        async with one.lease(judge, judge.deployments, priority="batch") as lease:
            assert lease.deployment == judge.deployments[0]
            assert lease.token is not None
            assert host.loads == 1
    assert [decision.kind for decision in told] == ["load", "loaded", "grant"]


async def test_a_lease_is_used_again_without_asking_the_ledger(state, host):
    told = []
    async with broker(state, told=told) as one:
        judge = model(host)
        tokens = set()
        for _ in range(20):
            async with one.lease(judge, judge.deployments, priority="batch") as lease:
                tokens.add(lease.token)
    assert len(tokens) == 1


async def test_an_idle_lease_is_given_back(state, host):
    async with broker(state) as one:
        judge = model(host)
        async with one.lease(judge, judge.deployments, priority="batch"):
            assert len(snapshot(state).leases) == 1
        await until(lambda: not snapshot(state).leases)


async def test_many_at_once_share_the_slots_there_are(state, host):
    async with broker(state) as one:
        judge = model(host, slots=3)
        under_way, most = 0, 0

        async def ask():
            nonlocal under_way, most
            async with one.lease(judge, judge.deployments, priority="batch"):
                under_way += 1
                most = max(most, under_way)
                await asyncio.sleep(0.01)
                under_way -= 1

        await asyncio.gather(*(ask() for _ in range(12)))
        assert most == 3


async def test_a_batch_gives_way_after_the_request_that_is_under_way(state, host):
    async with broker(state, "batch") as batch, broker(state, "person") as person:
        judge = model(host)
        order = []

        async def batches(count):
            for number in range(count):
                async with batch.lease(judge, judge.deployments, priority="batch"):
                    order.append(number)
                    if number == 1:
                        asking.set()
                        await until(lambda: snapshot(state).waiters)
                        # Until the batch has heard of it, too.
                        await asyncio.sleep(0.05)

        async def chat():
            await asking.wait()
            async with person.lease(judge, judge.deployments, priority="interactive"):
                order.append("person")

        asking = asyncio.Event()
        await asyncio.gather(batches(6), chat())
        assert order.index("person") == 2


async def test_another_model_takes_the_card_and_gives_it_back(state, host):
    async with broker(state, "one") as one, broker(state, "two") as two:
        judge, other = model(host), model(host, "other")
        for asker, asked in [(one, judge), (two, other), (one, judge)]:
            async with asker.lease(asked, asked.deployments, priority="interactive"):
                (there,) = [kept.place.model for kept in snapshot(state).residents]
                assert there == asked.name
    assert host.loads == 3


async def test_whoever_is_canceled_while_waiting_leaves_nothing_behind(state, host):
    async with broker(state, "one") as one, broker(state, "two") as two:
        judge = model(host)
        async with one.lease(judge, judge.deployments, priority="batch"):
            waiting = asyncio.create_task(lease_once(two, judge))
            await until(lambda: snapshot(state).waiters)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await until(lambda: not snapshot(state).waiters)
        await until(lambda: not snapshot(state).leases)


async def lease_once(broker, model):
    async with broker.lease(model, model.deployments, priority="batch"):
        pass


class Broken(HostLoading):
    """A server that cannot load."""

    def __init__(self, server, *, calls):
        super().__init__(server)
        self._calls = calls

    def load(self, token, *, going_on):
        del going_on
        self._calls.append(token)
        raise LoadingFailed("could not load it\nCUDA out of memory")


async def test_a_loading_that_fails_twice_fails_those_who_wait_with_the_servers_last_words(state, host):
    calls = []
    async with broker(state, loading=partial(Broken, calls=calls)) as one:
        judge = model(host)
        with pytest.raises(ModelUnreachable, match="CUDA out of memory"):
            await lease_once(one, judge)
    assert len(calls) == 2
    left = snapshot(state)
    assert (left.waiters, left.leases, left.residents) == ((), (), ())


class Plain(HostLoading):
    """An ordinary server, which loads nothing as it is told."""

    def inventory(self):
        raise LoadingFailed("no such page", 404)


async def test_a_server_that_is_always_there_is_not_leased(state, host):
    async with broker(state, loading=Plain) as one:
        judge = model(host)
        assert not await one.loads(judge, judge.deployments)
        async with one.lease(judge, judge.deployments, priority="batch") as lease:
            assert lease.token is None
        assert snapshot(state).waiters == ()


@pytest.mark.parametrize("devices", [("card",), ("nowhere",)])
async def test_beside_a_server_that_is_always_there_none_that_is_leased_is_asked_without_a_lease(
    state, host, devices
):
    judge = model(host, devices=devices)
    near = judge.deployments[0].model_copy(update={"name": "near", "provider": "openai", "devices": ()})
    async with broker(state) as one:
        chosen = [near, *judge.deployments]
        async with (
            one.lease(judge, chosen, priority="batch") as first,
            one.lease(judge, chosen, priority="batch") as second,
        ):
            assert [first.deployment.name, second.deployment.name] == ["near", "near"]
        if devices == ("card",):
            # Once that is left out, it is leased.
            async with one.lease(judge, judge.deployments, priority="batch") as lease:
                assert lease.token is not None


async def test_who_asks_at_another_address_is_not_granted_what_is_loaded_at_the_registrys(state, host):
    told = []
    elsewhere = ModelHost({"card": 24_000}, {"judge": (16_000, 1)}, load_s=0.0)
    with serving(elsewhere) as url:
        judge = model(host)
        moved = ProviderSettings(base_url=url, slots=2).deployment(judge.deployments[0])
        async with broker(state, "one", told=told) as one, broker(state, "two", told=told) as two:
            async with one.lease(judge, judge.deployments, priority="batch") as lease:
                assert lease.deployment.base_url == host.url
            async with two.lease(judge, [moved], priority="batch") as lease:
                assert lease.deployment == moved
                (resident,) = snapshot(state).residents
                assert (resident.server.url, resident.served.model.slots) == (url, 2)
            async with one.lease(judge, judge.deployments, priority="batch") as lease:
                assert lease.deployment.base_url == host.url
    assert (host.loads, elsewhere.loads) == (2, 1)
    assert {decision.model for decision in told} == {"judge", f"judge@{url}"}


async def test_a_server_that_is_asked_with_another_control_key_is_the_same_server(state, host):
    judge = model(host)
    async with broker(state) as one, one.lease(judge, judge.deployments, priority="batch"):
        pass
    with_key = judge.deployments[0].model_copy(update={"control_key_env": "OTHER_KEY"})
    # This server says that it has no model: what the ledger knew of it is struck out.
    async with broker(state, "two") as two:
        assert await two.loads(judge, [with_key])
    assert snapshot(state).residents == ()


class Silent(HostLoading):
    """A server that is not there."""

    def inventory(self):
        raise LoadingFailed("connection refused")


async def test_a_server_that_does_not_answer_is_told_of_before_anything_waits_for_it(state, host):
    async with broker(state, loading=Silent) as one:
        judge = model(host)
        with pytest.raises(ModelUnreachable, match="connection refused"):
            await one.loads(judge, judge.deployments)


async def test_a_stale_lease_is_not_used_again(state, host):
    async with broker(state) as one:
        judge = model(host, slots=2)
        with pytest.raises(StaleLease):
            async with one.lease(judge, judge.deployments, priority="batch") as first:
                raise StaleLease("refused")
        async with one.lease(judge, judge.deployments, priority="batch") as second:
            assert second.token > first.token


async def test_closing_gives_everything_back_at_once(state, host):
    async with broker(state) as one:
        judge = model(host)
        await lease_once(one, judge)
    left = snapshot(state)
    assert (left.leases, left.waiters) == ((), ())
    assert [kept.resident.state for kept in left.residents] == ["ready"]


async def test_a_mistake_in_the_thread_that_waits_is_told_to_all_who_wait_and_ends_nothing_for_good(
    state, host, monkeypatch
):
    async with broker(state) as one:
        judge = model(host)
        with monkeypatch.context() as broken:
            broken.setattr(Ledger, "turn", lambda *_, **__: 1 / 0)
            with pytest.raises(ModelUnreachable, match="division by zero"):
                await lease_once(one, judge)
        await lease_once(one, judge)


async def test_how_a_loading_ended_is_written_down_though_the_ledger_is_out_of_reach_for_a_moment(
    state, host, monkeypatch
):
    finish, out_of_reach = Ledger.finish, [True]

    def sometimes(ledger, *args, **options):
        if out_of_reach:
            out_of_reach.clear()
            raise DatabaseBusy("held by another")
        return finish(ledger, *args, **options)

    monkeypatch.setattr(Ledger, "finish", sometimes)
    async with broker(state) as one:
        await lease_once(one, model(host))
