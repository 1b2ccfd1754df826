"""A long batch on a server that fails now and then, and on one that dies: nothing is lost, and all of it is told."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import ExitStack, aclosing

import pytest
import stamina
from client_desk import model_at, request_of
from vllm_double import CutJson, Http, NotHttp, Raw, Reset, Stall, VllmDouble

from backends.errors import BackendDown

pytestmark = pytest.mark.anyio

ENTRIES = 500
ATTEMPTS = 5
SHARE = 0.1
# Long enough for a loaded machine to send a good answer, so that only what is injected fails.
PATIENCE = {"first_byte_timeout_s": 5, "request_timeout_s": 60}
FAULTS = {
    Http(500): "http_5xx",
    Http(429, retry_after="1"): "http_429",
    Reset(): "reset",
    Reset(in_body=True): "reset",
    Stall(): "first_byte_timeout",
    Stall(in_body=True): "stalled",
    NotHttp(): "not_http",
    Raw(b"\x00garbage\xff"): "not_json",
    CutJson(): "not_json",
}


def text_of(entry):
    return f"Photo {entry:03d}."


def faults_of_entries(seed):
    """What is done to each entry's attempts, one after the other, until one of them is answered well."""
    chance = random.Random(seed)
    drawn = {}
    for entry in range(ENTRIES):
        faults = drawn[text_of(entry)] = []
        while chance.random() < SHARE:
            faults.append(chance.choice(list(FAULTS)))
        assert len(faults) < ATTEMPTS
    return drawn


@pytest.mark.slow
async def test_a_batch_survives_faults_in_a_tenth_of_its_attempts_and_its_events_count_each(desk):
    with stamina.set_testing(False), VllmDouble(faults_by_text=faults_of_entries(seed=7)) as double:
        requests = [request_of(model_at(double.url), text_of(entry)) for entry in range(ENTRIES)]
        async with (
            desk.client(attempts=ATTEMPTS, **PATIENCE) as client,
            aclosing(client.map(requests)) as done,
        ):
            answers = [answer async for _, answer in done]
    assert len(answers) == ENTRIES
    assert all(answer.ok for answer in answers)
    assert set(double.injected) == set(FAULTS)
    assert len(double.history) == ENTRIES + len(double.injected)
    events = desk.events()
    assert len(events) == ENTRIES
    told = Counter(
        attempt["error_class"]
        for event in events
        for attempt in event["attempts"]
        if attempt["status"] != "ok"
    )
    assert told == Counter(FAULTS[fault] for fault in double.injected)
    assert sum(event["attempt_count"] for event in events) == len(double.history)


async def test_a_server_that_dies_for_good_ends_the_map_in_time_and_what_was_answered_is_kept(desk):
    with ExitStack() as running:
        double = running.enter_context(VllmDouble(latency_s=0.03))
        requests = [request_of(model_at(double.url), text_of(entry)) for entry in range(ENTRIES)]
        answered = []

        async def ask_until_it_dies(client):
            # A deadline, so that a map that never ends fails here.
            async with asyncio.timeout(60), aclosing(client.map(requests)) as done:
                async for _, answer in done:
                    answered.append(answer)
                    if len(answered) == 100:
                        await asyncio.to_thread(running.close)

        async with desk.client(breaker_failures=3, breaker_wait_s=0.5, concurrency=4) as client:
            with pytest.raises(BackendDown, match=r"did not come back within 0\.5 s"):
                await ask_until_it_dies(client)
    good = [answer for answer in answered if answer.ok]
    # Who tried whether it is back may have had the last of its attempts: refused a connection, or
    # given one by a server that was just closing it.
    assert {answer.error_class for answer in answered} <= {None, "connect_failed", "reset"}
    assert 100 <= len(good) < ENTRIES
    with VllmDouble(port=double.port) as again:
        async with desk.client() as client, aclosing(client.map(requests)) as done:
            answers = [answer async for _, answer in done]
    recalled = {answer.request_id for answer in answers if answer.recalled}
    assert {answer.request_id for answer in good} <= recalled
    assert len(again.history) == ENTRIES - len(recalled)
