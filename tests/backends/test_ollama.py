"""Ollama's own protocol, over a real socket, with its traps."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import suppress

import httpx
import pytest
from client_desk import SCHEMA, model_at, picture, request_of
from hypothesis import given
from hypothesis import strategies as st
from ollama_double import Bare, OllamaDouble, Refuses, Says

from backends.errors import EmptyAnswer, ModelMisconfigured, ModelUnreachable, NotJson
from backends.providers.ollama import Ollama, chat_body, read_chat
from backends.providers.protocol import Observed, Question, Repair
from backends.transport import Transport

pytestmark = pytest.mark.anyio


def gemma(url="http://127.0.0.1:9", served="gemma3:12b", **changes):
    return model_at(url, deployment={"provider": "ollama", "served_model_id": served}, **changes)


def body_of(request, **changes):
    given = {"served_model": "gemma3:12b", "fields": {}, "pictures": (), **changes}
    return json.loads(b"".join(chat_body(request, **given)))


def test_a_body_holds_messages_options_and_the_schema():
    fields = {"options": {"temperature": 0.2, "num_predict": 500}, "think": False}
    assert body_of(request_of(gemma()), fields=fields) == {
        "model": "gemma3:12b",
        "messages": [
            {"role": "system", "content": "You judge."},
            {"role": "user", "content": "What do you see?"},
        ],
        "stream": False,
        "options": {"temperature": 0.2, "num_predict": 500, "num_ctx": 16384},
        "think": False,
        "format": SCHEMA,
    }


def test_pictures_are_plain_base64_beside_the_text():
    pictures = (base64.b64encode(b"one"), base64.b64encode(b"two"))
    body = body_of(request_of(gemma(), images=(picture("a" * 64), picture("b" * 64))), pictures=pictures)
    assert body["messages"][1] == {
        "role": "user",
        "content": "What do you see?",
        "images": [one.decode() for one in pictures],
    }


def test_the_repair_try_shows_the_answer_and_what_is_wrong_with_it():
    body = body_of(
        request_of(gemma()), repair=Repair('{"score": 99}', "The answer misses its schema: at score.")
    )
    assert [message["role"] for message in body["messages"]] == ["system", "user", "assistant", "user"]
    assert body["messages"][2]["content"] == '{"score": 99}'


def test_a_model_without_structured_output_is_sent_no_schema():
    chat = {"context_tokens": 100, "max_output_tokens": 50, "structured_output": False}
    assert "format" not in body_of(request_of(gemma(capabilities={"chat": chat})))


@given(st.text(), st.text())
def test_hostile_text_stays_text(system, user):
    body = body_of(request_of(gemma(), user, system=system))
    assert [message["role"] for message in body["messages"]] == (["system", "user"] if system else ["user"])
    assert body["messages"][-1]["content"] == user.encode("utf-8", "replace").decode("utf-8")


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda some: st.lists(some) | st.dictionaries(st.text(), some),
    )
)
def test_whatever_json_a_server_sends_is_read_or_refused(said):
    with suppress(NotJson, EmptyAnswer):
        read_chat(json.dumps(said).encode())


async def test_it_is_asked_not_to_stream_and_answers_within_the_schema(desk):
    with OllamaDouble() as double:
        async with desk.client() as client:
            await client.check(gemma(double.url))
            answer = await client.complete(
                request_of(gemma(double.url), images=(picture(),), labels={"trace_id": "a" * 32})
            )
    assert answer.ok, answer.error_message
    assert answer.data.keys() == SCHEMA["properties"].keys()
    (body,) = double.history
    assert body["stream"] is False
    assert body["messages"][-1]["images"] == [base64.b64encode(b"\xff\xd8 a picture").decode()]
    assert double.ignored == []
    assert double.headers[0]["traceparent"].startswith(f"00-{'a' * 32}-")
    (event,) = desk.events()
    assert (event["provider"], event["served_model"]) == ("ollama", "gemma3:12b")
    assert (event["input_tokens"], event["output_tokens"], event["finish_reason"]) == (321, 45, "stop")
    assert (event["ttft_ms"], event["ttft_origin"]) == (10.0, "load_begun")


async def test_all_canonical_parameters_arrive_by_ollamas_names(desk):
    parameters = {
        "temperature": 0.4,
        "top_p": 0.9,
        "top_k": 40,
        "min_p": 0.05,
        "seed": 7,
        "max_output_tokens": 300,
        "stop": ["END"],
        "repetition_penalty": 1.1,
        "presence_penalty": 0.2,
        "frequency_penalty": 0.3,
        "thinking": False,
    }
    with OllamaDouble() as double:
        async with desk.client() as client:
            assert (await client.complete(request_of(gemma(double.url), parameters=parameters, sample=2))).ok
    (body,) = double.history
    assert body["think"] is False
    assert body["options"] == {
        "temperature": 0.4,
        "top_p": 0.9,
        "top_k": 40,
        "min_p": 0.05,
        "seed": 9,
        "num_predict": 300,
        "stop": ["END"],
        "repeat_penalty": 1.1,
        "presence_penalty": 0.2,
        "frequency_penalty": 0.3,
        "num_ctx": 16384,
    }
    assert double.ignored == []
    assert "dropped_parameters" not in desk.events()[0]


async def test_no_request_has_the_model_loaded_anew_for_its_options(desk):
    with OllamaDouble() as double:
        async with desk.client(concurrency=1) as client:
            for number in range(4):
                parameters = {"temperature": number / 10, "max_output_tokens": 100 + number}
                assert (
                    await client.complete(request_of(gemma(double.url), f"{number}", parameters=parameters))
                ).ok
    assert double.loads == 1


@pytest.mark.parametrize(("token", "kept"), [(7, {"keep_alive": -1}), (None, {})], ids=["leased", "free"])
async def test_a_leased_model_stays_until_its_room_is_needed_and_no_other_is_told_so(desk, token, kept):
    with OllamaDouble() as double:
        model = gemma(double.url)
        async with Transport(desk.settings) as transport:
            ollama = Ollama(model, model.deployments[0], transport, {})
            question = Question(request=request_of(model), request_id="a" * 32, lease_token=token)
            await ollama.ask(question, Observed())
    (body,) = double.history
    assert {name: value for name, value in body.items() if name == "keep_alive"} == kept
    assert double.ignored == []


async def test_a_cold_model_is_given_the_time_to_load_beyond_the_first_bytes(desk):
    impatient = {"first_byte_timeout_s": 0.2, "request_timeout_s": 0.3, "attempts": 1}
    with OllamaDouble(load_s=1) as double:
        async with desk.client(**impatient, cold_load_timeout_s=0) as client:
            answer = await client.complete(request_of(gemma(double.url)))
            assert answer.error_class == "first_byte_timeout"
        double.loaded.clear()
        async with desk.client(**impatient, cold_load_timeout_s=30) as client:
            assert (await client.complete(request_of(gemma(double.url)))).ok
    assert double.loads == 2


@pytest.mark.parametrize(
    ("fault", "error_class"),
    [
        (Refuses(500, "llama runner process has terminated"), "http_5xx"),
        (Refuses(400, "invalid format"), "http_4xx"),
        (Says('{"score": 3', {"done_reason": "length"}), "truncated_answer"),
        (Says(""), "empty_answer"),
        (Says("I see a cat."), "not_json"),
        (Bare(b'{"done": true}'), "empty_answer"),
        (Bare(b'{"message": {"content": "a"}, "done": false}\n{"message": {"content": "b"}}\n'), "not_json"),
        (Bare(b"<html>"), "not_json"),
    ],
    ids=str,
)
async def test_each_failure_has_its_class(desk, fault, error_class):
    with OllamaDouble(faults=[fault] * 3) as double:
        async with desk.client(attempts=2) as client:
            answer = await client.complete(request_of(gemma(double.url)))
    assert answer.error_class == error_class
    if isinstance(fault, Refuses):
        assert fault.error in answer.error_message


async def test_a_model_that_was_not_pulled_is_named_with_the_command_that_pulls_it(desk):
    with OllamaDouble(pulled={"llama3.2:3b": ["completion"], "llava:7b": None}) as double:
        async with desk.client() as client:
            with pytest.raises(ModelUnreachable) as told:
                await client.check(gemma(double.url))
    for words in (double.url, "'gemma3:12b'", "it serves llama3.2:3b, llava:7b", "ollama pull gemma3:12b"):
        assert words in str(told.value)


async def test_the_tag_latest_may_be_left_out(desk):
    with OllamaDouble(pulled={"llava:latest": None}) as double:
        async with desk.client() as client:
            await client.check(gemma(double.url, served="llava"))
            assert (await client.complete(request_of(gemma(double.url, served="llava")))).ok


async def test_a_model_that_cannot_see_though_the_registry_says_so_is_told(desk):
    with OllamaDouble(pulled={"gemma3:12b": ["completion", "tools"]}) as double:
        async with desk.client() as client:
            with pytest.raises(
                ModelMisconfigured, match="cannot see: Ollama says that it can completion, tools"
            ):
                await client.check(gemma(double.url))


async def test_something_else_at_the_address_is_told(desk):
    with OllamaDouble() as double:
        async with desk.client() as client:
            with pytest.raises(ModelUnreachable, match="404"):
                await client.check(gemma(f"{double.url}/elsewhere"))


async def test_the_double_has_the_traps_of_the_real_server():
    """Ours never meets these; whoever asks it otherwise does."""
    with OllamaDouble(settle_s=0.2) as double:
        asked = {"model": "gemma3:12b", "messages": [{"role": "user", "content": "hi"}]}
        async with httpx.AsyncClient(base_url=double.url) as plain:
            streamed = (await plain.post("/api/chat", json=asked)).text.splitlines()
            assert len(streamed) > 1
            assert [json.loads(line)["done"] for line in streamed] == [False] * (len(streamed) - 1) + [True]
            await plain.post("/api/chat", json={**asked, "guided_json": {}, "options": {"num_ctx": 512}})
            assert double.loads == 2
            assert double.ignored == ["guided_json"]
            gone = await plain.post(
                "/api/chat", json={"model": "gemma3:12b", "messages": [], "keep_alive": 0}
            )
            assert gone.json()["done_reason"] == "unload"
            assert (await plain.get("/api/ps")).json()["models"] != []
            async with asyncio.timeout(30):
                models = [True]
                while models:
                    models = (await plain.get("/api/ps")).json()["models"]
