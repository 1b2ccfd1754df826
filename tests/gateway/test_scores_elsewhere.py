"""Provider ``gateway`` for scores: a batch elsewhere scores through this gateway, as if it asked the worker itself."""

from __future__ import annotations

import io

import pytest
from aiohttp import web
from client_desk import Desk, model_at
from iqa_double import METRICS, Bare, Fails, IqaDouble, Refuses
from PIL import Image as Pixels
from served_gateway import Gateway

from backends.errors import ModelMisconfigured, ModelUnreachable
from backends.request import Image, Labels
from backends.scoring import score_request
from registry.registry import Registry
from store.database import StateDatabase
from store.home import Home
from store.settings import Settings
from telemetry.spool import Spool

pytestmark = pytest.mark.anyio

REGISTRY = """
roles: {{iqa: meter}}
models:
  meter:
    aliases: [eye]
    roles: [iqa]
    capabilities: {{iqa: {{metrics: [{metrics}]}}}}
    deployments: [{{name: only, provider: tf_iqa, base_url: "{url}", served_model_id: meter}}]
"""


@pytest.fixture
def worker():
    with IqaDouble() as double:
        yield double


@pytest.fixture
def opened(tmp_path, worker):
    def open_gateway(**settings):
        registry = REGISTRY.format(url=worker.url, metrics=", ".join(METRICS))
        return Gateway(tmp_path / "home", registry, **settings)

    return open_gateway


@pytest.fixture
def gateway(opened):
    with opened() as gateway:
        yield gateway


@pytest.fixture
def elsewhere(tmp_path):
    """The home of the machine that the batch runs on."""
    settings = Settings(home=tmp_path / "elsewhere", attempts=2, breaker_wait_s=1)
    with StateDatabase.open(settings) as database, Spool(Home.of(settings).spool) as spool:
        yield Desk(settings, database, spool, Registry.load(None, environ={}))


def events_of(gateway):
    return Desk(gateway.settings, None, None, None).events()


def meter(url, provider="gateway", served="eye", metrics=METRICS):
    return model_at(
        url,
        deployment={"provider": provider, "served_model_id": served},
        capabilities={"iqa": {"metrics": metrics}},
    )


def photo(side=8):
    made = io.BytesIO()
    Pixels.new("RGB", (side, side), "teal").save(made, "JPEG")
    return Image("a" * 64, "image/jpeg", made.getvalue)


def scoring(model, image=None, **labels):
    told = {"stage": "judge/signals", "run_id": "run-1", "batch": "club", "entry_id": "club/one", **labels}
    return score_request(model, image or photo(), (), Labels(**told))


async def test_the_scores_are_those_that_the_worker_itself_gives(elsewhere, gateway, worker):
    async with elsewhere.client() as client:
        direct = await client.score(scoring(meter(worker.url, "tf_iqa", "meter")))
        through = await client.score(scoring(meter(gateway.url)), fresh=True)
    assert through.ok
    assert (through.text, through.data) == (direct.text, direct.data)
    straight, passed_on = worker.history
    assert passed_on == straight


async def test_there_is_one_event_and_it_is_the_gateways(elsewhere, gateway):
    async with elsewhere.client() as client:
        answer = await client.score(scoring(meter(gateway.url), photo_ids=("b" * 64,)))
    (event,) = events_of(gateway)
    assert elsewhere.events() == []
    told = ("event_id", "stage", "run_id", "batch", "entry_id", "photo_ids", "priority", "status")
    assert {name: event[name] for name in told} == {
        "event_id": answer.request_id,
        "stage": "judge/signals",
        "run_id": "run-1",
        "batch": "club",
        "entry_id": "club/one",
        "photo_ids": ["b" * 64],
        "priority": "batch",
        "status": "ok",
    }


async def test_a_kept_score_names_the_gateways_event(elsewhere, gateway, worker):
    async with elsewhere.client() as client:
        await client.score(scoring(meter(gateway.url)))
        again = await client.score(scoring(meter(gateway.url)))
    (event,) = events_of(gateway)
    assert again.recalled
    assert again.request_id == event["event_id"]
    assert len(worker.history) == 1


async def test_a_metric_that_fails_is_told_beside_those_that_do_not(elsewhere, gateway, worker):
    worker.faults.append(Fails(("musiq_spaq",)))
    async with elsewhere.client() as client:
        answer = await client.score(scoring(meter(gateway.url)))
    assert answer.ok
    assert answer.data["musiq_spaq"] == {"error": "musiq_spaq failed", "error_class": "metric_failed"}
    assert answer.data["nima_technical"]["mean"]


@pytest.mark.parametrize(
    ("faults", "error_class"),
    [
        ([Fails(METRICS)], "metric_failed"),
        ([Fails(METRICS, "nan")], "nan"),
        ([Refuses(500)] * 2, "http_5xx"),
        ([Refuses(429)] * 2, "http_429"),
        ([Bare(b"<html>")] * 2, "not_json"),
    ],
    ids=["metrics", "metrics of a class", "worker broken", "worker busy", "no worker"],
)
async def test_a_failure_there_is_the_same_failure_here_and_not_tried_again(
    elsewhere, gateway, worker, faults, error_class
):
    worker.faults += faults
    async with elsewhere.client() as client:
        answer = await client.score(scoring(meter(gateway.url)))
    (event,) = events_of(gateway)
    assert answer.error_class == event["error_class"] == error_class
    assert answer.request_id == event["event_id"]
    assert elsewhere.events() == []
    assert not worker.faults


async def test_a_photo_that_the_gateway_does_not_take_fails_by_itself_and_is_recorded_here(
    elsewhere, opened, worker
):
    with opened(max_pixels=63) as gateway:
        async with elsewhere.client() as client:
            answer = await client.score(scoring(meter(gateway.url)))
    (event,) = elsewhere.events()
    assert answer.error_class == event["error_class"] == "image_too_large"
    assert event["event_id"] == answer.request_id
    assert event["attempt_count"] == 1
    assert events_of(gateway) == []
    assert worker.history == []


async def test_what_answers_and_is_no_gateway_is_recorded_here(elsewhere):
    class Other(IqaDouble):
        def routes(self):
            return [web.post("/v1/iqa/run", self._infer)]

    with Other(faults=[Bare(b'{"results":[{}]}')] * 2) as other:
        async with elsewhere.client() as client:
            answer = await client.score(scoring(meter(other.url)))
    (event,) = elsewhere.events()
    assert answer.error_class == event["error_class"] == "empty_answer"


async def test_a_check_finds_the_model_with_all_its_metrics(elsewhere, gateway):
    async with elsewhere.client() as client:
        for name in ("meter", "eye", "iqa"):
            await client.check(meter(gateway.url, served=name))
        with pytest.raises(ModelUnreachable, match="does not serve 'talker'"):
            await client.check(meter(gateway.url, served="talker"))
        with pytest.raises(ModelMisconfigured, match="does not measure house_metric"):
            await client.check(meter(gateway.url, metrics=(*METRICS, "house_metric")))
