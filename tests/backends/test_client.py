from __future__ import annotations

import asyncio
import json
import threading
from contextlib import aclosing
from dataclasses import replace

import pytest
from client_desk import SCHEMA, model_at, picture, request_of
from sqlalchemy import select
from vllm_double import Http, Raw, Says, Slow, Stall, VllmDouble

from backends.checking import LONGEST_ANSWER
from backends.client import Client
from backends.errors import BackendDown, InvalidRequest
from backends.keeping import Keeper
from backends.leases.seam import GrantedAtOnce
from backends.recall import keep, look_up
from backends.request import Image, request_digest
from backends.transport import Transport
from store.home import Home
from store.tables import kept_answers
from telemetry.catalog import connect
from telemetry.compaction import compact

pytestmark = pytest.mark.anyio


def requests_at(url, count, **changes):
    model = model_at(url)
    return [request_of(model, f"Photo {number}", **changes) for number in range(count)]


async def answers(client, requests, **options):
    async with aclosing(client.map(requests, **options)) as done:
        return [(request, answer) async for request, answer in done]


async def until_a_breaker_opens(client):
    while all(route.breaker.closed for of_model in client._routes.values() for route in of_model.routes):  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.01)


async def test_a_request_is_asked_answered_and_recorded(desk):
    labels = {
        "photo_ids": ("p" * 64,),
        "profile_id": "club-judge",
        "stage_hash": "h",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    }
    with VllmDouble() as double:
        async with desk.client() as client:
            request = request_of(
                model_at(double.url),
                images=(picture(),),
                labels=labels,
                parameters={"max_output_tokens": 99_999},
            )
            answer = await client.complete(request)
    assert answer.ok
    assert not answer.recalled
    assert 0 <= answer.data["score"] <= 20
    (asked,) = double.history
    (event,) = desk.events()
    expected = {
        "event_id": answer.request_id,
        "request_digest": request_digest(request),
        "run_id": "run-1",
        "batch": "club",
        "stage": "judge/critiques",
        "photo_ids": ["p" * 64],
        "profile_id": "club-judge",
        "stage_hash": "h",
        "registry_version": desk.registry.version,
        "model": "double",
        "served_model": "double-vlm",
        "deployment": "only",
        "provider": "vllm",
        "status": "ok",
        "attempt_count": 1,
        "bytes_out": asked.size,
        "dropped_parameters": ["max_output_tokens=99999 (limited to 4096)"],
        "finish_reason": "stop",
        "ttft_origin": "scheduled",
        "queue_ms": 1.5,
        "schema_valid": True,
        "repaired": False,
        "score": answer.data["score"],
        "answer_kept": True,
        "input_tokens": answer.input_tokens,
        "output_tokens": answer.output_tokens,
    }
    assert {name: event[name] for name in expected} == expected
    assert event["attempts"][0]["http_status"] == 200
    assert event["total_ms"] >= event["backend_ms"] > 0
    assert asked.request_id == answer.request_id
    assert asked.headers["traceparent"] == f"00-{labels['trace_id']}-{answer.request_id[:16]}-01"


async def test_what_was_answered_is_recalled_without_a_lease_an_event_or_a_picture(desk):
    def never() -> bytes:
        raise AssertionError("a recalled request decodes nothing")

    with VllmDouble() as double:
        request = request_of(model_at(double.url), images=(picture(),))
        async with desk.client() as client:
            first = await client.complete(request)
        shy = replace(request, images=(Image("a" * 64, "image/jpeg", never),))
        async with desk.client() as client:
            second = await client.complete(shy)
            ((_, third),) = await answers(client, [shy])
    assert second == third
    assert second.recalled
    assert (second.data, second.request_id, second.text) == (first.data, first.request_id, first.text)
    assert len(double.history) == 1
    assert len(desk.events()) == 1


