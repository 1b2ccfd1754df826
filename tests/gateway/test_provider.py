"""Provider ``gateway``: a batch elsewhere asks through this gateway, as if it asked the server itself."""

from __future__ import annotations

import io

import httpx
import pytest
from client_desk import Desk, model_at, request_of
from PIL import Image as Picture
from served_gateway import Gateway, registry_of
from vllm_double import Http, Says

from backends.errors import ModelMisconfigured, ModelUnreachable, RemoteNotAllowed
from backends.leases.assembling import leasing_for
from backends.providers.gateway import LABELS
from backends.request import Image
from gateway.labels import RequestLabels
from registry.registry import Registry
from store.database import StateDatabase
from store.home import Home
from store.settings import Settings
from telemetry.spool import Spool

pytestmark = pytest.mark.anyio

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def elsewhere(tmp_path):
    """The home of the machine that the batch runs on."""
    settings = Settings(home=tmp_path / "elsewhere", attempts=2, breaker_wait_s=1)
    with StateDatabase.open(settings) as database, Spool(Home.of(settings).spool) as spool:
        yield Desk(settings, database, spool, Registry.load(None, environ={}))


@pytest.fixture
def recorded(gateway):
    """The events of the gateway."""

    def events():
        return Desk(gateway.settings, None, None, None).events()

    return events


def behind(url, **deployment):
    return model_at(url, deployment={"provider": "gateway", "served_model_id": "talker", **deployment})


def jpeg():
    made = io.BytesIO()
    Picture.new("RGB", (8, 8), "teal").save(made, "JPEG")
    return Image("a" * 64, "image/jpeg", made.getvalue)


async def test_the_answer_is_the_one_that_the_server_itself_gives(elsewhere, gateway, double):
    given = {"images": (jpeg(),), "parameters": {"temperature": 0.5, "seed": 3}}
    async with elsewhere.client() as client:
        direct = await client.complete(request_of(model_at(double.url, name="straight"), **given))
        through = await client.complete(request_of(behind(gateway.url), **given))
    assert through.ok
    assert through.data == direct.data
    assert (through.input_tokens, through.output_tokens) == (direct.input_tokens, direct.output_tokens)
    straight, passed_on = (asked.body for asked in double.history)
    assert passed_on == straight


async def test_there_is_one_event_and_it_is_the_gateways(elsewhere, gateway, recorded):
    labels = {"photo_ids": ("b" * 64,), "profile_id": "club-judge", "stage_hash": "c" * 64}
    async with elsewhere.client() as client:
        answer = await client.complete(request_of(behind(gateway.url), "Judge.", labels=labels, sample=1))
    (event,) = recorded()
    assert elsewhere.events() == []
    assert event["event_id"] == answer.request_id
    assert event["deployment"] == "only"
    assert event["status"] == "ok"
    told = (
        "stage",
        "run_id",
        "batch",
        "entry_id",
        "photo_ids",
        "profile_id",
        "stage_hash",
        "sample",
        "priority",
    )
    assert {name: event[name] for name in told} == {
        "stage": "judge/critiques",
        "run_id": "run-1",
        "batch": "club",
        "entry_id": "club/Judge.",
        "photo_ids": ["b" * 64],
        "profile_id": "club-judge",
        "stage_hash": "c" * 64,
        "sample": 1,
        "priority": "batch",
    }


async def test_a_kept_answer_names_the_gateways_event(elsewhere, gateway, recorded):
    async with elsewhere.client() as client:
        await client.complete(request_of(behind(gateway.url)))
        again = await client.complete(request_of(behind(gateway.url)))
    (event,) = recorded()
    assert again.recalled
    assert again.request_id == event["event_id"]


async def test_the_gateway_repairs_and_a_failure_there_is_a_failure_here(
    elsewhere, gateway, double, recorded
):
    double.faults += [Says('{"score": 99}')] * 2
    async with elsewhere.client() as client:
        answer = await client.complete(request_of(behind(gateway.url)))
    (event,) = recorded()
    assert answer.error_class == event["error_class"] == "schema_mismatch"
    assert answer.request_id == event["event_id"]
    assert event["repaired"]
    assert elsewhere.events() == []
    assert len(double.history) == 2


