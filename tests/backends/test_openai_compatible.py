from __future__ import annotations

import base64
import json
from contextlib import suppress

import pytest
from client_desk import SCHEMA, model_at, picture, request_of
from hypothesis import given
from hypothesis import strategies as st

from backends.errors import EmptyAnswer, NotJson
from backends.providers.openai_compatible import chat_body, read_chat
from backends.providers.protocol import Repair

MODEL = model_at("http://127.0.0.1:9")


def body_of(request, **changes):
    given = {"served_model": "double-vlm", "fields": {}, "pictures": (), **changes}
    return json.loads(b"".join(chat_body(request, **given)))


def test_a_body_holds_messages_parameters_and_the_schema():
    body = body_of(
        request_of(MODEL), fields={"temperature": 0.2, "chat_template_kwargs": {"enable_thinking": False}}
    )
    assert body == {
        "model": "double-vlm",
        "messages": [
            {"role": "system", "content": "You judge."},
            {"role": "user", "content": "What do you see?"},
        ],
        "stream": False,
        "temperature": 0.2,
        "chat_template_kwargs": {"enable_thinking": False},
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}},
    }


def test_pictures_stand_before_the_text_as_data_uris():
    pictures = (base64.b64encode(b"one"), base64.b64encode(b"two"))
    body = body_of(request_of(MODEL, images=(picture("a" * 64), picture("b" * 64))), pictures=pictures)
    content = body["messages"][1]["content"]
    assert [part["type"] for part in content] == ["image_url", "image_url", "text"]
    assert content[0]["image_url"]["url"] == f"data:image/jpeg;base64,{pictures[0].decode()}"
    assert content[2]["text"] == "What do you see?"


def test_the_repair_try_shows_the_answer_and_what_is_wrong_with_it():
    body = body_of(
        request_of(MODEL), repair=Repair('{"score": 99}', "The answer misses its schema: at score.")
    )
    assert body["messages"][2] == {"role": "assistant", "content": '{"score": 99}'}
    assert body["messages"][3]["content"].startswith("The answer misses its schema: at score.")


def test_a_model_without_structured_output_is_sent_no_schema():
    chat = {"context_tokens": 100, "max_output_tokens": 50, "structured_output": False}
    assert "response_format" not in body_of(
        request_of(model_at("http://127.0.0.1:9", capabilities={"chat": chat}))
    )


@given(st.text(), st.text())
def test_hostile_text_stays_text(system, user):
    body = body_of(request_of(MODEL, user, system=system))
    assert [message["role"] for message in body["messages"]] == (["system", "user"] if system else ["user"])
    assert body["messages"][-1]["content"] == user.encode("utf-8", "replace").decode("utf-8")


def test_everything_that_vllm_says_is_read():
    raw = read_chat(
        json.dumps(
            {
                "model": "tiny",
                "choices": [{"message": {"content": "hi", "reasoning": "hm"}, "finish_reason": "stop"}],
                "usage": {
                    "prompt_tokens": 9,
                    "completion_tokens": 2,
                    "prompt_tokens_details": {"image_tokens": 4},
                },
                "metrics": {"time_to_first_token_ms": 12.5, "queue_time_ms": 3.25},
            }
        ).encode()
    )
    assert (raw.text, raw.finish_reason, raw.served_model) == ("hi", "stop", "tiny")
    assert (raw.input_tokens, raw.image_tokens, raw.output_tokens) == (9, 4, 2)
    assert (raw.ttft_ms, raw.ttft_origin, raw.queue_ms) == (12.5, "scheduled", 3.25)


def test_what_a_server_calls_itself_and_its_reasons_are_cut_to_a_few_words():
    long = "x" * 2_000_000
    choice = {"message": {"content": long, "refusal": long}, "finish_reason": long}
    raw = read_chat(json.dumps({"model": long, "choices": [choice]}).encode())
    assert [len(words) for words in (raw.served_model, raw.finish_reason, raw.refusal)] == [200, 200, 200]
    assert raw.text == long


def test_reasoning_is_not_the_answer():
    raw = read_chat(b'{"choices": [{"message": {"content": null, "reasoning": "thoughts"}}]}')
    assert raw.text == ""


def test_an_answer_in_parts_is_put_together():
    raw = read_chat(
        b'{"choices": [{"message": {"content": [{"type": "text", "text": "a"}, {"text": "b"}, 7]}}]}'
    )
    assert raw.text == "ab"


def test_a_lone_surrogate_in_the_response_cannot_reach_a_table():
    raw = read_chat(rb'{"choices": [{"message": {"content": "a\ud800b \ud83d\ude00"}}]}')
    assert raw.text == "a\ufffdb 😀"


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"choices": [{"mess', b"[" * 100_000])
def test_a_body_that_is_not_json_says_so(body):
    with pytest.raises(NotJson):
        read_chat(body)


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b"null", b'{"choices": []}', b'{"choices": [null]}', b'{"choices": {}}']
)
def test_a_response_without_a_choice_is_empty(body):
    with pytest.raises(EmptyAnswer):
        read_chat(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "choices",
                    "message",
                    "content",
                    "usage",
                    "metrics",
                    "prompt_tokens",
                    "finish_reason",
                    "text",
                ]
            ),
            inner,
        )
    ),
)


@given(JSON)
def test_no_json_breaks_the_reader(said):
    with suppress(EmptyAnswer):
        read_chat(json.dumps(said).encode())
