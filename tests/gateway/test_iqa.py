"""Pictures are scored over the gateway by a double of the TF-IQA worker."""

from __future__ import annotations

import base64
import io
import json

import httpx
import pytest
from iqa_double import METRICS, Fails, IqaDouble, Refuses
from PIL import Image
from served_gateway import Gateway

from store.home import Home
from telemetry.catalog import connect

RUN = "/v1/iqa/run"


def registry_of(url):
    return f"""
roles: {{iqa: meter}}
models:
  meter:
    roles: [iqa]
    capabilities: {{iqa: {{metrics: [{", ".join(METRICS)}]}}}}
    deployments:
      - {{name: only, provider: tf_iqa, base_url: "{url}", served_model_id: meter}}
"""


def photo(side=8, kind="JPEG", color="teal"):
    made = io.BytesIO()
    Image.new("RGB", (side, side), color).save(made, kind)
    return made.getvalue()


def b64(data):
    return base64.b64encode(data).decode()


@pytest.fixture
def worker():
    with IqaDouble() as double:
        yield double


@pytest.fixture
def opened(tmp_path, worker):
    def open_gateway(**settings):
        return Gateway(tmp_path / "home", registry_of(worker.url), **settings)

    return open_gateway


@pytest.fixture
def client(opened):
    with opened() as gateway, httpx.Client(base_url=gateway.url, timeout=30) as client:
        client.gateway = gateway
        yield client


def test_one_photo_is_scored_by_the_model_of_the_role(client):
    said = client.post(RUN, json={"image_b64": b64(photo())}).json()
    assert said["object"] == "iqa.run"
    assert said["model"] == "meter"
    (result,) = said["results"]
    assert result["id"] == "0"
    assert result["error"] is None
    assert set(result["metrics"]) == set(METRICS)
    assert 1 <= result["metrics"]["nima_aesthetic"]["mean"] <= 10
    assert result["metrics"]["nima_aesthetic"]["std"] > 0


def test_many_photos_are_answered_in_order_by_the_metrics_that_are_asked_for(client, worker):
    images = [{"id": color, "image_b64": b64(photo(color=color))} for color in ("red", "green", "blue")]
    said = client.post(RUN, json={"model": "meter", "images": images, "metrics": ["musiq_spaq"]}).json()
    assert [result["id"] for result in said["results"]] == ["red", "green", "blue"]
    assert all(list(result["metrics"]) == ["musiq_spaq"] for result in said["results"])
    assert len(worker.history) == 3


def test_files_of_a_form_are_scored_under_their_names(client):
    files = [
        ("images", ("a.jpg", photo(), "image/jpeg")),
        ("images", ("b.png", photo(kind="PNG"), "image/png")),
    ]
    said = client.post(
        RUN, files=files, data={"metrics": "nima_technical, musiq_spaq", "model": "meter"}
    ).json()
    assert [result["id"] for result in said["results"]] == ["a.jpg", "b.png"]
    assert set(said["results"][1]["metrics"]) == {"nima_technical", "musiq_spaq"}


def test_a_photo_that_is_none_takes_nothing_from_the_others(client, worker):
    images = [{"image_b64": b64(photo())}, {"image_b64": "%%%"}, {"image_b64": b64(b"no picture")}]
    answer = client.post(RUN, json={"images": images})
    assert answer.status_code == 200
    good, torn, broken = answer.json()["results"]
    assert good["error"] is None
    assert torn["error"]["code"] == "image_base64"
    assert torn["error"]["param"] == "images[1]"
    assert broken["error"]["code"] == "image_broken"
    assert torn["metrics"] == broken["metrics"] == {}
    assert len(worker.history) == 1


def test_a_metric_that_fails_takes_nothing_from_the_others(client, worker):
    worker.faults.append(Fails(("musiq_spaq",)))
    (result,) = client.post(RUN, json={"image_b64": b64(photo())}).json()["results"]
    assert result["metrics"]["musiq_spaq"] == {"error": "musiq_spaq failed", "error_class": "metric_failed"}
    assert result["metrics"]["nima_aesthetic"]["mean"]


