"""Chat completions over the gateway."""

from __future__ import annotations

import base64
import io
import json

import httpx
import pytest
from client_desk import SCHEMA
from PIL import Image
from served_gateway import Gateway, registry_of
from vllm_double import Http, Reset, Says

HELLO = {"model": "talker", "messages": [{"role": "user", "content": "Hello"}]}


def picture(side=8, kind="JPEG"):
    made = io.BytesIO()
    Image.new("RGB", (side, side), "teal").save(made, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(made.getvalue()).decode()}"


def showing(uri, model="talker"):
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": uri}}]
    return {"model": model, "messages": [{"role": "user", "content": parts}]}


def events_of(response):
    lines = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


def test_a_chat_is_answered_by_the_models_server(client, double):
    said = client.post("/v1/chat/completions", json=HELLO).json()
    assert said["object"] == "chat.completion"
    assert said["model"] == "talker"
    assert said["choices"][0]["message"]["role"] == "assistant"
    assert said["choices"][0]["message"]["content"]
    assert said["choices"][0]["finish_reason"] == "stop"
    usage = said["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0
    assert double.history[0].body["model"] == "double-vlm"


@pytest.mark.parametrize("name", ["talker", "gpt-local", "judge"])
def test_a_model_is_asked_by_its_name_an_alias_or_a_role(client, name):
    said = client.post("/v1/chat/completions", json={**HELLO, "model": name}).json()
    assert said["model"] == "talker"


def test_a_name_that_nothing_has_is_answered_with_the_nearest(client, double):
    answer = client.post("/v1/chat/completions", json={**HELLO, "model": "talkr"})
    assert answer.status_code == 404
    error = answer.json()["error"]
    assert error["code"] == "model_not_found"
    assert error["param"] == "model"
    assert "talker" in error["message"]
    assert not double.history


def test_an_answer_is_streamed_in_parts_and_ends_as_the_protocol_says(client):
    body = {**HELLO, "stream": True, "stream_options": {"include_usage": True}}
    answer = client.post("/v1/chat/completions", json=body)
    *chunks, counted, done = events_of(answer)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert done == "[DONE]"
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert counted["choices"] == []
    assert counted["usage"]["completion_tokens"] > 0


def test_a_stream_that_breaks_off_says_so_and_does_not_end_as_if_it_were_whole(client, double):
    double.faults.append(Reset(in_body=True))
    answer = client.post("/v1/chat/completions", json={**HELLO, "stream": True})
    assert answer.status_code == 200
    last = events_of(answer)[-1]
    assert last["error"]["code"] == "reset"


def test_a_stream_that_cannot_begin_is_refused_as_any_request(client, double):
    double.faults += [Http(400, message="too long")] * 4
    answer = client.post("/v1/chat/completions", json={**HELLO, "stream": True})
    assert answer.status_code == 400
    assert "too long" in answer.json()["error"]["message"]


def test_a_picture_goes_along_in_its_data_uri(client, double):
    assert client.post("/v1/chat/completions", json=showing(picture())).status_code == 200
    assert len(double.history[0].pictures) == 1


@pytest.mark.parametrize(
    ("uri", "code"),
    [
        ("https://example.com/cat.jpg", "image_not_inline"),
        ("http://169.254.169.254/latest/meta-data", "image_not_inline"),
        ("file:///etc/passwd", "image_not_inline"),
        ("data:image/svg+xml;base64,PHN2Zy8+", "image_format"),
        ("data:image/jpeg;base64,%%%", "image_base64"),
        ("data:image/jpeg;base64,aGVsbG8=", "image_broken"),
        (picture(kind="PNG").replace("image/png", "image/jpeg"), "image_broken"),
    ],
)
def test_nothing_is_fetched_and_only_pictures_are_sent_on(client, double, uri, code):
    answer = client.post("/v1/chat/completions", json=showing(uri))
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == code
    assert answer.json()["error"]["param"] == "messages[0].content[1]"
    assert not double.history


def test_a_picture_with_too_many_pixels_is_refused_by_its_header(opened, double):
    with opened(max_pixels=63) as gateway:
        answer = httpx.post(f"{gateway.url}/v1/chat/completions", json=showing(picture(side=8)))
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "image_too_large"


def test_a_model_that_cannot_see_says_which_can(client):
    answer = client.post("/v1/chat/completions", json=showing(picture(), model="blind"))
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "missing_capability"
    assert "talker" in answer.json()["error"]["message"]


def test_an_answer_is_held_to_the_schema_that_is_asked_for(client, double):
    double.faults.append(Says('{"score": 99}'))
    wanted = {"type": "json_schema", "json_schema": {"name": "mark", "schema": SCHEMA, "strict": True}}
    said = client.post("/v1/chat/completions", json={**HELLO, "response_format": wanted}).json()
    data = json.loads(said["choices"][0]["message"]["content"])
    assert 0 <= data["score"] <= 20
    assert len(double.history) == 2


DOUBLED = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(30)} | {"d30": {}}
FIRST_DOUBLED = {"$ref": "#/$defs/d0"}


