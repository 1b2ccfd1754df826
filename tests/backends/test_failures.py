"""Every way in which asking can fail is told apart, over a real socket."""

from __future__ import annotations

import gzip
import json
import socket

import pytest
import stamina
from client_desk import model_at, picture, request_of
from vllm_double import CutJson, Http, Huge, NotHttp, Raw, Reset, Says, Slow, Stall, VllmDouble

from backends.checking import LONGEST_ANSWER
from backends.transport import MAX_ANSWER_BYTES

pytestmark = pytest.mark.anyio

MISFIT = json.dumps({"score": 99, "critique": "x"})
SHORT = {"first_byte_timeout_s": 0.15, "request_timeout_s": 5}


@pytest.mark.parametrize(
    ("fault", "error_class", "asked", "settings"),
    [
        (Http(500), "http_5xx", 3, {}),
        (Http(503, retry_after="1"), "http_5xx", 3, {}),
        (Http(429, retry_after="0"), "http_429", 3, {}),
        (Http(404), "http_4xx", 1, {}),
        (Http(400), "http_4xx", 1, {}),
        (Http(408), "http_4xx", 3, {}),
        (Http(302), "http_3xx", 1, {}),
        (Reset(), "reset", 3, {}),
        (Reset(in_body=True), "reset", 3, {}),
        (Stall(), "first_byte_timeout", 3, SHORT),
        (Stall(in_body=True), "stalled", 3, SHORT),
        (Slow(5), "request_timeout", 3, {"request_timeout_s": 0.15}),
        (NotHttp(), "not_http", 3, {}),
        (Raw(b"<html>busy</html>"), "not_json", 3, {}),
        (CutJson(), "not_json", 3, {}),
        (Raw(b'{"choices": []}'), "empty_answer", 3, {}),
        (Says(None, message={"reasoning": "only thoughts"}), "empty_answer", 3, {}),
        (Says("  \n"), "empty_answer", 3, {}),
        (Says("I am a cat."), "not_json", 3, {}),
        (Says(f'{{"score": {"9" * 400}, "critique": "x"}}'), "not_json", 3, {}),
        (Says("[" * 900 + r'"\ud83d\ude00"' + "]" * 900), "not_json", 3, {}),
        (Says("x" * (LONGEST_ANSWER + 1)), "answer_too_long", 1, {}),
        (Says('{"score": 3, "crit', finish_reason="length"), "truncated_answer", 1, {}),
        (Says(None, message={"refusal": "I will not."}), "refused", 1, {}),
        (Says("x", finish_reason="content_filter"), "refused", 1, {}),
        (Says(MISFIT), "schema_mismatch", 2, {}),
        (Huge(MAX_ANSWER_BYTES + 1), "body_too_large", 1, {}),
        (Raw(gzip.compress(b"{}", mtime=0), encoding="gzip"), "body_encoded", 1, {}),
        (Raw(b"{}", encoding="gzip, gzip"), "body_encoded", 1, {}),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_each_failure_has_its_class(desk, fault, error_class, asked, settings):
    with VllmDouble(faults=[fault] * 9) as double:
        async with desk.client(attempts=3, breaker_failures=99, **settings) as client:
            answer = await client.complete(request_of(model_at(double.url)))
    assert answer.error_class == error_class
    assert answer.data is None
    assert answer.error_message
    assert len(double.history) == asked
    (event,) = desk.events()
    assert (event["status"], event["error_class"]) == ("error", error_class)
    assert event["event_id"] == answer.request_id
    assert [attempt["error_class"] for attempt in event["attempts"]] == [error_class] * asked
    assert event["answer_kept"] is False
    if isinstance(fault, Http):
        assert event["attempts"][0]["http_status"] == fault.status
        assert str(fault.status) in event["error_message"]


async def test_an_error_that_no_table_could_hold_is_told_so_that_one_can(desk):
    with VllmDouble(faults=[Http(400, message="bad \ud800 token")]) as double:
        async with desk.client() as client:
            answer = await client.complete(request_of(model_at(double.url)))
    assert "bad \N{REPLACEMENT CHARACTER} token" in answer.error_message


async def test_an_answer_that_says_it_is_not_encoded_is_read(desk):
    body = json.dumps({"choices": [{"message": {"content": json.dumps({"score": 3, "critique": "x"})}}]})
    with VllmDouble(faults=[Raw(body.encode(), encoding="Identity")]) as double:
        async with desk.client() as client:
            assert (await client.complete(request_of(model_at(double.url)))).ok


async def test_a_failed_answer_is_not_kept_and_asked_again(desk):
    with VllmDouble(faults=[Http(404)]) as double:
        async with desk.client() as client:
            request = request_of(model_at(double.url))
            assert (await client.complete(request)).error_class == "http_4xx"
            again = await client.complete(request)
    assert again.ok
    assert not again.recalled


async def test_nobody_listening_is_a_failed_connection(desk):
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}"
        async with desk.client(attempts=2) as client:
            answer = await client.complete(request_of(model_at(url)))
    assert answer.error_class == "connect_failed"
    assert url in answer.error_message


async def test_a_connection_that_is_never_taken_up_is_a_connect_timeout(desk):
    # A backlog that is full: the kernel drops further SYNs, so connecting neither succeeds nor fails.
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        async with desk.client(attempts=1, connect_timeout_s=0.2) as client:
            answer = await client.complete(request_of(model_at(f"http://127.0.0.1:{address[1]}")))
        for filler in fillers:
            filler.close()
    assert answer.error_class == "connect_timeout"


@pytest.mark.parametrize(
    "fault",
    [Http(500), Http(429), Reset(), Reset(in_body=True), NotHttp(), CutJson(), Says("hm"), Raw(b"{}")],
    ids=str,
)
async def test_a_passing_trouble_is_retried_within_one_event(desk, fault):
    with VllmDouble(faults=[fault, fault]) as double:
        async with desk.client() as client:
            answer = await client.complete(request_of(model_at(double.url)))
    assert answer.ok
    (event,) = desk.events()
    assert [attempt["status"] for attempt in event["attempts"]] == ["error", "error", "ok"]
    assert [attempt["number"] for attempt in event["attempts"]] == [1, 2, 3]
    assert event["attempt_count"] == 3
    assert event["status"] == "ok"


async def test_an_answer_that_misses_its_schema_is_repaired_by_showing_so(desk):
    with VllmDouble(faults=[Says(MISFIT)]) as double:
        async with desk.client() as client:
            request = request_of(model_at(double.url), images=(picture(),))
            answer = await client.complete(request)
            recalled = await client.complete(request)
    assert answer.ok
    assert answer.repaired
    assert recalled.repaired
    messages = double.history[1].body["messages"]
    assert messages[2] == {"role": "assistant", "content": MISFIT}
    assert "99" in messages[3]["content"]
    assert double.history[0].pictures == double.history[1].pictures
    (event,) = desk.events()
    assert event["repaired"] is True
    assert event["schema_valid"] is True
    assert [attempt["error_class"] for attempt in event["attempts"]] == ["schema_mismatch", None]


async def test_a_repair_try_that_did_not_help_is_told_too(desk):
    with VllmDouble(faults=[Says(MISFIT), Says(MISFIT)]) as double:
        async with desk.client() as client:
            answer = await client.complete(request_of(model_at(double.url)))
    (event,) = desk.events()
    assert (answer.error_class, answer.repaired, event["repaired"]) == ("schema_mismatch", True, True)


async def test_an_answer_costs_the_tokens_of_all_its_attempts_and_its_event_tells_of_the_last(desk):
    with VllmDouble(faults=[Says(MISFIT), Reset()]) as double:
        async with desk.client() as client:
            answer = await client.complete(request_of(model_at(double.url)))
    (event,) = desk.events()
    first, broken, last = event["attempts"]
    assert broken["input_tokens"] is None
    for kind in ("input_tokens", "output_tokens"):
        assert getattr(answer, kind) == first[kind] + last[kind]
        assert event[kind] == last[kind]


async def test_the_repair_try_is_retried_like_any_other_when_the_connection_breaks(desk):
    with VllmDouble(faults=[Says(MISFIT), Reset()]) as double:
        async with desk.client() as client:
            answer = await client.complete(request_of(model_at(double.url)))
    assert answer.ok
    assert len(double.history[2].body["messages"]) == 4


async def test_retry_after_is_waited_for(desk):
    with stamina.set_testing(False), VllmDouble(faults=[Http(429, retry_after="1")]) as double:
        async with desk.client() as client:
            assert (await client.complete(request_of(model_at(double.url)))).ok
    (event,) = desk.events()
    first, second = event["attempts"]
    assert second["started_ms"] - first["started_ms"] >= 1000


@pytest.mark.parametrize(
    "retry_after",
    [
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 0001 00:00:00 +2359",
        "Mon, 01 Jan 2030 00:00:00 +99999999999999",
        "nan",
        "later",
    ],
)
async def test_a_retry_after_that_no_calendar_has_is_passed_over(desk, retry_after):
    with VllmDouble(faults=[Http(429, retry_after=retry_after)]) as double:
        async with desk.client() as client:
            assert (await client.complete(request_of(model_at(double.url)))).ok


async def test_a_connection_that_a_restarted_server_has_forgotten_is_replaced(desk):
    async with desk.client() as client:
        with VllmDouble() as first:
            assert (await client.complete(request_of(model_at(first.url), "one"))).ok
        with VllmDouble(port=first.port):
            assert (await client.complete(request_of(model_at(first.url), "two"))).ok


async def test_an_answer_that_is_lost_in_endless_spaces_says_so(desk):
    lost = Says('{"score": 3,' + "\t " * 400, finish_reason="length")
    with VllmDouble(faults=[lost]) as double:
        async with desk.client() as client:
            answer = await client.complete(request_of(model_at(double.url)))
    assert answer.error_class == "truncated_answer"
    assert "800 spaces" in answer.error_message
    assert "disable_any_whitespace" in answer.error_message
