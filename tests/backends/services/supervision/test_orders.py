"""The control routes: which orders are followed, which are refused, and what the state says."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from supervised import KEY_VARIABLE, lives, served_by_double, wait_until, within

from backends.services.supervision.admission import MOST_REVOKED

pytestmark = pytest.mark.slow

HOST = {"name": "club-pc", "kind": "host", "memory_mib": 32_000}
CARD = {"name": "gpu-0", "kind": "whole", "memory_mib": 16_384, "uuid": "GPU-1"}


@pytest.fixture
def two_models(tmp_path):
    with within(tmp_path, {"tiny": served_by_double(), "other": served_by_double()}, device=HOST) as one:
        yield one


@pytest.fixture(scope="module")
def idle(tmp_path_factory):
    """A supervisor for orders that leave it as it is."""
    with within(tmp_path_factory.mktemp("idle"), {"tiny": served_by_double()}) as one:
        yield one


def test_it_says_that_it_lives_and_that_nothing_is_active(two_models):
    assert two_models.client.get("/healthz").json() == {"status": "ok"}

    state = two_models.state()

    assert state.pop("boot")
    assert state == {
        "service": "imageworks-supervisor",
        "version": 1,
        "token": 0,
        "provider": "vllm",
        "device": {**HOST, "uuid": None, "mig_profile": None, "used_mib": 0},
        "models": ["tiny", "other"],
        "active": None,
    }


def test_an_activated_model_is_started_and_becomes_ready(two_models):
    answer = two_models.activate("tiny", 7)

    assert answer.status_code == 202
    assert answer.json()["active"]["state"] == "starting"
    active = two_models.until("ready")
    assert (active["model"], active["token"], active["restarts"]) == ("tiny", 7, 0)
    assert active["pid"] == two_models.double("seen")["pid"]
    assert active["rss_mib"] > 0
    assert active["error"] is None
    assert active["log_tail"] == []


def test_a_hosts_used_memory_is_what_the_servers_processes_hold(two_models):
    two_models.ready()

    state = two_models.state()

    assert state["device"]["used_mib"] > 0
    assert state["device"]["used_mib"] == state["active"]["rss_mib"]


def test_of_a_card_it_does_not_claim_to_know_the_used_memory(tmp_path):
    with within(tmp_path, {"tiny": served_by_double()}, device=CARD) as supervised:
        assert supervised.state()["device"] == {**CARD, "mig_profile": None, "used_mib": None}


def test_a_deactivated_model_is_gone_with_all_its_processes(tmp_path):
    pids = tmp_path / "pids"
    double = served_by_double("--workers", 1, "--escaped-workers", 1, "--pids", pids)
    with within(tmp_path, {"tiny": double}) as supervised:
        supervised.ready()
        tree = [int(line) for line in pids.read_text().split()]
        assert len(tree) == 3

        answer = supervised.deactivate(2)

        assert answer.status_code == 200
        assert answer.json()["active"] is None
        assert not any(lives(pid) for pid in tree)


def test_a_server_that_ignores_sigterm_is_killed(tmp_path):
    with within(tmp_path, {"tiny": served_by_double("--ignore-sigterm", stop_s=0.1)}) as supervised:
        pid = supervised.ready()["pid"]

        assert supervised.deactivate().json()["active"] is None
        assert not lives(pid)


def test_a_model_that_is_still_loading_can_be_deactivated(tmp_path):
    with within(
        tmp_path, {"tiny": served_by_double("--ready-when", tmp_path / "never")}, watch={"timeout_s": 5}
    ) as supervised:
        supervised.activate()
        wait_until(lambda: supervised.active()["pid"], "the server is started")
        pid = supervised.active()["pid"]

        assert supervised.deactivate().json()["active"] is None
        assert not lives(pid)


def test_with_nothing_active_there_is_nothing_to_deactivate(idle):
    assert idle.deactivate().json()["active"] is None


def test_another_model_can_be_activated_once_the_first_is_gone(two_models):
    two_models.ready("tiny", 1)
    two_models.deactivate(2)

    assert two_models.ready("other", 3)["model"] == "other"


def test_activating_the_same_model_again_raises_its_token_and_starts_nothing(two_models):
    first = two_models.ready("tiny", 1)

    again = two_models.activate("tiny", 5).json()["active"]

    assert (again["pid"], again["state"], again["token"]) == (first["pid"], "ready", 5)


def test_an_unknown_model_is_refused_with_the_names_there_are(two_models):
    answer = two_models.activate("huge", 1)

    assert two_models.refusal(answer) == (404, "unknown_model")
    assert "tiny, other" in answer.json()["error"]["message"]


def test_another_model_is_refused_while_one_is_active(two_models):
    two_models.ready("tiny", 1)

    assert two_models.refusal(two_models.activate("other", 2)) == (409, "busy")
    assert two_models.active()["token"] == 1


def test_orders_with_an_older_token_are_refused_for_ever(two_models):
    two_models.ready("tiny", 5)

    assert two_models.refusal(two_models.activate("tiny", 4)) == (409, "stale_token")
    assert two_models.refusal(two_models.deactivate(4)) == (409, "stale_token")
    assert two_models.active()["state"] == "ready"
    two_models.deactivate(6)
    assert two_models.refusal(two_models.activate("tiny", 5)) == (409, "stale_token")


def test_a_refused_order_does_not_make_others_stale(two_models):
    two_models.ready("tiny", 1)
    two_models.activate("other", 100)
    two_models.activate("huge", 100)

    assert two_models.deactivate(2).status_code == 200


def test_several_who_deactivate_at_once_all_wait_for_the_same_end(tmp_path):
    with within(tmp_path, {"tiny": served_by_double("--workers", 2)}) as supervised:
        supervised.ready()
        with ThreadPoolExecutor(4) as callers:
            answers = list(callers.map(supervised.deactivate, [2] * 4))

        assert [answer.status_code for answer in answers] == [200] * 4
        assert [answer.json()["active"] for answer in answers] == [None] * 4


def test_of_many_who_activate_at_once_one_model_becomes_active(two_models):
    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(two_models.activate, ["tiny", "other"] * 4, [1] * 8))

    accepted = {answer.json()["active"]["model"] for answer in answers if answer.status_code == 202}
    assert len(accepted) == 1
    assert sorted({answer.status_code for answer in answers}) == [202, 409]
    assert two_models.until("ready")["model"] in accepted


def test_activations_and_deactivations_all_at_once_leave_one_server_or_none(two_models, tmp_path):
    def order(number):
        return two_models.deactivate(number) if number % 3 == 0 else two_models.activate("tiny", number)

    with ThreadPoolExecutor(6) as callers:
        answers = list(callers.map(order, range(1, 31)))

    assert {answer.status_code for answer in answers} <= {200, 202, 409}
    assert two_models.deactivate(31).json()["active"] is None
    assert two_models.ready("tiny", 32)["state"] == "ready"


def test_a_model_on_its_way_out_is_not_activated(two_models):
    two_models.ready()
    with (
        ThreadPoolExecutor(2) as callers,
        two_models.client.stream("POST", "/v1/chat/completions", json={"stream": True}) as stream,
    ):
        deactivation = callers.submit(two_models.deactivate, 2)
        two_models.until("draining")
        assert two_models.refusal(two_models.activate("tiny", 3)) == (409, "busy")
        for _ in range(2):
            two_models.double("go-on")
        assert b"data: 2" in stream.read()
        assert deactivation.result().json()["active"] is None


def test_the_state_can_be_waited_for(two_models):
    with ThreadPoolExecutor(1) as callers:
        waiting = callers.submit(two_models.client.get, "/state", params={"wait_s": 30, "not": "none"})
        wait_until(lambda: two_models.supervisor._changes._waiters, "the question waits for a change")
        two_models.activate()

        assert waiting.result().json()["active"]["state"] in {"starting", "ready"}


def test_waiting_for_a_state_ends_when_the_time_is_over(idle):
    answer = idle.client.get("/state", params={"wait_s": 0.05, "not": "none"})

    assert answer.json()["active"] is None


def test_the_last_lines_that_the_server_wrote_are_shown_also_when_it_is_gone(two_models):
    two_models.ready()
    for number in range(3):
        two_models.double("say", text=f"line {number}")
    two_models.deactivate()

    answer = two_models.client.get("/logs", params={"lines": 2})

    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text == "line 1\nline 2\n"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/activate", {"model": "tiny"}),
        ("/activate", {"model": "tiny", "token": "1"}),
        ("/activate", {"model": "tiny", "token": True}),
        ("/activate", {"model": "tiny", "token": -1}),
        ("/activate", {"model": "tiny", "token": 2**63}),
        ("/activate", {"model": ["tiny"], "token": 1}),
        ("/activate", {"model": "tiny", "token": 1, "command": ["sh", "-c", "id"]}),
        ("/activate", {"model": "x" * 200, "token": 1}),
        ("/activate", []),
        ("/deactivate", {}),
        ("/revoke", {"tokens": 1}),
        ("/revoke", {"tokens": list(range(1001))}),
    ],
)
def test_an_order_that_is_not_as_agreed_is_refused_and_changes_nothing(idle, path, body):
    assert idle.refusal(idle.client.post(path, json=body)) == (400, "bad_request")
    assert idle.state()["active"] is None


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 60_000, b"\xff", b" " * 70_000])
def test_an_order_that_is_no_json_or_too_long_is_refused(idle, body):
    answer = idle.client.post("/activate", content=body, headers={"Content-Type": "application/json"})

    assert idle.refusal(answer) == (400, "bad_request")


def test_an_order_that_a_page_in_a_browser_could_send_is_refused(idle):
    answer = idle.client.post(
        "/activate",
        content=json.dumps({"model": "tiny", "token": 1}),
        headers={"Content-Type": "text/plain"},
    )

    assert idle.refusal(answer) == (400, "bad_request")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example"])
@pytest.mark.parametrize("path", ["/state", "/v1/models"])
def test_a_request_that_names_another_host_is_refused(idle, host, path):
    assert idle.refusal(idle.client.get(path, headers={"Host": host})) == (400, "bad_request")


@pytest.mark.parametrize("query", ["wait_s=nan&not=none", "wait_s=-1&not=none", f"not={'x' * 99}"])
def test_a_question_about_the_state_that_cannot_be_read_is_refused(idle, query):
    assert idle.refusal(idle.client.get(f"/state?{query}")) == (400, "bad_request")


def test_too_many_log_lines_are_refused(idle):
    assert idle.refusal(idle.client.get("/logs?lines=1000000")) == (400, "bad_request")


def test_what_is_neither_a_route_nor_forwarded_is_not_found(two_models):
    two_models.ready()

    for path in ("/", "/docs", "/openapi.json", "/sleep", "/v2/models"):
        assert two_models.refusal(two_models.client.get(path)) == (404, "not_found")
    assert two_models.double("seen")["asked"] == []


def test_a_route_asked_the_wrong_way_says_so(idle):
    assert idle.refusal(idle.client.get("/activate")) == (405, "method_not_allowed")


def test_only_so_many_revoked_leases_are_remembered_and_none_is_forgotten(two_models):
    two_models.ready()
    for start in range(0, MOST_REVOKED, 1000):
        tokens = list(range(1000 + start, 2000 + start))
        assert two_models.client.post("/revoke", json={"tokens": tokens}).status_code == 200

    answer = two_models.client.post("/revoke", json={"tokens": [50]})

    assert two_models.refusal(answer) == (409, "too_many_revoked")
    forwarded = two_models.client.get("/v1/models", headers={"X-ImageWorks-Lease": "1000"})
    assert two_models.refusal(forwarded) == (409, "stale_lease")


class TestWithAKey:
    @pytest.fixture
    def guarded(self, tmp_path, monkeypatch):
        monkeypatch.setenv("OTHER_VARIABLE", "kept")
        with within(tmp_path, {"tiny": served_by_double()}, key="s3cret") as one:
            yield one

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/state"),
            ("GET", "/logs"),
            ("POST", "/activate"),
            ("POST", "/deactivate"),
            ("POST", "/revoke"),
        ],
    )
    def test_control_routes_are_refused_without_it(self, guarded, method, path):
        for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "s3cret"}):
            answer = httpx.request(method, guarded.url + path, headers=given, json={})
            assert guarded.refusal(answer) == (401, "unauthorized")
            assert "s3cret" not in answer.text

    def test_health_and_forwarded_routes_need_none(self, guarded):
        guarded.ready()

        assert httpx.get(f"{guarded.url}/healthz").status_code == 200
        assert httpx.get(f"{guarded.url}/v1/models").status_code == 200

    def test_it_may_be_asked_by_any_name(self, guarded):
        assert guarded.client.get("/state", headers={"Host": "club-pc"}).status_code == 200

    def test_the_model_servers_own_key_is_passed_on(self, guarded):
        guarded.ready()
        httpx.get(f"{guarded.url}/v1/models", headers={"Authorization": "Bearer for-the-model"})

        (asked,) = guarded.double("seen")["asked"]
        assert ["authorization", "Bearer for-the-model"] in asked["headers"]
        assert KEY_VARIABLE not in guarded.double("seen")["environ"]