async def test_a_stricter_schema_does_not_trust_an_old_answer(desk):
    with VllmDouble(faults=[Says('{"score": 20, "critique": "x"}')]) as double:
        request = request_of(model_at(double.url))
        async with desk.client() as client:
            await client.complete(request)
        # The same digest with a schema that refuses what was kept: a parser that became stricter.
        with desk.database.read() as connection:
            digest = connection.execute(select(kept_answers.c.request_digest)).scalar_one()
        strict = replace(
            request,
            output_schema={**SCHEMA, "properties": {**SCHEMA["properties"], "score": {"maximum": 10}}},
        )
        desk.database.write(
            lambda connection: connection.execute(
                kept_answers.update().values(request_digest=request_digest(strict))
            )
        )
        assert digest != request_digest(strict)
        async with desk.client() as client:
            again = await client.complete(strict)
    assert not again.recalled
    assert len(double.history) == 2


async def test_a_kept_answer_that_is_too_long_to_be_checked_is_asked_for_anew(desk):
    with VllmDouble() as double:
        request = request_of(model_at(double.url))
        async with desk.client() as client:
            first = await client.complete(request)
            (old,) = look_up(desk.database, [first.request_digest]).values()
            long = replace(old, text=" " * (LONGEST_ANSWER + 1))
            desk.database.write(lambda connection: keep(connection, [long]))
            again = await client.complete(request)
    assert again.ok
    assert not again.recalled


async def test_fresh_asks_again_and_keeps_the_new_answer(desk):
    with VllmDouble(faults=[Says('{"score": 1, "critique": "old"}')]) as double:
        request = request_of(model_at(double.url))
        async with desk.client() as client:
            await client.complete(request)
            new = await client.complete(request, fresh=True)
            recalled = await client.complete(request)
    assert len(double.history) == 2
    assert recalled.data == new.data
    assert recalled.request_id == new.request_id
    assert len(desk.events()) == 2


async def test_another_sample_of_the_same_question_is_asked(desk):
    with VllmDouble() as double:
        request = request_of(model_at(double.url), parameters={"seed": 5})
        async with desk.client() as client:
            await client.complete(request)
            await client.complete(replace(request, sample=1))
    assert [asked.body["seed"] for asked in double.history] == [5, 6]


async def test_the_same_request_at_the_same_time_is_asked_once(desk):
    with VllmDouble(latency_s=0.05) as double:
        request = request_of(model_at(double.url))
        async with desk.client() as client:
            together = await asyncio.gather(*(client.complete(request) for _ in range(10)))
    assert len(double.history) == 1
    assert len(desk.events()) == 1
    assert sum(not answer.recalled for answer in together) == 1
    assert {answer.request_id for answer in together} == {together[0].request_id}


async def test_who_waits_for_a_canceled_request_asks_for_itself(desk):
    with VllmDouble(faults=[Stall()]) as double:
        request = request_of(model_at(double.url))
        async with desk.client() as client:
            leader = asyncio.create_task(client.complete(request))
            await double.has_been_asked(1)
            follower = asyncio.create_task(client.complete(request))
            await asyncio.sleep(0)
            leader.cancel()
            assert (await follower).ok
    assert sorted(event["status"] for event in desk.events()) == ["canceled", "ok"]


async def test_a_map_yields_every_request_in_the_order_of_completion(desk):
    with VllmDouble(faults_by_text={"Photo 0": [Slow(0.3)]}) as double:
        async with desk.client() as client:
            done = await answers(client, requests_at(double.url, 20))
            again = await answers(client, requests_at(double.url, 30))
    assert all(answer.ok for _, answer in done)
    assert done[-1][0].user == "Photo 0"
    assert len({request.user for request, _ in done}) == 20
    assert sum(answer.recalled for _, answer in again) == 20
    assert len(double.history) == 30
    assert len(desk.events()) == 30


