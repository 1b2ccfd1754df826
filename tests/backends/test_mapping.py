"""The same request several times in one map: asked once, wherever it stands."""

from __future__ import annotations

from contextlib import aclosing

import pytest
from client_desk import model_at, request_of
from vllm_double import Http, VllmDouble

pytestmark = pytest.mark.anyio


def repeated(url, count):
    """So many requests; the last is the first again, taken long after that was answered."""
    model = model_at(url)
    return [request_of(model, f"Photo {number % (count - 1)}") for number in range(count)]


async def answered_by(client, requests, **options):
    by = {}
    async with aclosing(client.map(requests, **options)) as done:
        async for request, answer in done:
            assert answer.ok
            by[id(request)] = answer.request_id
    return [by[id(request)] for request in requests]


async def test_a_request_far_along_that_was_answered_meanwhile_is_not_asked_again(desk):
    with VllmDouble() as double:
        requests = repeated(double.url, 151)
        async with desk.client() as client:
            first = await answered_by(client, requests)
            again = await answered_by(client, requests)
    assert len(double.history) == 150
    assert first[0] == first[-1]
    assert first == again


async def test_a_fresh_map_asks_it_once_too(desk):
    with VllmDouble() as double:
        requests = repeated(double.url, 151)
        async with desk.client() as client:
            old = await answered_by(client, requests)
            fresh = await answered_by(client, requests, fresh=True)
            again = await answered_by(client, requests)
    assert len(double.history) == 300
    assert not set(old) & set(fresh)
    assert fresh[0] == fresh[-1]
    assert fresh == again


async def test_after_one_that_failed_it_is_asked_again(desk):
    with VllmDouble(faults_by_text={"Photo 0": [Http(400)]}) as double:
        requests = repeated(double.url, 151)
        async with desk.client(concurrency=1) as client:
            good = {}
            async with aclosing(client.map(requests)) as done:
                async for request, answer in done:
                    good[id(request)] = answer.ok
    assert (good[id(requests[0])], good[id(requests[-1])]) == (False, True)
    assert len(double.history) == 151
