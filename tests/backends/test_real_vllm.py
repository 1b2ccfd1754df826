"""The client against a real vLLM server: its routes, errors, token counts and constrained decoding."""

from __future__ import annotations

import json
from contextlib import aclosing

import pytest
from client_desk import model_at, request_of

from backends.errors import ModelUnreachable
from backends.request import Image

pytestmark = [pytest.mark.real, pytest.mark.anyio, pytest.mark.timeout(900)]

CRITIQUE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["impact", "composition", "technique", "score", "critique", "improvement"],
    "properties": {
        **{
            name: {"type": "integer", "minimum": 0, "maximum": 20}
            for name in ("impact", "composition", "technique", "score")
        },
        "critique": {"type": "string", "minLength": 1, "maxLength": 160},
        "improvement": {"type": "string", "minLength": 1, "maxLength": 80},
    },
}


def model_of(server, **deployment):
    return model_at(server.url, deployment={"served_model_id": server.model, **deployment})


def jpeg(shade):
    import cv2  # noqa: PLC0415 - only real pictures need it
    import numpy as np  # noqa: PLC0415

    pixels = np.full((96, 128, 3), shade, np.uint8)
    encoded, data = cv2.imencode(".jpg", pixels)
    assert encoded
    return Image(f"{shade:064d}", "image/jpeg", lambda: bytes(data))


async def test_the_check_passes_and_knows_what_is_served(desk, real_vllm):
    async with desk.client() as client:
        await client.check(model_of(real_vllm))
        with pytest.raises(ModelUnreachable, match=real_vllm.model):
            await client.check(model_of(real_vllm, served_model_id="other-vlm"))


async def test_pictures_are_answered_within_the_schema_and_recalled(desk, real_vllm):
    model = model_of(real_vllm)
    requests = [
        request_of(
            model,
            f"Judge photo {number}.",
            output_schema=CRITIQUE,
            images=(jpeg(number * 10),),
            # A random model writes as much as it may: the longest answer of the schema has to fit.
            parameters={"max_output_tokens": 1200, "temperature": 0.7, "seed": number},
        )
        for number in range(12)
    ]
    async with desk.client(concurrency=4, first_byte_timeout_s=120, request_timeout_s=240) as client:
        async with aclosing(client.map(requests)) as done:
            answers = [answer async for _, answer in done]
        async with aclosing(client.map(requests)) as done:
            again = [answer async for _, answer in done]
    good = [answer for answer in answers if answer.ok]
    assert len(good) >= 0.95 * len(requests), [answer.error_message for answer in answers if not answer.ok]
    assert sum(answer.recalled for answer in again) == len(good)
    events = desk.events()
    assert {event["event_id"] for event in events if event["status"] == "ok"} >= {
        answer.request_id for answer in good
    }
    event = next(event for event in events if event["status"] == "ok")
    assert event["served_model"] == real_vllm.model
    assert event["input_tokens"] > 0
    assert event["output_tokens"] > 0
    assert event["ttft_ms"] > 0
    assert event["ttft_origin"] == "scheduled"
    assert event["queue_ms"] >= 0


async def test_the_token_limit_is_an_error_of_its_own(desk, real_vllm):
    async with desk.client(first_byte_timeout_s=120, request_timeout_s=240) as client:
        request = request_of(model_of(real_vllm), output_schema=CRITIQUE, parameters={"max_output_tokens": 8})
        answer = await client.complete(request)
    assert answer.error_class == "truncated_answer"
    assert answer.output_tokens == 8


async def test_a_prompt_beyond_the_context_is_refused_with_the_servers_words(desk, real_vllm):
    async with desk.client() as client:
        answer = await client.complete(request_of(model_of(real_vllm), "word " * 20_000))
    assert answer.error_class == "http_4xx"
    assert "400" in answer.error_message


async def test_a_model_that_the_server_does_not_know_is_an_error_not_a_retry(desk, real_vllm):
    async with desk.client() as client:
        answer = await client.complete(request_of(model_of(real_vllm, served_model_id="other-vlm")))
    assert answer.error_class == "http_4xx"
    assert "404" in answer.error_message
    (event,) = desk.events()
    assert event["attempt_count"] == 1


async def test_free_text_without_a_schema_is_given_as_it_is(desk, real_vllm):
    async with desk.client(first_byte_timeout_s=120, request_timeout_s=240) as client:
        request = request_of(
            model_of(real_vllm), output_schema=None, parameters={"max_output_tokens": 2000, "stop": ["e"]}
        )
        answer = await client.complete(request)
    assert answer.error_class in {None, "empty_answer", "truncated_answer"}
    assert answer.data is None
    assert json.dumps(answer.text)
