"""API keys: kept as digests, good until they are revoked, and asked for wherever others can ask."""

from __future__ import annotations

import asyncio
import sqlite3

import httpx
import pytest
from served_gateway import Gateway, registry_of
from typer.testing import CliRunner

from gateway.__main__ import app
from gateway.errors import NotFound, Overloaded, Unauthorized
from gateway.keys import FRESH_S, PREFIX, Doorkeeper, Keys
from gateway.serving import Unguarded, refuse_unguarded
from store.database import StateDatabase
from store.errors import DatabaseUnreachable
from store.settings import Settings


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home")


@pytest.fixture
def database(settings):
    with StateDatabase.open(settings) as database:
        yield database


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


def test_a_key_is_kept_as_its_digest_alone(database, settings):
    _, text = Keys(database).make("ann")
    assert text.startswith(PREFIX)
    for file in settings.home.glob("state.db*"):
        assert text.removeprefix(PREFIX).encode() not in file.read_bytes()
    with sqlite3.connect(settings.home / "state.db") as connection:
        (row,) = connection.execute("SELECT * FROM gateway_keys").fetchall()
    connection.close()
    assert not any(text in str(value) for value in row)


@pytest.mark.anyio
async def test_a_revoked_key_is_good_until_the_keys_are_read_anew(database):
    keys = Keys(database)
    key, text = keys.make("ann")
    door = Doorkeeper(keys)
    keys.revoke(key.key_id)
    assert door.admit(text).identity == "ann"
    await door.refresh()
    with pytest.raises(Unauthorized):
        door.admit(text)


@pytest.mark.anyio
async def test_keys_are_read_anew_every_two_seconds(database, monkeypatch):
    slept = []

    async def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 3:
            raise asyncio.CancelledError

    door = Doorkeeper(Keys(database))
    Keys(database).make("ann")
    monkeypatch.setattr("gateway.keys.asyncio.sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await door.keep_fresh()
    assert slept == [FRESH_S] * 3
    assert FRESH_S <= 2
    assert door.has_keys


@pytest.mark.anyio
async def test_while_the_database_is_away_known_keys_stay_good(database, monkeypatch):
    keys = Keys(database)
    _, text = keys.make("ann")
    door = Doorkeeper(keys)

    def away(_):
        raise DatabaseUnreachable("away")

    monkeypatch.setattr(Keys, "good", away)
    await door.refresh()
    assert door.admit(text).identity == "ann"


def test_a_key_that_is_not_there_cannot_be_revoked_nor_twice(database):
    keys = Keys(database)
    key, _ = keys.make("ann")
    keys.revoke(key.key_id)
    for name in (key.key_id, "nothing"):
        with pytest.raises(NotFound):
            keys.revoke(name)


def test_a_key_asks_as_often_as_it_may_and_is_told_when_to_come_again(database):
    now = [100.0]
    keys = Keys(database)
    _, text = keys.make("ann", requests_a_minute=6)
    door = Doorkeeper(keys, clock=lambda: now[0])
    for _ in range(6):
        door.admit(text)
    with pytest.raises(Overloaded) as refused:
        door.admit(text)
    assert refused.value.retry_after_s == 10
    now[0] += 10
    door.admit(text)
    with pytest.raises(Overloaded):
        door.admit(text)
    now[0] += 3600
    for _ in range(6):
        door.admit(text)
    with pytest.raises(Overloaded):
        door.admit(text)


def test_one_key_spends_nothing_of_anothers(database):
    keys = Keys(database)
    texts = [keys.make("ann", requests_a_minute=1)[1] for _ in range(2)]
    door = Doorkeeper(keys, clock=lambda: 0.0)
    for text in texts:
        door.admit(text)


def test_with_keys_nobody_asks_without_one(opened):
    with opened() as probe:
        text = probe.key_of("ann", requests_a_minute=2)
    with opened() as gateway, httpx.Client(base_url=gateway.url) as client:
        for headers in ({}, bearer("iw-wrong"), {"Authorization": "Bearer"}, {"Authorization": "Basic x"}):
            answer = client.get("/v1/models", headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.json()["error"]["code"] in {"missing_api_key", "invalid_api_key"}
        assert [client.get("/v1/models", headers=bearer(text)).status_code for _ in range(3)] == [
            200,
            200,
            429,
        ]
        told = client.get("/v1/models", headers=bearer(text))
        assert int(told.headers["retry-after"]) >= 1
        # How it stands is for whoever watches it, and tells nothing.
        assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models",
        "/v1/models/talker",
        "/v1/prompts",
        "/v1/prompts/library",
        "/v1/prompts/library/history",
        "/v1/prompts/library/tests",
        "/v1/prompts/library/file",
        "/v1/leases",
        "/v1/decisions",
        "/v1/audit",
        "/v1/whoami",
        "/metrics",
    ],
)
def test_nothing_is_read_without_a_key_where_there_are_keys(opened, path):
    with opened() as probe:
        probe.key_of("ann")
    with opened() as gateway:
        assert httpx.get(f"{gateway.url}{path}").status_code == 401


def test_without_keys_any_key_is_taken_on_the_loopback(client):
    assert client.get("/v1/whoami", headers=bearer("sk-anything")).status_code == 200


def test_beyond_the_loopback_it_does_not_start_without_a_key(settings):
    open_to_all = settings.model_copy(update={"gateway_host": "0.0.0.0"})
    refuse_unguarded(settings)
    with pytest.raises(Unguarded, match="keys make"):
        refuse_unguarded(open_to_all)
    with StateDatabase.open(settings) as database:
        key, _ = Keys(database).make("ann")
        refuse_unguarded(open_to_all)
        Keys(database).revoke(key.key_id)
    with pytest.raises(Unguarded):
        refuse_unguarded(open_to_all)


def test_beyond_the_loopback_nobody_gets_in_though_the_last_key_was_revoked(tmp_path):
    registry = registry_of("http://127.0.0.1:9")
    with Gateway(tmp_path / "home", registry, gateway_host="0.0.0.0") as gateway:
        assert httpx.get(f"{gateway.url}/v1/whoami").status_code == 401
        assert httpx.get(f"{gateway.url}/v1/whoami", headers=bearer("iw-x")).status_code == 401


def test_keys_are_made_listed_and_revoked_by_commands(tmp_path):
    home = ["--home", str(tmp_path / "home")]
    run = CliRunner().invoke
    assert "There is no API key" in run(app, ["keys", *home]).stdout
    made = run(app, ["keys", "make", "ann", "--note", "night runs", "--a-minute", "30", *home])
    assert made.exit_code == 0
    text = made.stdout.strip()
    assert text.startswith(PREFIX)
    listed = run(app, ["keys", *home]).stdout
    assert "ann" in listed
    assert "night runs" in listed
    assert text not in listed
    key_id = made.stderr.split()[1]
    assert f"Key {key_id} is revoked." in run(app, ["keys", "revoke", key_id, *home]).stdout
    assert "revoked 2" in run(app, ["keys", *home]).stdout
    assert isinstance(run(app, ["keys", "revoke", key_id, *home]).exception, NotFound)