@pytest.mark.parametrize("concurrency", [None, 3])
async def test_no_more_requests_are_in_flight_than_asked_for(desk, concurrency):
    with VllmDouble(latency_s=0.02) as double:
        async with desk.client(concurrency=5) as client:
            await answers(client, requests_at(double.url, 40), concurrency=concurrency)
    assert double.most_at_once == (concurrency or 5)


async def test_bytes_in_flight_are_bounded(desk):
    content = bytes(300_000)
    with VllmDouble(latency_s=0.01) as double:
        model = model_at(double.url)
        requests = [
            request_of(model, f"Photo {number}", images=(picture(f"{number:064d}", content),))
            for number in range(20)
        ]
        async with desk.client(bytes_in_flight=1_048_576, concurrency=16) as client:
            await answers(client, requests)
    # Each is 400,000 bytes of base64.
    assert double.most_at_once == 2


async def test_large_bodies_arrive_whole(desk):
    content = bytes(range(256)) * 12_000
    with VllmDouble() as double:
        async with desk.client() as client:
            request = request_of(
                model_at(double.url), images=(picture("a" * 64, content), picture("b" * 64, b"small"))
            )
            assert (await client.complete(request)).ok
    (event,) = desk.events()
    assert event["bytes_out"] == double.history[0].size > 4_000_000
    assert len(set(double.history[0].pictures)) == 2


async def test_requests_are_taken_lazily_and_in_a_thread(desk):
    threads = set()
    taken = []

    def source(url):
        for request in requests_at(url, 3000):
            threads.add(threading.current_thread())
            taken.append(request)
            yield request

    with VllmDouble(latency_s=0.01) as double:
        async with desk.client() as client, aclosing(client.map(source(double.url))) as done:
            await anext(done)
            assert len(taken) <= 300
    assert threading.current_thread() not in threads


async def test_an_asynchronous_source_may_wait_for_answers(desk):
    answered = asyncio.Event()

    async def source(url):
        first, second = requests_at(url, 2)
        yield first
        await answered.wait()
        yield second

    with VllmDouble() as double:
        async with desk.client() as client, aclosing(client.map(source(double.url))) as done:
            seen = []
            async for request, _ in done:
                seen.append(request.user)
                answered.set()
    assert seen == ["Photo 0", "Photo 1"]


async def test_what_a_source_raises_reaches_the_reader(desk):
    def source(url):
        yield from requests_at(url, 2)
        raise ValueError("the folder is gone")

    with VllmDouble() as double:
        async with desk.client() as client:
            with pytest.raises(ValueError, match="the folder is gone"):
                await answers(client, source(double.url))


async def test_a_failing_entry_does_not_disturb_the_others(desk):
    with VllmDouble(faults_by_text={"Photo 7": [Http(400)]}) as double:
        async with desk.client() as client:
            done = await answers(client, requests_at(double.url, 20))
    failures = {request.user: answer.error_class for request, answer in done if not answer.ok}
    assert failures == {"Photo 7": "http_4xx"}


class Unreadable(Exception):
    error_class = "truncated"


@pytest.mark.parametrize(
    ("error", "error_class"), [(Unreadable("cut"), "truncated"), (OSError("gone"), "picture_failed")]
)
async def test_a_picture_that_cannot_be_made_fails_its_entry_alone(desk, error, error_class):
    def broken() -> bytes:
        raise error

    with VllmDouble() as double:
        async with desk.client() as client:
            request = request_of(model_at(double.url), images=(Image("a" * 64, "image/jpeg", broken),))
            answer = await client.complete(request)
    assert answer.error_class == error_class
    assert double.history == []
    (event,) = desk.events()
    assert (event["status"], event["error_class"], event["attempt_count"]) == ("error", error_class, 0)


