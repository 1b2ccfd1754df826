"""The outermost of the gateway: hosts, names of requests, what browsers may do, and figures."""

from __future__ import annotations

import httpx
import pytest
from supervised import wait_until

from gateway.tracing import trace_of

HELLO = {"model": "talker", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8700", "127.0.0.1.evil.example", "", "[::2]", "a b"]
)
def test_a_page_that_gave_its_name_our_address_gets_nothing(client, double, host):
    answer = client.post("/v1/chat/completions", json=HELLO, headers={"Host": host})
    assert answer.status_code == 400
    assert "Host" in answer.json()["error"]["message"]
    assert not double.history


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1", "[::1]:8700", "LOCALHOST"])
def test_this_machine_is_asked_by_any_of_its_names(client, host):
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://127.0.0.1.evil.example"]
)
def test_a_page_of_another_site_gets_nothing_from_the_browser_of_who_may(client, double, origin):
    for path in ("/v1/chat/completions", "/v1/prompt/reload", "/v1/leases/release"):
        # A page may send this without asking first.
        answer = client.post(path, content=b"{}", headers={"Origin": origin, "Content-Type": ""})
        assert answer.status_code == 403
        assert answer.json()["error"]["code"] == "other_site"
    assert client.get("/v1/whoami", headers={"Origin": origin}).status_code == 403
    assert not double.history


def test_a_page_of_our_own_is_answered(client, gateway):
    assert client.get("/v1/whoami", headers={"Origin": gateway.url}).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/v1/models", "/nothing", "/v1/models/nobody"])
def test_every_answer_is_named_and_bounds_what_a_browser_may_do(client, path):
    headers = client.get(path).headers
    assert headers["x-request-id"].startswith("req_")
    assert headers["traceparent"].startswith("00-")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "server" not in headers
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("given", ["x" * 129, "with space", "with\u00e9", "", "a;b", '"quoted"'])
def test_a_name_that_could_do_harm_in_a_log_is_not_taken(given):
    trace = trace_of([(b"x-request-id", given.encode())])
    assert trace.request_id.startswith("req_")


@pytest.mark.parametrize(
    "given",
    ["", "00-" + "0" * 32 + "-" + "1" * 16 + "-01", "00-xyz", "00-" + "A" * 32 + "-" + "1" * 16 + "-01"],
)
def test_a_trace_that_is_none_is_made_up(given):
    trace = trace_of([(b"traceparent", given.encode())])
    assert len(trace.trace_id) == 32
    assert int(trace.trace_id, 16)


def test_a_path_that_nothing_serves_and_a_method_that_it_does_not_take(client):
    nothing = client.get("/v1/nothing/" + "x" * 500)
    assert nothing.status_code == 404
    assert nothing.json()["error"]["code"] == "no_route"
    other = client.delete("/v1/models")
    assert other.status_code == 405
    assert other.headers["allow"] == "GET"
    assert other.json()["error"]["code"] == "method_not_allowed"


def test_what_goes_wrong_here_is_told_to_our_log_alone(gateway, client, monkeypatch, caplog):
    def breaks():
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr(gateway.app.state.parts.meters, "text", breaks)
    answer = client.get("/metrics", headers={"x-request-id": "mine-1"})
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "mine-1" in answer.json()["error"]["message"]
    # The log has it once the answer is on its way.
    wait_until(lambda: "mine-1" in caplog.text, "the log tells of it")


def test_figures_have_few_labels_whatever_is_asked(client):
    for number in range(30):
        client.get(f"/v1/nothing/{number}")
        client.get(f"/v1/models/nobody-{number}")
        client.get(f"/v1/prompts/nobody-{number}")
        client.post("/v1/chat/completions", json={**HELLO, "model": f"nobody-{number}"})
        client.request(f"ODD{number}", "/v1/models")
    client.post("/v1/chat/completions", json=HELLO)
    figures = client.get("/metrics")
    assert figures.headers["content-type"].startswith("text/plain")
    lines = figures.text.splitlines()
    assert not [line for line in lines if "nobody" in line or "/v1/nothing" in line or "ODD" in line]
    routes = {line.split('route="')[1].split('"')[0] for line in lines if 'route="' in line}
    assert routes <= {
        "other",
        "/v1/models",
        "/v1/models/{name:path}",
        "/v1/prompts/{ref}",
        "/v1/chat/completions",
    }
    assert any(
        line.startswith('imageworks_gateway_tokens_total{kind="output",model="talker"}') for line in lines
    )
    assert 'imageworks_gateway_waiting{class="batch"} 0.0' in lines


def test_it_is_ready_until_it_is_about_to_stop(gateway, client):
    assert client.get("/readyz").json() == {"status": "ready"}
    gateway.app.state.parts.admission.close()
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "stopping"
    asked = client.post("/v1/chat/completions", json=HELLO)
    assert asked.status_code == 503
    assert int(asked.headers["retry-after"]) > 0
    assert client.get("/healthz").status_code == 200


def test_it_is_not_ready_without_its_database(gateway, client):
    gateway.app.state.parts.database.close()
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "database" in answer.json()["error"]["message"]


def test_a_description_of_all_routes_is_there_and_its_parts_are_whole(client):
    said = client.get("/openapi.json").json()
    defined = said["components"]["schemas"]
    refs = set()

    def walk(part):
        if isinstance(part, dict):
            if isinstance(ref := part.get("$ref"), str):
                refs.add(ref)
            for value in part.values():
                walk(value)
        elif isinstance(part, list):
            for value in part:
                walk(value)

    walk(said)
    assert refs
    assert all(ref.removeprefix("#/components/schemas/") in defined for ref in refs)
    for path, methods in said["paths"].items():
        for operation in methods.values():
            assert "422" not in operation["responses"], path
            assert "401" in operation["responses"], path
            assert operation["responses"]["200"]["content"], path


def test_errors_are_of_the_protocols_shape(client):
    error = client.get("/v1/models/nobody").json()
    assert set(error) == {"error"}
    assert set(error["error"]) == {"message", "type", "param", "code"}
    assert httpx.codes.is_client_error(client.get("/v1/models/nobody").status_code)
