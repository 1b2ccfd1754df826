"""The gateway on its socket: heads and bodies are bounded, and who leaves is asked for no longer."""

from __future__ import annotations

import json
import socket
import time
from urllib.parse import urlsplit

import httpx
import pytest
from vllm_double import Says

from gateway.serving import MAX_HEAD_BYTES
from store.home import Home
from telemetry.catalog import connect

HELLO = {"model": "talker", "messages": [{"role": "user", "content": "Hello"}]}
CHAT = "/v1/chat/completions"


def connected(gateway):
    parts = urlsplit(gateway.url)
    opened = socket.create_connection((parts.hostname, parts.port), timeout=30)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return opened


def head_of(path=CHAT, method="POST", **headers):
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: 127.0.0.1",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def all_of(opened):
    pieces = []
    try:
        while piece := opened.recv(65536):
            pieces.append(piece)
    except ConnectionError:
        pass
    return b"".join(pieces)


def events_of(gateway):
    with connect(Home.of(gateway.settings)) as catalog:
        return catalog.execute("SELECT stage, status FROM events").fetchall()


def becomes(read, wanted):
    """Read again and again until it is so; what is waited for is another thread's doing."""
    deadline = time.monotonic() + 30
    while (found := read()) != wanted:
        assert time.monotonic() < deadline, found
        time.sleep(0.01)


@pytest.mark.parametrize("count", [1, 70], ids=["one long line", "many lines"])
def test_a_head_that_is_too_long_is_refused(gateway, count):
    with connected(gateway) as opened:
        length = (MAX_HEAD_BYTES + 1000) // count
        opened.sendall(head_of("/healthz", "GET", **{f"x-{n}": "y" * length for n in range(count)}))
        assert all_of(opened).startswith(b"HTTP/1.1 400")


def test_a_head_without_end_is_closed(gateway):
    with connected(gateway) as opened:
        opened.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nx-endless: ")
        with pytest.raises(ConnectionError):
            opened.sendall(b"y" * 50_000_000)


def test_a_head_within_its_bound_is_read(gateway):
    with connected(gateway) as opened:
        opened.sendall(
            head_of("/healthz", "GET", **{"x-long": "y" * (MAX_HEAD_BYTES - 500), "connection": "close"})
        )
        assert all_of(opened).startswith(b"HTTP/1.1 200")


def test_large_bodies_and_many_requests_of_one_connection_are_no_head(client):
    body = {**HELLO, "messages": [{"role": "user", "content": "x" * 300_000}]}
    assert [client.post(CHAT, json=body).status_code for _ in range(3)] == [200] * 3


def test_a_body_that_comes_too_slowly_is_not_waited_for(gateway, monkeypatch, double):
    monkeypatch.setattr("gateway.bodies.READ_S", 0.2)
    with connected(gateway) as opened:
        opened.sendall(head_of(**{"content-type": "application/json", "content-length": "1000"}) + b"{")
        answer = opened.recv(65536)
    assert answer.startswith(b"HTTP/1.1 504")
    assert b"deadline_exceeded" in answer
    assert not double.history


def test_a_body_that_breaks_off_asks_nothing(gateway, double):
    with connected(gateway) as opened:
        opened.sendall(head_of(**{"content-type": "application/json", "content-length": "1000"}) + b"{")
    assert httpx.get(f"{gateway.url}/healthz").status_code == 200
    assert not double.history


def test_a_body_that_says_a_wrong_size_is_held_to_what_comes(gateway):
    with connected(gateway) as opened:
        opened.sendall(head_of(**{"content-length": "-5"}))
        assert all_of(opened).startswith(b"HTTP/1.1 400")


@pytest.mark.anyio
async def test_who_leaves_before_a_whole_answer_is_asked_for_no_longer(gateway, double):
    double.latency_s = 3600
    body = json.dumps(HELLO).encode()
    with connected(gateway) as opened:
        opened.sendall(head_of(**{"content-type": "application/json", "content-length": len(body)}) + body)
        await double.has_been_asked(1)
    await double.has_none_open()
    becomes(lambda: events_of(gateway), [("gateway/chat", "canceled")])
    becomes(gateway.app.state.parts.admission.under_way.total, 0)


@pytest.mark.anyio
async def test_who_leaves_in_the_middle_of_a_stream_is_asked_for_no_longer(gateway, double):
    double.token_s = 0.2
    body = json.dumps({**HELLO, "stream": True}).encode()
    with connected(gateway) as opened:
        opened.sendall(head_of(**{"content-type": "application/json", "content-length": len(body)}) + body)
        assert b"200 OK" in opened.recv(65536)
    await double.has_none_open()
    becomes(lambda: events_of(gateway), [("gateway/chat", "canceled")])
    becomes(gateway.app.state.parts.admission.under_way.total, 0)


@pytest.mark.anyio
async def test_who_leaves_while_they_wait_to_be_let_in_asks_nothing(opened, double):
    double.latency_s = 3600
    with opened(gateway_at_once=1) as gateway:
        admission = gateway.app.state.parts.admission
        body = json.dumps(HELLO).encode()
        sent = head_of(**{"content-type": "application/json", "content-length": len(body)}) + body
        with connected(gateway) as first, connected(gateway) as second:
            first.sendall(sent)
            await double.has_been_asked(1)
            second.sendall(sent)
            becomes(lambda: admission.waiting_of("interactive"), 1)
            second.close()
            becomes(lambda: admission.waiting_of("interactive"), 0)
        await double.has_none_open()
        becomes(admission.under_way.total, 0)
    assert len(double.history) == 1


def test_who_takes_nothing_of_a_stream_keeps_nothing(gateway, double, monkeypatch):
    monkeypatch.setattr("gateway.chat.routes.TAKE_S", 0.2)
    double.faults.append(Says("word " * 1_500_000))
    body = json.dumps({**HELLO, "stream": True}).encode()
    with connected(gateway) as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        opened.sendall(head_of(**{"content-type": "application/json", "content-length": len(body)}) + body)
        becomes(lambda: [status for _, status in events_of(gateway)], ["error"])
    becomes(gateway.app.state.parts.admission.under_way.total, 0)