async def test_a_canceled_request_leaves_one_event_and_no_answer(desk):
    with VllmDouble(faults=[Stall(), Stall()]) as double:
        request = request_of(model_at(double.url))
        async with desk.client() as client:
            task = asyncio.create_task(client.complete(request))
            await double.has_been_asked(1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
    (event,) = desk.events()
    assert (event["status"], event["error_class"]) == ("canceled", "canceled")
    assert [attempt["status"] for attempt in event["attempts"]] == ["canceled"]
    assert look_up(desk.database, [request_digest(request)]) == {}


async def test_a_canceled_map_ends_soon_and_cleanly(desk):
    with VllmDouble(faults=[Stall()] * 8) as double:
        async with desk.client(concurrency=8) as client:

            async def read():
                async for _ in client.map(requests_at(double.url, 100)):
                    pass

            before = asyncio.all_tasks()
            task = asyncio.create_task(read())
            await double.has_been_asked(8)
            task.cancel()
            async with asyncio.timeout(5):
                with pytest.raises(asyncio.CancelledError):
                    await task
            assert asyncio.all_tasks() <= before
    assert [event["status"] for event in desk.events()] == ["canceled"] * 8


async def test_closing_a_map_early_keeps_what_was_answered(desk):
    with VllmDouble(faults_by_text={"Photo 1": [Stall()]}) as double:
        async with desk.client() as client, aclosing(client.map(requests_at(double.url, 2))) as done:
            request, answer = await anext(done)
        kept = look_up(desk.database, [request_digest(request)])
    assert kept[request_digest(request)].answered_by == answer.request_id
    assert sorted(event["status"] for event in desk.events()) == ["canceled", "ok"]


async def test_a_breaker_that_stays_open_ends_the_map_and_keeps_what_was_answered(desk):
    with VllmDouble() as double:
        requests = requests_at(double.url, 30)
        async with desk.client() as client:
            await answers(client, requests[:10])
    async with desk.client(breaker_failures=3, breaker_wait_s=0.3) as client:
        seen = []

        async def read():
            async for _, answer in client.map(requests):
                seen.append(answer)

        with pytest.raises(BackendDown, match=r"double.*did not come back within 0\.3 s"):
            await read()
    assert len(seen) == 10
    down = [event for event in desk.events() if event["status"] != "ok"]
    assert {event["error_class"] for event in down} <= {"backend_down", "canceled"}
    assert any(event["error_class"] == "backend_down" for event in down)


async def test_a_breaker_waits_for_a_server_that_comes_back(desk):
    with VllmDouble() as first:
        port = first.port
    back = VllmDouble(port=port)
    async with desk.client(breaker_failures=2, breaker_wait_s=30, concurrency=4) as client:
        task = asyncio.create_task(answers(client, requests_at(f"http://127.0.0.1:{port}", 12)))
        await until_a_breaker_opens(client)
        with back:
            done = await task
    assert all(answer.ok for _, answer in done)
    assert len(desk.events()) == 12


async def test_without_its_event_an_answer_is_given_but_not_kept(desk):
    desk.spool.close()
    with VllmDouble() as double:
        request = request_of(model_at(double.url))
        async with desk.client() as client:
            assert (await client.complete(request)).ok
    assert look_up(desk.database, [request_digest(request)]) == {}


async def test_an_answer_of_a_server_with_an_endless_name_is_kept_with_its_event(desk):
    content = '{"score": 3, "critique": "x"}'
    body = json.dumps({"model": "x" * 2_000_000, "choices": [{"message": {"content": content}}]})
    with VllmDouble(faults=[Raw(body.encode())]) as double:
        async with desk.client() as client:
            answer = await client.complete(request_of(model_at(double.url)))
    desk.spool.close()
    compact(Home.of(desk.settings))
    with connect(Home.of(desk.settings), desk.database) as catalog:
        asked = catalog.execute("SELECT event_id FROM events").fetchall()
    assert asked == [(answer.request_id,)]
    assert look_up(desk.database, [answer.request_digest])[answer.request_digest].text == content


async def test_many_answers_share_a_few_commits(desk):
    commits = []
    submit = desk.database.submit
    desk.database.submit = lambda work: commits.append(work) or submit(work)
    with VllmDouble(latency_s=0.02) as double:
        async with desk.client(concurrency=32) as client:
            await answers(client, requests_at(double.url, 96))
    assert len(desk.events()) == 96
    assert len(commits) < 48


async def test_a_request_that_cannot_be_named_is_refused_before_anything_is_asked(desk):
    desk.embedded["double"] = dict
    async with desk.client() as client:
        with pytest.raises(InvalidRequest):
            await answers(client, [request_of(model_at(None), variables={"x": float("nan")})])
    assert desk.events() == []


async def test_an_embedded_model_answers_from_variables_and_looks_at_no_picture(desk):
    def never() -> bytes:
        raise AssertionError("an embedded model looks at no picture")

    desk.embedded["double"] = lambda variables: {
        "score": variables["signals"]["sharpness"],
        "critique": "by rule",
    }
    async with desk.client() as client:
        request = request_of(
            model_at(None),
            images=(Image("a" * 64, "image/jpeg", never),),
            variables={"signals": {"sharpness": 9}},
            parameters={"temperature": 0.5},
        )
        await client.check(request.model)
        answer = await client.complete(request)
        assert (await client.complete(request)).recalled
    assert answer.data == {"score": 9, "critique": "by rule"}
    (event,) = desk.events()
    assert (event["provider"], event["score"], event["dropped_parameters"]) == (
        "embedded",
        9,
        ["temperature"],
    )


@pytest.mark.parametrize(
    ("function", "error_class"),
    [(lambda _: 1 / 0, "embedded_failed"), (lambda _: {"score": 99}, "schema_mismatch")],
)
async def test_a_failing_function_fails_its_entry_without_another_try(desk, function, error_class):
    desk.embedded["double"] = function
    async with desk.client() as client:
        answer = await client.complete(request_of(model_at(None)))
    assert answer.error_class == error_class
    (event,) = desk.events()
    assert event["attempt_count"] == 1


class Unwilling(GrantedAtOnce):
    """Leases that do as they are told when they are to be given back."""

    def __init__(self, what):
        super().__init__()
        self._what = what
        self.closed = False

    async def close(self):
        self.closed = True
        await self._what()


async def ill():
    raise OSError("it went wrong")


async def nothing():
    pass


async def stuck():
    await asyncio.Event().wait()


def client_with(desk, leases):
    return Client(desk.settings, desk.registry, desk.database, desk.spool, {}, leasing=leases, environ={})


async def test_whatever_becomes_of_keeping_leases_are_given_back_and_connections_let_go(desk, monkeypatch):
    let_go, close = [], Transport.close

    async def noted(transport):
        let_go.append(transport)
        await close(transport)

    monkeypatch.setattr(Transport, "close", noted)
    leases = Unwilling(ill)
    with VllmDouble() as double:
        client = client_with(desk, leases)
        await client.complete(requests_at(double.url, 1)[0])
    monkeypatch.setattr(Keeper, "close", lambda _: ill())
    with pytest.raises(OSError, match="it went wrong"):
        await client.close()
    assert leases.closed
    assert len(let_go) == 1


async def test_leases_are_given_back_by_who_is_canceled_while_it_keeps(desk, monkeypatch):
    keeping = asyncio.Event()

    async def keep_on(_):
        keeping.set()
        await stuck()

    monkeypatch.setattr(Keeper, "close", keep_on)
    leases = Unwilling(nothing)
    closing = asyncio.create_task(client_with(desk, leases).close())
    await keeping.wait()
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert leases.closed


async def test_closing_is_bounded_as_a_whole(desk, monkeypatch, caplog):
    monkeypatch.setattr("backends.client._CLOSE_S", 0.05)
    monkeypatch.setattr(Keeper, "close", lambda _: stuck())
    leases = Unwilling(stuck)
    await client_with(desk, leases).close()
    assert leases.closed
    assert "before its kept answers were let go" in caplog.text
    assert "before its leases were let go" in caplog.text