async def test_what_the_gateway_tried_in_vain_is_not_tried_again(elsewhere, gateway, double, recorded):
    double.faults += [Http(500)] * 10
    async with elsewhere.client() as client:
        answer = await client.complete(request_of(behind(gateway.url)))
    assert answer.error_class == "http_5xx"
    assert len(double.history) == gateway.settings.attempts
    assert len(recorded()) == 1


async def test_what_never_came_to_the_gateway_is_recorded_here(elsewhere):
    async with elsewhere.client() as client:
        answer = await client.complete(request_of(behind(NOWHERE)))
    (event,) = elsewhere.events()
    assert answer.error_class == event["error_class"] == "connect_failed"
    assert event["event_id"] == answer.request_id
    assert event["attempt_count"] == 2


async def test_a_check_finds_the_model_by_its_name_an_alias_or_a_role(elsewhere, gateway):
    async with elsewhere.client() as client:
        for name in ("talker", "gpt-local", "judge"):
            await client.check(behind(gateway.url, served_model_id=name))
        with pytest.raises(ModelUnreachable, match="does not serve 'painter'"):
            await client.check(behind(gateway.url, served_model_id="painter"))


async def test_a_key_is_sent_and_one_that_is_wrong_stops_the_step(tmp_path, elsewhere, double):
    served = Gateway(tmp_path / "home", registry_of(double.url))
    environ = {"CLUB_KEY": served.key_of("a batch"), "WRONG_KEY": "iw-wrong"}
    with served:
        async with elsewhere.client(environ=environ) as client:
            await client.check(behind(served.url, api_key_env="CLUB_KEY"))
            assert (await client.complete(request_of(behind(served.url, api_key_env="CLUB_KEY")))).ok
            wrong = behind(served.url, api_key_env="WRONG_KEY")
            with pytest.raises(ModelMisconfigured, match="refuses us"):
                await client.complete(request_of(wrong, "Another."))


async def test_a_gateway_outside_the_private_network_needs_consent(elsewhere):
    async with elsewhere.client() as client:
        with pytest.raises(RemoteNotAllowed):
            await client.complete(request_of(behind("https://gateway.example.com")))


async def test_a_model_behind_a_gateway_is_leased_there_and_not_here(elsewhere, gateway):
    settings = elsewhere.settings.model_copy(update={"leases": "enforce"})
    leasing = leasing_for(settings, elsewhere.registry, elsewhere.database, {}, elsewhere.spool, stage="x")
    model = behind(gateway.url)
    assert not await leasing.loads(model, model.deployments)
    async with leasing.lease(model, model.deployments, priority="batch") as lease:
        assert lease.token is None
    await leasing.close()


def labeled(**labels):
    body = {"model": "talker", "messages": [{"role": "user", "content": "Hello"}], "imageworks": labels}
    return {"url": "/v1/chat/completions", "json": body}


def test_the_gateway_takes_the_labels_that_the_provider_sends():
    assert set(RequestLabels.model_fields) == {*LABELS, "sample"}


def test_labels_are_bounded(client):
    for labels in ({"stage": "x" * 257}, {"photo_ids": ["x"]}, {"event_id": "f" * 32}, {"sample": -1}):
        assert client.post(**labeled(**labels)).status_code == 400


def test_labels_from_another_machine_need_an_author(tmp_path, double):
    served = Gateway(tmp_path / "home", registry_of(double.url))
    keys = {role: served.key_of(f"a {role}", role=role) for role in ("viewer", "author")}
    with served, httpx.Client(base_url=served.url) as client:
        statuses = {
            role: client.post(
                **labeled(stage="judge/critiques"),
                # As a proxy on this machine passes on what others ask.
                headers={"Authorization": f"Bearer {key}", "X-Forwarded-For": "192.168.1.7"},
            ).status_code
            for role, key in keys.items()
        }
    assert statuses == {"viewer": 403, "author": 200}
