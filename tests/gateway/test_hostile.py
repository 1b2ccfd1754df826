"""Whatever bytes a program sends, it is told what is wrong with them, and nothing fails here."""

from __future__ import annotations

import json
import socket
from urllib.parse import quote, urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from served_gateway import Gateway, registry_of
from vllm_double import VllmDouble

POSTS = (
    "/v1/chat/completions",
    "/v1/iqa/run",
    "/v1/prompts/library/render",
    "/v1/prompts/library/revisions",
    "/v1/leases/release",
    "/v1/telemetry/query",
)
SHARED = settings(
    max_examples=30,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NAMES = st.text(min_size=1, max_size=20) | st.sampled_from(
    [
        "..",
        "%00",
        "a\x00b",
        "\u202e",
        "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
        "İ",
        "a/b",
        "@",
        "x@y@z",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda some: st.lists(some, max_size=4) | st.dictionaries(st.text(max_size=8), some, max_size=4),
    max_leaves=12,
)


# Thousands of requests.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    home = tmp_path_factory.mktemp("hostile") / "home"
    with VllmDouble() as double, Gateway(home, registry_of(double.url)) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def client(gateway):
    with httpx.Client(base_url=gateway.url, timeout=30) as client:
        yield client


def told(answer):
    """Whatever it is, it is the gateway's answer, and no failure of ours."""
    assert answer.status_code < 500 or answer.status_code == 503, answer.text
    if answer.status_code >= 400:
        error = answer.json()["error"]
        assert error["message"]
        assert error["code"] != "failed"
    return answer


@SHARED
@given(path=st.sampled_from(POSTS), body=st.binary(max_size=200))
def test_bodies_of_any_bytes(client, path, body):
    told(client.post(path, content=body, headers={"content-type": "application/json"}))


@SHARED
@given(path=st.sampled_from(POSTS), body=VALUES)
def test_bodies_of_any_json(client, path, body):
    text = json.dumps(body)
    told(client.post(path, content=text.encode("utf-8", "surrogatepass")))


@SHARED
@given(
    change=st.dictionaries(
        st.sampled_from(
            [
                "messages",
                "model",
                "tools",
                "tool_choice",
                "response_format",
                "stop",
                "seed",
                "temperature",
                "prompt",
                "stream_options",
                "max_tokens",
                "n",
                "logprobs",
                "chat_template_kwargs",
                "stream",
                "unknown",
            ]
        ),
        VALUES,
        max_size=3,
    )
)
def test_chats_of_which_some_is_odd(client, change):
    told(
        client.post(
            "/v1/chat/completions",
            content=json.dumps({"model": "talker", "messages": [{"role": "user", "content": "x"}], **change}),
        )
    )


@SHARED
@given(
    schema=st.recursive(
        st.booleans()
        | st.fixed_dictionaries(
            {"type": st.sampled_from(["string", "integer", "object", "array", "null", "x"])}
        )
        | st.fixed_dictionaries({"$ref": st.sampled_from(["#", "#/$defs/a", "#/x", "http://x", "#/%", "a"])})
        | st.fixed_dictionaries({"pattern": st.text(max_size=10)}),
        lambda some: st.dictionaries(
            st.sampled_from(["anyOf", "allOf", "not", "items", "properties", "$defs", "if", "enum", "const"]),
            some | st.lists(some, max_size=3) | st.dictionaries(st.text(max_size=3), some, max_size=3),
            max_size=4,
        ),
        max_leaves=10,
    )
)
def test_any_schema_of_an_answer(client, schema):
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    body = {"model": "talker", "messages": [{"role": "user", "content": "x"}], "response_format": wanted}
    answer = client.post("/v1/chat/completions", json=body)
    # A model cannot be held to every schema; that is told as the model's, not as ours.
    assert answer.status_code in {200, 400, 502}, answer.text


@SHARED
@given(name=NAMES, more=NAMES)
def test_names_of_any_letters_in_paths(client, name, more):
    one, other = quote(name, safe=""), quote(more, safe="")
    for path in (
        f"/v1/models/{one}",
        f"/v1/prompts/{one}",
        f"/v1/prompts/{one}/history",
        f"/v1/prompts/{one}/tests",
        f"/v1/prompts/{one}/file",
        f"/v1/prompts/{one}@{other}",
    ):
        told(client.get(path))
    told(client.put(f"/v1/prompts/{one}/labels/{other}", json={"ref": name, "why": more}))
    told(client.put(f"/v1/prompts/{one}/file", json={"text": more, "expected": None}))
    told(client.delete(f"/v1/prompts/{one}/labels/{other}", params={"why": more}))


@SHARED
@given(
    name=NAMES,
    data=st.binary(max_size=50),
    metrics=st.text(max_size=20),
    boundary=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=10),
)
def test_forms_of_any_names_and_boundaries(client, name, data, metrics, boundary):
    form = {"metrics": metrics, "model": name}
    told(client.post("/v1/iqa/run", files={"images": (name, data)}, data=form))
    headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
    content = f"--{boundary}\r\nContent-Disposition: form-data; name=x\r\n\r\n".encode() + data
    told(client.post("/v1/iqa/run", content=content, headers=headers))


HEADERS = st.sampled_from(
    [
        "Authorization",
        "Host",
        "Content-Type",
        "Content-Length",
        "Transfer-Encoding",
        "X-ImageWorks-Class",
        "X-ImageWorks-Deadline",
        "X-ImageWorks-Recall",
        "X-Request-ID",
        "traceparent",
        "Expect",
        "Connection",
        "Upgrade",
    ]
)


@SHARED
@given(headers=st.lists(st.tuples(HEADERS, st.binary(max_size=20)), max_size=4), body=st.binary(max_size=30))
def test_heads_of_any_bytes(gateway, headers, body):
    parts = urlsplit(gateway.url)
    lines = [b"%b: %b" % (name.encode(), value) for name, value in headers]
    head = b"\r\n".join(
        [b"POST /v1/telemetry/query HTTP/1.1", b"Host: 127.0.0.1", b"Connection: close", *lines, b"", b""]
    )
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as opened:
        opened.sendall(head + body)
        opened.shutdown(socket.SHUT_WR)
        said = b""
        try:
            while piece := opened.recv(65536):
                said += piece
        except ConnectionError:
            pass
    assert not said.startswith(b"HTTP/1.1 5"), said
    assert httpx.get(f"{gateway.url}/healthz").status_code == 200
