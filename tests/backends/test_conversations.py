"""Conversations: asked as they are, whole or in parts, over each protocol that can."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from dataclasses import replace

import pytest
import rfc8785
from client_desk import SCHEMA, model_at
from hypothesis import given
from hypothesis import strategies as st
from ollama_double import OllamaDouble
from ollama_double import Says as OllamaSays
from vllm_double import CutJson, Http, Reset, Says, VllmDouble

from backends.conversation import Conversation
from backends.errors import InvalidRequest
from backends.request import Labels, Request, request_digest

pytestmark = pytest.mark.anyio

PICTURE = "data:image/jpeg;base64," + base64.b64encode(b"\xff\xd8 a picture").decode()
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
CALL = {"id": "call_7", "type": "function", "function": {"name": "weather", "arguments": '{"place": "Deal"}'}}
TURNS = (
    {"role": "system", "content": "You are terse."},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "Where is this?"},
            {"type": "image_url", "image_url": {"url": PICTURE}},
        ],
    },
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_7", "content": "Rain"},
    {"role": "user", "content": "And now?"},
)


def talk(model, *messages, tools=(), **changes):
    conversation = Conversation(messages=messages or TURNS, tools=tools)
    return Request(model=model, labels=Labels(stage="gateway/chat"), conversation=conversation, **changes)


def ollama_at(url):
    return model_at(url, deployment={"provider": "ollama", "served_model_id": "gemma3:12b"})


class Heard:
    """What was told of an answer."""

    def __init__(self):
        self.chunks = []

    async def __call__(self, chunk):
        self.chunks.append(chunk)

    @property
    def text(self):
        return "".join(chunk.delta.get("content") or "" for chunk in self.chunks)


async def test_all_turns_go_to_the_server_as_they_were_said(desk):
    with VllmDouble() as double:
        async with desk.client() as client:
            answer = await client.converse(talk(model_at(double.url), tools=[TOOL]))
    sent = double.history[0].body
    assert [message["role"] for message in sent["messages"]] == [
        "system",
        "user",
        "assistant",
        "tool",
        "user",
    ]
    assert sent["messages"][2]["tool_calls"] == [CALL]
    assert sent["tools"] == [TOOL]
    assert len(double.history[0].pictures) == 1
    assert answer.ok
    assert answer.message == {"role": "assistant", "content": answer.text}
    assert answer.finish_reason == "stop"


async def test_each_asking_has_an_event_and_nothing_is_recalled(desk):
    with VllmDouble() as double:
        async with desk.client() as client:
            request = talk(model_at(double.url))
            first, second = await asyncio.gather(client.converse(request), client.converse(request))
    assert len(double.history) == 2
    assert [event["event_id"] for event in desk.events()] == [first.request_id, second.request_id]
    assert not any(event["answer_kept"] for event in desk.events())


async def test_an_answer_whose_recall_is_wished_for_is_recalled_whole(desk):
    says = Says(None, finish_reason="tool_calls", message={"tool_calls": [CALL]})
    with VllmDouble(faults=[says]) as double:
        async with desk.client() as client:
            request = talk(model_at(double.url), tools=[TOOL])
            first, second = await client.complete(request), await client.complete(request)
    assert second.recalled
    assert second.message == first.message
    assert first.message["tool_calls"] == [CALL]
    assert second.finish_reason == "tool_calls"


@pytest.mark.parametrize("serve", [VllmDouble, OllamaDouble])
async def test_parts_of_an_answer_come_as_they_are_written_and_make_up_the_whole(desk, serve):
    heard = Heard()
    with serve() as double:
        model = model_at(double.url) if serve is VllmDouble else ollama_at(double.url)
        async with desk.client() as client:
            answer = await client.converse(talk(model), tell=heard)
    assert len(heard.chunks) > 10
    assert heard.text == answer.text != ""
    assert heard.chunks[-1].finish_reason == "stop" == answer.finish_reason
    assert answer.output_tokens is not None
    (event,) = desk.events()
    assert event["output_tokens"] == answer.output_tokens


async def test_a_call_of_a_tool_comes_in_parts_too(desk):
    heard = Heard()
    says = Says(None, finish_reason="tool_calls", message={"tool_calls": [CALL]})
    with VllmDouble(faults=[says]) as double:
        async with desk.client() as client:
            answer = await client.converse(talk(model_at(double.url), tools=[TOOL]), tell=heard)
    assert answer.message["tool_calls"] == [CALL]
    pieces = [call for chunk in heard.chunks for call in chunk.delta.get("tool_calls", ())]
    assert (
        "".join(piece["function"].get("arguments", "") for piece in pieces) == CALL["function"]["arguments"]
    )


async def test_a_server_that_refuses_before_it_began_is_asked_again(desk):
    heard = Heard()
    with VllmDouble(faults=[Http(503)]) as double:
        async with desk.client() as client:
            answer = await client.converse(talk(model_at(double.url)), tell=heard)
    assert answer.ok
    assert heard.text == answer.text
    assert len(double.history) == 2


@pytest.mark.parametrize("fault", [Reset(in_body=True), CutJson()], ids=["reset", "ended early"])
async def test_an_answer_that_broke_off_is_not_begun_anew(desk, fault):
    heard = Heard()
    with VllmDouble(faults=[fault]) as double:
        async with desk.client() as client:
            answer = await client.converse(talk(model_at(double.url)), tell=heard)
    assert answer.error_class == "reset"
    assert heard.text
    assert len(double.history) == 1


async def test_one_who_stops_listening_stops_the_server(desk):
    begun = asyncio.Event()

    async def tell(chunk):
        begun.set()

    with VllmDouble(token_s=3600) as double:
        async with desk.client() as client:
            task = asyncio.create_task(client.converse(talk(model_at(double.url)), tell=tell))
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await double.has_none_open()
    (event,) = desk.events()
    assert event["status"] == "canceled"


async def test_an_answer_cut_off_at_its_limit_is_an_answer(desk):
    with VllmDouble(faults=[Says("It is a", finish_reason="length")]) as double:
        async with desk.client() as client:
            answer = await client.converse(talk(model_at(double.url)))
    assert answer.ok
    assert answer.finish_reason == "length"


async def test_an_answer_that_misses_its_schema_is_repaired(desk):
    with VllmDouble(faults=[Says('{"score": 99}')]) as double:
        async with desk.client() as client:
            answer = await client.converse(talk(model_at(double.url), output_schema=SCHEMA))
    assert answer.repaired
    assert set(answer.data) == {"score", "critique"}
    assert [message["role"] for message in double.history[1].body["messages"]][-2:] == ["assistant", "user"]


async def test_ollama_is_told_in_its_own_words(desk):
    call = {"function": {"name": "weather", "arguments": {"place": "Deal"}}}
    with OllamaDouble(faults=[OllamaSays("", message={"tool_calls": [call]})]) as double:
        async with desk.client() as client:
            answer = await client.converse(talk(ollama_at(double.url), tools=[TOOL]))
    system, shown, called, told, _ = double.history[0]["messages"]
    assert system == {"role": "system", "content": "You are terse."}
    assert shown == {"role": "user", "content": "Where is this?", "images": [PICTURE.partition(",")[2]]}
    assert called["tool_calls"] == [call]
    assert told == {"role": "tool", "content": "Rain", "tool_name": "weather"}
    assert double.history[0]["tools"] == [TOOL]
    assert answer.finish_reason == "tool_calls"
    (made,) = answer.message["tool_calls"]
    assert json.loads(made["function"]["arguments"]) == {"place": "Deal"}


async def test_what_ollama_cannot_be_told_about_tools_is_reported_as_dropped(desk):
    conversation = Conversation(messages=TURNS[:2], tools=[TOOL], options={"tool_choice": "required"})
    with OllamaDouble() as double:
        async with desk.client() as client:
            asked = talk(ollama_at(double.url))
            answer = await client.converse(replace(asked, conversation=conversation))
    assert answer.dropped_parameters == ("tool_choice",)
    assert double.ignored == []


async def test_arguments_that_are_no_json_are_refused(desk):
    broken = {**CALL, "function": {"name": "weather", "arguments": "{"}}
    with OllamaDouble() as double:
        async with desk.client() as client:
            with pytest.raises(InvalidRequest, match="weather"):
                await client.converse(
                    talk(ollama_at(double.url), {"role": "assistant", "tool_calls": [broken]})
                )


def test_a_conversation_is_named_by_what_is_said_and_shown():
    model = model_at("http://127.0.0.1:1")
    digest = request_digest(talk(model))
    other = json.loads(json.dumps(TURNS).replace(PICTURE, PICTURE[:-4] + "AAAA"))
    assert digest == request_digest(talk(model, *json.loads(json.dumps(TURNS))))
    assert digest != request_digest(talk(model, *other))
    assert digest != request_digest(talk(model, *TURNS[:-1]))
    assert digest != request_digest(talk(model, tools=[TOOL]))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.text()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(), below, max_size=3),
    max_leaves=12,
)


@given(content=st.text(), arguments=JSON)
def test_a_conversation_is_named_by_its_canonical_json(content, arguments):
    messages = [{"role": "user", "content": content, "arguments": arguments}]

    canonical = rfc8785.dumps({"messages": messages, "tools": [], "options": {}})

    assert Conversation(messages=messages).digest == hashlib.sha256(canonical).hexdigest()


def test_a_conversation_of_half_a_character_has_no_name():
    with pytest.raises(ValueError, match="UTF-8"):
        _ = Conversation(messages=[{"role": "user", "content": "\ud800"}]).digest
