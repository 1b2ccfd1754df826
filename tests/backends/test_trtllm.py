"""TensorRT-LLM's server, over a real socket, with its traps."""

from __future__ import annotations

import pytest
from client_desk import SCHEMA, model_at, picture, request_of
from trtllm_double import TrtllmDouble

from backends.errors import ModelUnreachable

pytestmark = pytest.mark.anyio


def qwen(url, **changes):
    return model_at(url, deployment={"provider": "trtllm", **changes})


async def test_it_answers_within_the_schema(desk):
    with TrtllmDouble() as double:
        async with desk.client() as client:
            await client.check(qwen(double.url))
            answer = await client.complete(request_of(qwen(double.url), images=(picture(),)))
    assert answer.ok, answer.error_message
    assert answer.data.keys() == SCHEMA["properties"].keys()
    assert double.history[0].body["response_format"] == {"type": "json", "schema": SCHEMA}
    assert desk.events()[0]["provider"] == "trtllm"


async def test_nothing_is_sent_that_it_would_refuse_and_what_is_left_out_is_told(desk):
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
    with TrtllmDouble() as double:
        async with desk.client() as client:
            assert (await client.complete(request_of(qwen(double.url), parameters=parameters))).ok
    (event,) = desk.events()
    assert event["dropped_parameters"] == ["thinking"]
    assert double.history[0].body["max_completion_tokens"] == 300


async def test_a_server_without_guided_decoding_answers_freely_and_is_not_believed(desk):
    with TrtllmDouble(guided=False) as double:
        async with desk.client(attempts=2) as client:
            answer = await client.complete(request_of(qwen(double.url)))
    assert answer.error_class == "not_json"
    assert answer.data is None


async def test_another_folder_than_the_registry_names_is_told(desk):
    with TrtllmDouble(model="qwen2.5-vl-7b-engine") as double:
        async with desk.client() as client:
            with pytest.raises(ModelUnreachable, match=r"it serves qwen2\.5-vl-7b-engine"):
                await client.check(qwen(double.url))
