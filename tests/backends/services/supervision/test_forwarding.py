"""What is passed on to the model server, and what comes back."""

from __future__ import annotations

import asyncio
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import SimpleNamespace

import httpx
import pytest
from supervised import served_by_double, wait_until, within

from backends.services.supervision import forwarding
from backends.services.supervision.admission import Admission
from backends.services.supervision.forwarding import Forwarding

LEASE = "X-ImageWorks-Lease"


@pytest.fixture
def supervised(tmp_path):
    with within(tmp_path, {"tiny": served_by_double()}, max_body_mib=16) as one:
        one.ready("tiny", 10)
        yield one


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A supervisor for requests that leave it as it is."""
    with within(tmp_path_factory.mktemp("shared"), {"tiny": served_by_double()}) as one:
        one.ready("tiny", 10)
        yield one


def asked(supervised):
    return supervised.double("seen")["asked"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/models"),
        ("POST", "/v1/score"),
        ("DELETE", "/v1/files/7"),
        ("POST", "/infer"),
        ("GET", "/metrics"),
    ],
)
def test_requests_and_answers_pass_whatever_the_method(shared, method, path):
    answer = shared.client.request(method, f"{path}?a=%2F&b=c")

    assert (answer.status_code, answer.text) == (200, f"{method} {path}")
    assert [(one["method"], one["path"]) for one in asked(shared)][-1:] == [(method, f"{path}?a=%2F&b=c")]


def test_the_models_health_passes_too(shared):
    assert shared.client.get("/health").status_code == 200


def test_an_answer_to_head_passes_without_a_body(shared):
    answer = shared.client.head("/v1/models")

    assert (answer.status_code, answer.headers["x-head"]) == (200, "yes")


def test_status_and_headers_pass_save_those_of_one_connection(shared):
    answer = shared.client.get("/v1/teapot")

    assert (answer.status_code, answer.text) == (418, "short and stout")
    assert (answer.headers["x-kept"], answer.headers["set-cookie"]) == ("yes", "a=1")
    assert "x-gone" not in answer.headers
    assert "BaseHTTP" in answer.headers["server"]


def test_a_cookie_of_one_client_is_not_sent_for_another(supervised):
    supervised.client.get("/v1/teapot")
    httpx.get(f"{supervised.url}/v1/models")

    assert all("cookie" not in dict(one["headers"]) for one in asked(supervised))


def test_request_headers_pass_save_the_lease_and_those_of_one_connection(supervised):
    sent = {"X-Mine": "é".encode(), LEASE: b"10", "Connection": b"X-Once", "X-Once": b"1", "TE": b"trailers"}
    httpx.get(f"{supervised.url}/v1/models", headers=sent)

    (one,) = asked(supervised)
    headers = {name.lower(): value for name, value in one["headers"]}
    assert headers["x-mine"].encode("latin-1") == "é".encode()
    assert not {"x-imageworks-lease", "x-once", "te", "connection"} & headers.keys()
    assert headers["host"] == supervised.child_url.removeprefix("http://")


def test_a_body_passes_as_it_is_with_its_length_or_in_chunks(supervised):
    body = bytes(range(256)) * 4096
    supervised.client.post("/v1/one", content=body)
    supervised.client.post("/v1/two", content=iter([body[:1000], body[1000:]]))

    assert [one["body"].encode("latin-1") == body for one in asked(supervised)] == [True, True]
    assert "content-length" in dict(asked(supervised)[0]["headers"])
    assert "content-length" not in {name.lower() for name, _ in asked(supervised)[1]["headers"]}


def test_a_stream_arrives_piece_by_piece(supervised):
    with supervised.client.stream("POST", "/v1/chat/completions", json={"stream": True}) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        pieces = answer.iter_bytes()
        # The next piece is made only when the one before it has arrived here.
        for number in range(3):
            assert next(pieces) == b"data: %d\n\n" % number
            if number < 2:
                supervised.double("go-on")
        assert next(pieces, None) is None


@pytest.mark.parametrize(
    "request_", [{"stream": True}, {"wait": True}], ids=["streaming", "before the answer"]
)
def test_a_client_that_goes_away_cancels_its_request(supervised, request_):
    body = json.dumps(request_).encode()
    with socket.create_connection(("127.0.0.1", int(supervised.url.rpartition(":")[2]))) as client:
        client.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%s"
            % (len(body), body)
        )
        wait_until(lambda: asked(supervised), "the request arrives")
        assert supervised.active()["in_flight"] == 1

    wait_until(lambda: supervised.double("seen")["cancelled"] == 1, "the request is cancelled")
    wait_until(lambda: supervised.active()["in_flight"] == 0, "nothing is in flight")


def test_an_upload_is_taken_from_the_client_no_faster_than_the_server_takes_it(supervised):
    size = 16 * 1024 * 1024
    with socket.create_connection(("127.0.0.1", int(supervised.url.rpartition(":")[2]))) as client:
        client.sendall(b"POST /v1/swallow HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % size)
        client.setblocking(False)
        sent, stuck = 0, 0
        # Nothing is swallowed yet: what is sent stands in buffers, which soon are full.
        while stuck < 20:
            try:
                sent += client.send(b"x" * 65536)
                stuck = 0
            except BlockingIOError:
                stuck += 1
                supervised.state()
        assert sent < size
        client.setblocking(True)

        with ThreadPoolExecutor(1) as sending:
            rest = sending.submit(client.sendall, b"x" * (size - sent))
            for _ in range(size >> 20):
                supervised.double("go-on")
            rest.result()
        answer = client.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200")
    assert supervised.double("seen")["received"] == size


def connected(supervised):
    return socket.create_connection(("127.0.0.1", int(supervised.url.rpartition(":")[2])))


def test_a_client_that_stops_in_its_body_is_told_and_frees_its_place(supervised, monkeypatch):
    monkeypatch.setattr(forwarding, "READ_S", 0.2)
    with connected(supervised) as client:
        client.sendall(b"POST /v1/one HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\nhalf ")
        answer = b"".join(iter(lambda: client.recv(65536), b""))

    assert answer.startswith(b"HTTP/1.1 408")
    assert b'"request_timeout"' in answer
    assert supervised.active()["in_flight"] == 0


def test_only_a_body_has_to_come_in_time(supervised, monkeypatch):
    monkeypatch.setattr(forwarding, "READ_S", 0.2)
    with ThreadPoolExecutor(1) as callers:
        waiting = callers.submit(supervised.client.post, "/v1/chat/completions", json={"wait": True})
        wait_until(lambda: asked(supervised), "the request arrives")
        # One that does not come in time ends after this one has begun to wait for its answer.
        with connected(supervised) as client:
            client.sendall(b"POST /v1/one HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\nhalf ")
            assert client.recv(65536).startswith(b"HTTP/1.1 408")
        supervised.double("go-on")
        assert waiting.result().status_code == 200


def test_an_upload_that_the_server_does_not_take_frees_its_place(supervised, monkeypatch):
    monkeypatch.setattr(forwarding, "TAKE_S", 0.2)
    size = 16 * 1024 * 1024
    with connected(supervised) as client, ThreadPoolExecutor(1) as sending:
        client.sendall(b"POST /v1/swallow HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % size)
        sent = sending.submit(client.sendall, b"x" * size)
        answer = client.recv(65536)
        client.shutdown(socket.SHUT_RDWR)
        sent.exception()

    assert answer.startswith(b"HTTP/1.1 502")
    assert supervised.active()["in_flight"] == 0


@pytest.mark.anyio
async def test_a_client_that_leaves_while_the_server_takes_nothing_is_seen():
    class TakesNothing:
        """As aiohttp does once the connection's buffers are full."""

        is_left = False

        async def ask(self, *_):
            try:
                await asyncio.Event().wait()
            finally:
                self.is_left = True

    server, in_flight = TakesNothing(), Admission(0)
    supervisor = SimpleNamespace(
        configuration=SimpleNamespace(max_body_mib=16), admitted=lambda _: in_flight.counted()
    )
    messages = [{"type": "http.request", "body": b"x" * 65536, "more_body": True}] * 4
    messages.append({"type": "http.disconnect"})
    scope = {
        "method": "POST",
        "path": "/v1/one",
        "raw_path": b"/v1/one",
        "query_string": b"",
        "headers": [(b"content-length", b"1048576")],
    }

    async def receive():
        return messages.pop(0)

    async with asyncio.timeout(30):
        await Forwarding(supervisor, server)(scope, receive, None)

    assert server.is_left
    assert in_flight.in_flight == 0