def test_a_photo_that_no_metric_can_be_had_of_says_so(client, worker):
    worker.broken |= set(METRICS)
    images = [{"image_b64": b64(photo())}]
    answer = client.post(RUN, json={"images": images})
    assert answer.status_code == 200
    (result,) = answer.json()["results"]
    assert result["error"]["code"] == "metric_failed"


def test_a_photo_with_too_many_pixels_is_refused_by_its_header(opened, worker):
    with opened(max_pixels=63) as gateway:
        answer = httpx.post(f"{gateway.url}{RUN}", json={"image_b64": b64(photo(side=8))})
    (result,) = answer.json()["results"]
    assert result["error"]["code"] == "image_too_large"
    assert not worker.history


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "invalid_value"),
        ({"images": []}, 400, "invalid_value"),
        ({"images": [{"image_b64": ""}] * 65}, 400, "invalid_value"),
        ({"images": [{}], "image_b64": "x"}, 400, "invalid_value"),
        ({"image_b64": b64(photo()), "metrics": ["beauty"]}, 400, "unknown_metric"),
        ({"image_b64": b64(photo()), "model": "nobody"}, 404, "model_not_found"),
        ({"image_b64": b64(photo()), "model": "baseline-judge"}, 400, "missing_capability"),
    ],
    ids=["nothing", "no photos", "too many", "both", "no such metric", "no such model", "no meter"],
)
def test_what_cannot_be_scored_at_all_is_refused(client, worker, body, status, code):
    answer = client.post(RUN, json=body)
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == code
    assert not worker.history


def test_a_body_of_another_kind_and_a_torn_form_are_refused(client):
    assert client.post(RUN, content=b"x", headers={"content-type": "text/plain"}).status_code == 415
    torn = {"content-type": "multipart/form-data"}
    assert client.post(RUN, content=b"x", headers=torn).status_code == 400
    headers = {"content-type": "multipart/form-data; boundary=x"}
    assert client.post(RUN, content=b"--x\r\nbroken", headers=headers).status_code == 400


def test_a_body_that_is_too_large_is_refused(opened):
    with opened(gateway_max_body=1024) as gateway:
        answer = httpx.post(f"{gateway.url}{RUN}", files={"images": b"x" * 2000})
    assert answer.status_code == 413


def test_a_worker_that_is_too_busy_is_told_as_such(opened, worker):
    worker.faults += [Refuses(429)] * 4
    with opened(attempts=1) as gateway:
        answer = httpx.post(f"{gateway.url}{RUN}", json={"image_b64": b64(photo())})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0


def test_nothing_is_recalled_or_kept_unless_it_is_asked_for(client, worker):
    body = {"image_b64": b64(photo())}
    for _ in range(2):
        assert client.post(RUN, json=body).json()["results"][0]["recalled"] is False
    assert len(worker.history) == 2
    recall = {"X-ImageWorks-Recall": "on"}
    said = [client.post(RUN, json=body, headers=recall).json()["results"][0] for _ in range(2)]
    assert [result["recalled"] for result in said] == [False, True]
    assert said[0]["metrics"] == said[1]["metrics"]
    assert len(worker.history) == 3


def test_each_photo_has_its_event_with_stage_and_trace(client):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01", "X-ImageWorks-Class": "batch"}
    images = [{"image_b64": b64(photo(color=color))} for color in ("red", "blue")]
    said = client.post(RUN, json={"images": images}, headers=headers).json()
    with connect(Home.of(client.gateway.settings)) as catalog:
        rows = catalog.execute("SELECT event_id, stage, trace_id, status FROM events").fetchall()
    assert {row[0] for row in rows} == {result["answered_by"] for result in said["results"]}
    assert {row[1:] for row in rows} == {("gateway/iqa", trace, "ok")}


def test_form_and_json_ask_the_same(client, worker):
    client.post(RUN, json={"image_b64": b64(photo()), "metrics": ["musiq_spaq"]})
    client.post(RUN, files={"images": ("x", photo())}, data={"metrics": "musiq_spaq"})
    first, second = (json.dumps(body, sort_keys=True) for body in worker.history)
    assert first == second
