"""Work for a request: it ends when whoever asked has left, and not a moment after it is over itself."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from starlette.requests import Request

from gateway.leaving import EXTENSION, Gone, Leaving, while_heard

pytestmark = pytest.mark.anyio


class CallingBack:
    """A client of a server that calls back."""

    def __init__(self):
        self._leaving = Leaving()
        self.request = Request({"type": "http", "extensions": {EXTENSION: self._leaving}})

    def leave(self):
        self._leaving.leave()


class Listened:
    """A client of any other server."""

    def __init__(self):
        self._has_left = asyncio.Event()
        self.request = Request({"type": "http"}, receive=self._receive)

    async def _receive(self):
        await self._has_left.wait()
        return {"type": "http.disconnect"}

    def leave(self):
        self._has_left.set()


@pytest.fixture(params=[CallingBack, Listened])
async def client(request):
    return request.param()


async def for_ever(ended):
    try:
        await asyncio.Event().wait()
    finally:
        ended.append(True)


async def test_what_the_work_comes_to_is_given(client):
    async def work():
        await asyncio.sleep(0)
        return 7

    assert await while_heard(client.request, work()) == 7


async def test_work_is_canceled_when_the_client_leaves_and_the_task_itself_is_not(client):
    ended = []
    asyncio.get_running_loop().call_soon(client.leave)
    with pytest.raises(Gone):
        await while_heard(client.request, for_ever(ended))
    assert ended == [True]
    assert not asyncio.current_task().cancelling()


async def test_work_for_a_client_that_has_left_before_is_canceled_at_its_first_wait(client):
    client.leave()
    ended = []
    with pytest.raises(Gone):
        await while_heard(client.request, for_ever(ended))
    assert len(ended) <= 1


async def test_a_client_that_leaves_afterwards_cancels_nothing(client):
    async def work():
        return 7

    await while_heard(client.request, work())
    client.leave()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not asyncio.current_task().cancelling()


async def test_a_client_that_leaves_as_the_work_ends_cancels_nothing_that_comes_after(client):
    answer = asyncio.get_running_loop().create_future()

    async def work():
        return await answer

    def answer_and_leave():
        answer.set_result(7)
        client.leave()

    asyncio.get_running_loop().call_soon(answer_and_leave)
    with contextlib.suppress(Gone):
        assert await while_heard(client.request, work()) == 7
    await asyncio.sleep(0)
    assert not asyncio.current_task().cancelling()


async def test_a_cancellation_from_elsewhere_is_no_leaving(client):
    working = asyncio.ensure_future(while_heard(client.request, for_ever([])))
    await asyncio.sleep(0)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working


async def test_what_goes_wrong_in_the_work_is_raised(client):
    async def work():
        raise LookupError("no such photo")

    with pytest.raises(LookupError, match="no such photo"):
        await while_heard(client.request, work())