def test_an_answer_before_the_end_of_the_request_passes(shared):
    answer = shared.client.post("/v1/refuse-early", content=b"x" * 100)

    assert answer.status_code == 400


@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "in chunks"])
def test_a_body_beyond_the_bound_is_refused(supervised, chunked):
    piece = b"x" * (1024 * 1024)
    content = (piece for _ in range(17)) if chunked else piece * 17

    assert supervised.refusal(supervised.client.post("/v1/big", content=content)) == (413, "body_too_large")
    wait_until(lambda: supervised.active()["in_flight"] == 0, "nothing is in flight")
    assert supervised.client.post("/v1/fits", content=piece * 16).status_code == 200


def test_a_head_without_end_is_refused_and_the_next_request_is_answered(shared):
    with connected(shared) as client, suppress(ConnectionError):
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 1024 * 1024)
        client.sendall(b"\r\n\r\n")
        assert client.recv(65536)[:10] in {b"HTTP/1.1 4", b""}

    assert shared.client.get("/v1/models").status_code == 200


def test_without_a_lease_requests_are_served(shared):
    assert shared.client.get("/v1/models").status_code == 200


def test_a_lease_of_this_activation_is_served(shared):
    for token in ("10", "11", "9223372036854775807"):
        assert shared.client.get("/v1/models", headers={LEASE: token}).status_code == 200


