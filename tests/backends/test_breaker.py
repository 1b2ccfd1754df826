from __future__ import annotations

import asyncio

import pytest

from backends.breaker import Breaker, Standing
from backends.errors import BackendDown, ConnectionReset, HttpFailure

pytestmark = pytest.mark.anyio

BROKEN = ConnectionReset("The connection broke.")


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr("backends.breaker._FIRST_PAUSE_S", 0.02)


class Server:
    def __init__(self) -> None:
        self.alive = False
        self.probes = 0
        self._probed = asyncio.Event()

    async def has_been_probed(self) -> None:
        await self._probed.wait()

    async def probe(self) -> None:
        self.probes += 1
        self._probed.set()
        if not self.alive:
            raise BROKEN


def breaker_of(server, *, failures=2, wait_s=30.0):
    return Breaker("The server", server.probe, failures=failures, wait_s=wait_s)


async def failing(breaker, times):
    for _ in range(times):
        await breaker.admit()
        breaker.report(BROKEN)


async def test_it_opens_after_failures_in_a_row():
    breaker = breaker_of(Server(), failures=3)
    await failing(breaker, 2)
    breaker.report(None)
    await failing(breaker, 2)
    assert breaker.closed
    breaker.report(BROKEN)
    assert not breaker.closed


async def test_a_busy_server_or_a_disliked_request_is_no_failure():
    breaker = breaker_of(Server(), failures=1)
    breaker.report(HttpFailure("busy", http_status=429))
    breaker.report(HttpFailure("bad request", http_status=400))
    assert breaker.closed
    breaker.report(HttpFailure("broken", http_status=500))
    assert not breaker.closed


async def test_waiting_is_bounded_and_says_what_happened_last():
    server = Server()
    breaker = breaker_of(server, wait_s=0.2)
    await failing(breaker, 2)
    with pytest.raises(BackendDown, match=r"The server failed 2 times.*0\.2 s; last: The connection broke"):
        await breaker.admit()
    assert server.probes > 1


async def test_it_is_not_waited_for_once_another_stands_better():
    server = Server()
    breaker = breaker_of(server)
    await failing(breaker, 2)
    better = []
    waiting = asyncio.create_task(breaker.admit(lambda: bool(better)))
    await server.has_been_probed()
    better.append("another")
    assert not await waiting


async def test_though_given_up_it_is_looked_at_now_and_then_while_another_stands_better():
    server = Server()
    breaker = breaker_of(server, wait_s=0.0)
    await failing(breaker, 2)
    assert breaker.standing is Standing.GIVEN_UP
    server.alive = True
    while not breaker.due:  # noqa: ASYNC110 - the clock tells nobody
        await asyncio.sleep(0)
    assert await breaker.admit(lambda: True)
    breaker.report(None)
    assert breaker.standing is Standing.WORKING


async def test_of_many_that_wait_one_asks_whether_it_is_alive_and_one_goes_first():
    server = Server()
    breaker = breaker_of(server)
    await failing(breaker, 2)
    server.alive = True
    trying = []

    async def attempt(number):
        await breaker.admit()
        trying.append((number, breaker.closed))
        await asyncio.sleep(0)
        breaker.report(None)

    await asyncio.gather(*(attempt(number) for number in range(10)))
    assert server.probes == 1
    assert [closed for _, closed in trying] == [False] + [True] * 9


async def test_a_trial_that_fails_leaves_it_open():
    server = Server()
    server.alive = True
    breaker = breaker_of(server, wait_s=1.2)
    await failing(breaker, 2)
    await breaker.admit()
    breaker.report(BROKEN)
    assert not breaker.closed


async def test_a_trial_that_is_canceled_lets_another_try():
    server = Server()
    server.alive = True
    breaker = breaker_of(server)
    await failing(breaker, 2)

    async def canceled():
        await breaker.admit()
        breaker.abandon()

    await asyncio.create_task(canceled())
    await breaker.admit()
    breaker.report(None)
    assert breaker.closed