def within_unevaluated(levels: int) -> dict:
    schema: dict = {"type": "object"}
    for _ in range(levels):
        schema = {"allOf": [schema], "unevaluatedProperties": False}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "https://example.com/schema.json"},
        {"$ref": "#"},
        {"$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"},
        {"type": "nothing"},
        {"$defs": DOUBLED, **FIRST_DOUBLED},
        {"$defs": DOUBLED, "properties": {"definitions": FIRST_DOUBLED}},
        {"$defs": {"d0": {}}, "properties": {"a": {"$id": "urn:a", "$defs": DOUBLED, **FIRST_DOUBLED}}},
        within_unevaluated(45),
    ],
    ids=[
        "elsewhere",
        "itself",
        "a circle",
        "no schema",
        "doubled thirty times",
        "doubled below a property that is called as a keyword",
        "doubled below a name of its own",
        "checked twice as often at each level",
    ],
)
def test_a_schema_that_would_not_end_is_refused(client, double, schema):
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    answer = client.post("/v1/chat/completions", json={**HELLO, "response_format": wanted})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_schema"
    assert not double.history


def test_an_answers_properties_may_be_called_as_keywords_are(client, double):
    double.faults.append(Says('{"$id": "a", "$ref": "b", "definitions": 1}'))
    schema = {
        "type": "object",
        "properties": {
            "$id": {"type": "string"},
            "$ref": {"type": "string"},
            "definitions": {"type": "integer"},
            "unevaluatedProperties": {"default": {"$ref": "#"}},
        },
        "required": ["definitions"],
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    answer = client.post("/v1/chat/completions", json={**HELLO, "response_format": wanted})
    assert answer.status_code == 200, answer.text


def test_tools_and_their_answers_are_passed_through(client, double):
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    double.faults.append(Says(None, finish_reason="tool_calls", message={"tool_calls": [call]}))
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    body = {**HELLO, "tools": [tool], "tool_choice": "auto"}
    choice = client.post("/v1/chat/completions", json=body).json()["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["tool_calls"] == [call]
    assert double.history[0].body["tools"] == [tool]
    assert double.history[0].body["tool_choice"] == "auto"


def test_parameters_have_their_canonical_names_and_dropped_ones_are_told(client, double):
    body = {**HELLO, "temperature": 0.5, "max_tokens": 99999}
    answer = client.post("/v1/chat/completions", json=body)
    sent = double.history[0].body
    assert sent["temperature"] == 0.5
    assert sent["max_completion_tokens"] == 4096
    assert "max_output_tokens=99999" in answer.headers["x-imageworks-dropped"]


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": None}, None),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "pope", "content": "x"}]}, "messages[0]"),
        ({"messages": [{"role": "user"}]}, "messages[0].user.content"),
        ({"n": 3}, "n"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": 99}, None),
        ({"tool_choice": 7}, "tool_choice"),
    ],
)
def test_a_body_that_cannot_be_meant_is_refused_by_its_field(client, double, change, param):
    answer = client.post("/v1/chat/completions", json={**HELLO, **change})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert error["param"] is None if param is None else error["param"].startswith(param)
    assert not double.history


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'"x"', b"[" * 100_000])
def test_a_body_that_is_no_object_is_refused(client, body):
    answer = client.post("/v1/chat/completions", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400


def test_a_body_of_another_kind_is_refused(client):
    assert client.post("/v1/chat/completions", data={"model": "talker"}).status_code == 415


def test_a_body_that_is_too_large_is_refused_before_it_is_read(opened):
    with opened(gateway_max_body=1024) as gateway:
        answer = httpx.post(f"{gateway.url}/v1/chat/completions", json={**HELLO, "user": "x" * 2000})
    assert answer.status_code == 413


def test_nothing_is_recalled_unless_it_is_asked_for(client, double):
    first, second = (client.post("/v1/chat/completions", json=HELLO) for _ in range(2))
    assert len(double.history) == 2
    assert first.headers["x-imageworks-recalled"] == second.headers["x-imageworks-recalled"] == "false"
    recalled = [
        client.post("/v1/chat/completions", json=HELLO, headers={"X-ImageWorks-Recall": "on"})
        for _ in range(2)
    ]
    assert len(double.history) == 3
    assert recalled[1].headers["x-imageworks-recalled"] == "true"
    assert recalled[1].json()["choices"] == recalled[0].json()["choices"]


def test_a_prompt_of_the_hub_may_be_named_in_place_of_messages(client, double):
    variables = {"signals": "Sharpness: sharp (150)", "existing_keywords": [], "folder_words": []}
    prompt = {"id": "library", "stage": "caption", "variables": variables, "images": [picture()]}
    said = client.post("/v1/chat/completions", json={"model": "caption", "prompt": prompt}).json()
    assert json.loads(said["choices"][0]["message"]["content"])["caption"]
    assert "Sharpness: sharp (150)" in double.history[0].text


@pytest.mark.parametrize(
    ("prompt", "status"),
    [
        ({"id": "nobody", "stage": "caption"}, 404),
        ({"id": "library", "stage": "nothing"}, 404),
        ({"id": "library@production", "stage": "caption"}, 404),
        ({"id": "library", "stage": "caption", "variables": {"x": 1}}, 400),
        ({"id": "library@", "stage": "caption"}, 400),
    ],
)
def test_a_prompt_that_is_not_there_or_lacks_its_variables_is_refused(client, prompt, status):
    answer = client.post("/v1/chat/completions", json={"model": "talker", "prompt": prompt})
    assert answer.status_code == status
    assert answer.json()["error"]["param"] == "prompt"


@pytest.mark.parametrize(
    "more",
    [
        {"response_format": {"type": "json_object"}},
        {"tools": [{"type": "function", "function": {"name": "x"}}]},
    ],
)
def test_a_prompt_says_itself_what_its_answer_looks_like(client, double, more):
    prompt = {"id": "library", "stage": "caption", "images": [picture()]}
    answer = client.post("/v1/chat/completions", json={"model": "talker", "prompt": prompt, **more})
    assert answer.status_code == 400
    assert "leave tools and response_format out" in answer.json()["error"]["message"]
    assert not double.history


@pytest.mark.parametrize(
    "said",
    [HELLO, {"prompt": {"id": "library", "stage": "caption", "images": [picture()]}}],
    ids=["messages", "prompt"],
)
def test_a_baseline_reads_neither_messages_nor_prompts(client, said):
    answer = client.post("/v1/chat/completions", json={**said, "model": "baseline-tagger"})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "reads_no_prompt"


def test_a_request_is_named_in_and_out_and_on_to_the_server(client, double):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    named = {"X-Request-ID": "mine-1", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    answer = client.post("/v1/chat/completions", json=HELLO, headers=named)
    assert answer.headers["x-request-id"] == "mine-1"
    assert trace in answer.headers["traceparent"]
    assert trace in double.history[0].headers["traceparent"]


def test_a_server_that_is_away_is_told_as_such(tmp_path):
    with Gateway(tmp_path / "home", registry_of("http://127.0.0.1:1"), attempts=1) as gateway:
        answer = httpx.post(f"{gateway.url}/v1/chat/completions", json=HELLO)
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "connect_failed"
    assert int(answer.headers["retry-after"]) > 0


def test_a_request_takes_no_longer_than_it_may(opened, double):
    double.latency_s = 3600
    with opened() as gateway:
        answer = httpx.post(
            f"{gateway.url}/v1/chat/completions",
            json=HELLO,
            headers={"X-ImageWorks-Deadline": "0.2"},
            timeout=30,
        )
    assert answer.status_code == 504
    assert answer.json()["error"]["code"] == "deadline_exceeded"