def test_a_lease_from_before_this_activation_is_refused(supervised):
    assert supervised.refusal(supervised.client.get("/v1/models", headers={LEASE: "9"})) == (
        409,
        "stale_lease",
    )
    assert asked(supervised) == []


def test_a_raised_activation_makes_older_leases_stale(supervised):
    supervised.activate("tiny", 20)

    assert supervised.refusal(supervised.client.get("/v1/models", headers={LEASE: "19"})) == (
        409,
        "stale_lease",
    )
    assert supervised.client.get("/v1/models", headers={LEASE: "20"}).status_code == 200


def test_a_revoked_lease_is_refused_until_another_activation(supervised):
    assert supervised.client.post("/revoke", json={"tokens": [12, 13]}).status_code == 200

    answer = supervised.client.get("/v1/models", headers={LEASE: "12"})

    assert supervised.refusal(answer) == (409, "stale_lease")
    assert supervised.client.get("/v1/models", headers={LEASE: "14"}).status_code == 200
    supervised.deactivate(10)
    supervised.ready("tiny", 10)
    assert supervised.client.get("/v1/models", headers={LEASE: "12"}).status_code == 200


@pytest.mark.parametrize("lease", ["", "x", "-1", "1.5", "1" * 30, "10, 11"])
def test_a_lease_that_is_no_token_is_refused(shared, lease):
    answer = shared.client.get("/v1/models", headers={LEASE: lease})

    assert shared.refusal(answer) == (400, "bad_request")


@pytest.mark.parametrize(
    "path", ["/v1/../double/exit", "/v1/%2e%2e/double/exit", "/v1/./x", "/v1/..%5cdouble/exit"]
)
def test_a_path_with_dots_in_it_is_refused(shared, path):
    with socket.create_connection(("127.0.0.1", int(shared.url.rpartition(":")[2]))) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: client.recv(65536), b""))

    assert answer.startswith(b"HTTP/1.1 400")
    assert shared.active()["restarts"] == 0


def test_without_an_active_model_requests_are_refused(tmp_path):
    with within(tmp_path, {"tiny": served_by_double()}) as supervised:
        for path in ("/v1/models", "/infer", "/health", "/metrics"):
            assert supervised.refusal(supervised.client.get(path)) == (503, "not_ready")


def test_a_model_that_is_loading_asks_to_come_back(tmp_path):
    gate = tmp_path / "loaded"
    with within(tmp_path, {"tiny": served_by_double("--ready-when", gate)}) as supervised:
        supervised.activate()
        answer = supervised.client.get("/v1/models")
        assert supervised.refusal(answer) == (503, "not_ready")
        assert int(answer.headers["retry-after"]) > 0

        gate.touch()
        supervised.until("ready")
        assert supervised.client.get("/v1/models").status_code == 200


def test_draining_lets_requests_in_flight_end_and_no_new_one_in(supervised):
    with (
        ThreadPoolExecutor(1) as callers,
        supervised.client.stream("POST", "/v1/chat/completions", json={"stream": True}) as answer,
    ):
        pieces = answer.iter_bytes()
        assert next(pieces) == b"data: 0\n\n"
        deactivation = callers.submit(supervised.deactivate, 11)
        assert supervised.until("draining")["in_flight"] == 1
        refused = supervised.client.get("/v1/models")
        assert supervised.refusal(refused) == (503, "not_ready")
        assert not deactivation.done()

        supervised.double("go-on")
        supervised.double("go-on")
        assert b"".join(pieces) == b"data: 1\n\ndata: 2\n\n"
        assert deactivation.result().json()["active"] is None


def test_draining_has_an_end(tmp_path):
    with within(tmp_path, {"tiny": served_by_double(drain_s=0.1)}) as supervised:
        supervised.ready()
        with supervised.client.stream("POST", "/v1/chat/completions", json={"stream": True}) as answer:
            assert supervised.deactivate().json()["active"] is None
            with pytest.raises(httpx.RemoteProtocolError):
                answer.read()


def test_a_server_that_breaks_off_in_an_answer_breaks_the_answer_off(supervised):
    with supervised.client.stream("POST", "/v1/chat/completions", json={"stream": True}) as answer:
        supervised.crash()
        with pytest.raises(httpx.RemoteProtocolError):
            answer.read()


def test_a_server_that_breaks_off_before_an_answer_is_told(supervised):
    with ThreadPoolExecutor(1) as callers:
        waiting = callers.submit(supervised.client.post, "/v1/chat/completions", json={"wait": True})
        wait_until(lambda: asked(supervised), "the request arrives")
        supervised.crash()

        assert supervised.refusal(waiting.result()) == (502, "server_broke")
