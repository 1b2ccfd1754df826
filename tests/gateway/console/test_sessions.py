"""Who is let into the console, for how long, and what forms have to send along."""

from __future__ import annotations

import re

import httpx
import pytest
from judged_round import make_home
from served_gateway import Gateway, registry_of

from gateway.console.sessions import LASTS_S, MOST, Sessions, is_token
from gateway.keys import Keys
from prompt_hub.revisions.access import Identity
from store.database import StateDatabase

ADA = Identity("ada")


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def sessions(clock):
    return Sessions(clock=lambda: clock[0])


def test_a_session_is_found_by_what_the_browser_keeps(sessions):
    kept, session = sessions.open(ADA, "key-1")
    assert sessions.find(kept) is session
    assert sessions.find("something else") is None
    assert sessions.find(None) is None


def test_a_session_ends_after_its_time(sessions, clock):
    kept, _ = sessions.open(ADA, None)
    clock[0] = LASTS_S
    assert sessions.find(kept) is None


def test_a_session_that_was_closed_is_gone(sessions):
    kept, _ = sessions.open(ADA, None)
    sessions.close(kept)
    assert sessions.find(kept) is None


def test_there_are_no_more_sessions_than_the_bound(sessions):
    kept = [sessions.open(ADA, None)[0] for _ in range(MOST + 1)]
    assert sessions.find(kept[0]) is None
    assert sessions.find(kept[-1]) is not None


def test_a_token_of_any_text_can_be_compared():
    assert not is_token("ünïcode \ud800", "a" * 32)
    assert is_token("a" * 32, "a" * 32)


@pytest.fixture
def keyless(tmp_path, module_double):
    make_home(tmp_path / "home")
    with Gateway(tmp_path / "home", registry_of(module_double.url)) as gateway:
        yield gateway


def test_on_the_loopback_without_keys_whoever_comes_is_the_machines_user(keyless):
    with httpx.Client(base_url=keyless.url) as client:
        answer = client.get("/console/results")
        cookie = answer.headers["set-cookie"]
        assert answer.status_code == 200
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()
        assert "Path=/console" in cookie
        assert "Secure" not in cookie
        assert client.get("/console/sign-in").headers["location"] == "/console"


def test_where_other_machines_can_ask_nobody_comes_in_without_a_key_though_there_is_none(
    keyless, monkeypatch
):
    with httpx.Client(base_url=keyless.url) as client:
        assert client.get("/console/results").status_code == 200
        monkeypatch.setattr("gateway.callers.is_loopback", lambda _: False)
        assert client.get("/console/results").headers["location"] == "/console/sign-in"
        assert "Sign in" in client.get("/console/sign-in").text


def test_where_there_are_keys_nobody_comes_in_without_one(guarded):
    gateway, _ = guarded
    answer = httpx.get(f"{gateway.url}/console/prompts")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/sign-in")
    part = httpx.get(f"{gateway.url}/console/gpu", headers={"HX-Request": "true"})
    assert (part.status_code, part.headers["hx-redirect"]) == (401, "/console/sign-in")


def test_a_key_that_is_not_known_is_told_so_and_lets_nobody_in(guarded):
    gateway, _ = guarded
    with httpx.Client(base_url=gateway.url) as client:
        token = re.search(r'name="csrf" value="([^"]+)"', client.get("/console/sign-in").text)[1]
        answer = client.post("/console/sign-in", data={"csrf": token, "key": "iw-nobody"})
        assert answer.status_code == 401
        assert "not known here" in answer.text
        assert "iw-session" not in client.cookies


def test_a_form_to_sign_in_that_is_not_of_this_page_is_refused(guarded):
    gateway, keys = guarded
    answer = httpx.post(f"{gateway.url}/console/sign-in", data={"csrf": "x", "key": keys["admin"]})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_who_signs_out_is_out(visitor_of):
    visitor = visitor_of("viewer")
    before = visitor.client.cookies["iw-session"]
    assert visitor.post("/sign-out").url.path == "/console/sign-in"
    visitor.client.cookies.set("iw-session", before, path="/console")
    assert visitor.get("/results").url.path == "/console/sign-in"


def test_a_session_ends_with_its_key(guarded, visitor_of):
    gateway, _ = guarded
    gateway_door = gateway._server.config.app.state.parts.door
    visitor = visitor_of("viewer")
    key_id = next(key.key_id for key in gateway_door._good.values() if key.identity == "viewer-person")
    with StateDatabase.open(gateway.settings) as database:
        Keys(database).revoke(key_id)
    gateway_door._good = {digest: key for digest, key in gateway_door._good.items() if key.key_id != key_id}
    assert visitor.get("/results").url.path == "/console/sign-in"


FORMS = (
    "/sign-out",
    "/gpu/release",
    "/prompts/club-judge/save",
    "/prompts/club-judge/label",
    "/prompts/club-judge/draft",
    "/results/judge/spring-round/override",
    "/results/judge/spring-round/materialize",
    "/registry/talker/check",
)


@pytest.mark.parametrize("path", FORMS)
def test_a_form_without_the_sessions_token_is_refused(admin, path):
    for token in ("", "x", "0" * 43):
        answer = admin.client.post(f"/console{path}", data={"csrf": token})
        assert answer.status_code == 403
        assert "does not belong to this session" in answer.text


def test_the_token_may_come_as_a_header(admin):
    headers = {"X-CSRF-Token": admin.token(), "HX-Request": "true"}
    answer = admin.client.post(
        "/console/prompts/club-judge/draft", data={"text": "id: club-judge\n"}, headers=headers
    )
    assert answer.status_code == 200


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x", "text/plain"])
def test_what_is_no_form_is_refused(admin, kind):
    answer = admin.client.post("/console/gpu/release", content=b"{}", headers={"Content-Type": kind})
    assert answer.status_code == 415


def test_a_nul_goes_no_further(admin):
    assert admin.post("/prompts/house/revision", message="a\0b").status_code == 400
    assert admin.get("/performance/%00").status_code == 400
    assert admin.get("/results/judge/spring-round/cards?search=%00").status_code == 400


def test_a_form_of_too_many_bytes_or_fields_is_refused(admin):
    large = admin.post("/prompts/club-judge/draft", text="x" * (1024 * 1024))
    assert large.status_code == 413
    many = admin.post("/prompts/club-judge/draft", **{f"field-{number}": "" for number in range(201)})
    assert many.status_code == 400


def test_the_gateways_bare_address_leads_to_the_console(guarded):
    answer = httpx.get(f"{guarded[0].url}/")

    assert (answer.status_code, answer.headers["location"]) == (303, "/console")
