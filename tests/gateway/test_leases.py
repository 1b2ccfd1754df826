"""Leases over the gateway: how they stand, and that they are ended by those who may."""

from __future__ import annotations

import httpx
import pytest
from lease_desk import asked, party, resident, served

from backends.leases.standing import LeaseStanding
from gateway.errors import BadRequest
from gateway.leases import ReleaseBody, _chosen
from store.database import StateDatabase

RELEASE = "/v1/leases/release"


def lease(token, model="talker", holder="one"):
    return LeaseStanding(token, model, "only", "host", "batch", holder, 1.0, 10.0)


THREE = (lease(1), lease(2, holder="two"), lease(3, model="other", holder="two"))


@pytest.mark.parametrize(
    ("body", "model", "tokens"),
    [
        ({"all": True}, None, [1, 2, 3]),
        ({"holder": "two"}, None, [2, 3]),
        ({"tokens": [3, 1]}, None, [1, 3]),
        ({}, "talker", [1, 2]),
        ({"holder": "two"}, "talker", [2]),
        ({"tokens": [1, 2]}, "talker", [1, 2]),
    ],
)
def test_what_all_choose_is_chosen(body, model, tokens):
    chosen = _chosen(THREE, ReleaseBody(**body), model)
    assert [one.token for one in chosen] == tokens


@pytest.mark.parametrize(
    ("body", "model"),
    [
        ({}, None),
        ({"all": True, "tokens": [1]}, None),
        ({"tokens": [9]}, None),
        ({"holder": "x"}, None),
        ({}, "x"),
    ],
)
def test_nothing_is_ended_by_mistake(body, model):
    with pytest.raises(BadRequest):
        _chosen(THREE, ReleaseBody(**body), model)


def test_where_nothing_was_ever_leased_nothing_stands(client):
    said = client.get("/v1/leases").json()
    assert said["mode"] == "off"
    assert said["standing"] == {"devices": [], "leases": [], "waiters": []}


def test_a_lease_is_seen_and_ended_and_its_end_is_recorded(client, gateway):
    with StateDatabase.open(gateway.settings) as state:
        ledger = party(state)
        resident(ledger, served("talker"))
        ledger.turn(enter=[asked("somebody", served("talker"))])
        standing = client.get("/v1/leases").json()["standing"]
        (one,) = standing["leases"]
        assert (one["model"], one["device"]) == ("talker", "gpu0")
        assert standing["devices"][0]["residents"][0]["state"] == "ready"
        # By a role of the model's: its name is the registry's.
        released = client.post(RELEASE, json={"model": "judge"}).json()
        assert released["ended"] == 1
        assert released["leases"][0]["token"] == one["token"]
        # It stays until whoever waits next has had the server refuse what comes under it.
        (ended,) = client.get("/v1/leases").json()["standing"]["leases"]
        assert ended["expires_in_s"] <= 0
    (change,) = client.get("/v1/audit").json()["data"]
    assert (change["action"], change["subject"]) == ("leases.release", "talker")


def test_viewers_and_authors_may_not_end_leases(opened):
    with opened() as probe:
        probe.key_of("admin", role="admin")
        key = probe.key_of("author", role="author")
    with opened() as gateway:
        headers = {"Authorization": f"Bearer {key}"}
        assert httpx.get(f"{gateway.url}/v1/leases", headers=headers).status_code == 200
        answer = httpx.post(f"{gateway.url}{RELEASE}", headers=headers, json={"all": True})
    assert answer.status_code == 403
