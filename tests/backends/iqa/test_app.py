"""The HTTP face, over a real socket, with a scorer that measures brightness in place of TensorFlow."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import select
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from PIL import Image
from served_app import served_app

from backends.iqa import app
from backends.iqa.answering import Answering
from backends.iqa.app import create_app
from backends.iqa.asked import MOST_BYTES, MOST_PICTURES
from backends.iqa.metrics import METRICS
from backends.iqa.scoring import Score

READY_S = 30


class Brightness:
    """Scores a picture's mean level; notes how many came at once, and waits where it is told to."""

    def __init__(self, name, *, at_once, gate=None, fails=False, gives=None):
        self.metric = METRICS[name]
        self.at_once = at_once
        self.gate = gate
        self.fails = fails
        self.gives = gives
        self.batches = []
        self.begun = threading.Event()

    def score(self, pictures):
        self.batches.append(len(pictures))
        self.begun.set()
        if self.gate is not None:
            assert self.gate.wait(READY_S)
        if self.fails:
            raise RuntimeError("out of memory")
        if self.gives is not None:
            return [Score(self.gives) for _ in pictures]
        return [self._one(picture) for picture in pictures]

    def _one(self, picture):
        if self.metric.network == "nima":
            return Score(1 + float(picture.square.mean()) * 9 / 255, 0.5)
        return Score(float(np.asarray(Image.open(io.BytesIO(picture.jpeg))).mean()) * 100 / 255)


@contextmanager
def worker(*scorers, ready=True, **changes):
    """The base URL of a worker with these scorers."""
    given = {"max_pixels": 1_000_000, "failed": lambda _: None, "load": lambda: scorers, **changes}
    made = create_app([scorer.metric for scorer in scorers], given.pop("load"), **given)
    with served_app(made) as url:
        if ready:
            wait_until(lambda: httpx.get(f"{url}/healthz").status_code == 200)
        yield url


def wait_until(true):
    deadline = time.monotonic() + READY_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def both():
    return Brightness("nima_aesthetic", at_once=8), Brightness("musiq_spaq", at_once=1)


def encoded(level=128, size=(40, 30), kind="JPEG"):
    file = io.BytesIO()
    Image.new("RGB", size, (level, level, level)).save(file, kind, quality=95)
    return file.getvalue()


def b64(data):
    return base64.b64encode(data).decode()


def infer(url, **body):
    return httpx.post(f"{url}/infer", json=body, timeout=60)


def test_while_the_networks_are_loaded_it_says_so_and_takes_nothing():
    gate = threading.Event()
    scorers = both()

    def load():
        assert gate.wait(READY_S)
        return scorers

    with worker(*scorers, load=load, ready=False) as url:
        health = httpx.get(f"{url}/healthz")
        assert (health.status_code, health.json()["status"]) == (503, "loading")
        refused = infer(url, image_b64=b64(encoded()))
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        gate.set()
        wait_until(lambda: httpx.get(f"{url}/healthz").status_code == 200)
        assert httpx.get(f"{url}/healthz").json() == {
            "status": "ok",
            "metrics": ["nima_aesthetic", "musiq_spaq"],
            "models": ["nima/weights_mobilenet_aesthetic_0.07.hdf5", "musiq/spaq"],
        }
        assert infer(url, image_b64=b64(encoded())).status_code == 200


def test_what_loading_raised_is_handed_on_and_it_never_becomes_ready():
    problems = []
    told = threading.Event()

    def failed(error):
        problems.append(error)
        told.set()

    def load():
        raise ValueError("no weights")

    with worker(*both(), load=load, ready=False, failed=failed) as url:
        assert told.wait(READY_S)
        assert str(problems[0]) == "no weights"
        assert httpx.get(f"{url}/healthz").status_code == 503


def test_many_pictures_are_answered_in_order_by_the_metrics_asked_for():
    images = [{"id": f"photo {level}", "image_b64": b64(encoded(level))} for level in (0, 51, 255)]
    with worker(*both()) as url:
        answered = infer(url, images=images, metrics=["musiq_spaq", "nima_aesthetic"])
    assert answered.status_code == 200
    assert answered.json()["results"] == [
        {
            "id": f"photo {level}",
            "metrics": {
                "musiq_spaq": {"mean": pytest.approx(level / 2.55, abs=0.5)},
                "nima_aesthetic": {"mean": pytest.approx(1 + level * 9 / 255, abs=0.05), "std": 0.5},
            },
        }
        for level in (0, 51, 255)
    ]


def test_one_picture_may_come_alone_and_is_measured_by_all_there_is():
    with worker(*both()) as url:
        (result,) = infer(url, image_b64=b64(encoded())).json()["results"]
    assert result["id"] == "0"
    assert list(result["metrics"]) == ["nima_aesthetic", "musiq_spaq"]


def test_a_form_may_bring_files():
    files = [("images", (f"{level}.jpg", encoded(level), "image/jpeg")) for level in (10, 200)]
    with worker(*both()) as url:
        answered = httpx.post(f"{url}/infer", files=files, data={"metrics": "musiq_spaq, nima_aesthetic"})
    assert [result["id"] for result in answered.json()["results"]] == ["10.jpg", "200.jpg"]
    assert list(answered.json()["results"][0]["metrics"]) == ["musiq_spaq", "nima_aesthetic"]


def test_a_metric_that_fails_takes_nothing_from_the_others():
    with worker(
        Brightness("nima_aesthetic", at_once=8), Brightness("musiq_spaq", at_once=1, fails=True)
    ) as url:
        answered = infer(url, image_b64=b64(encoded()))
    metrics = answered.json()["results"][0]["metrics"]
    assert answered.status_code == 200
    assert metrics["nima_aesthetic"].keys() == {"mean", "std"}
    assert metrics["musiq_spaq"] == {
        "error": "musiq_spaq failed: out of memory",
        "error_class": "metric_failed",
    }


@pytest.mark.parametrize("gives", [float("nan"), float("inf")])
def test_what_is_no_number_is_an_error_and_no_score(gives):
    with worker(Brightness("musiq_spaq", at_once=1, gives=gives)) as url:
        metrics = infer(url, image_b64=b64(encoded())).json()["results"][0]["metrics"]
    assert metrics["musiq_spaq"]["error_class"] == "metric_failed"


def test_a_metric_that_is_not_served_is_told_with_those_that_are():
    with worker(*both()) as url:
        metrics = infer(url, image_b64=b64(encoded()), metrics=["brisque", "musiq_spaq"]).json()["results"][
            0
        ]["metrics"]
    assert metrics["brisque"]["error_class"] == "metric_unknown"
    assert "nima_aesthetic, musiq_spaq" in metrics["brisque"]["error"]
    assert "mean" in metrics["musiq_spaq"]


@pytest.mark.parametrize(
    ("data", "error_class"),
    [
        (b"", "empty_file"),
        (b"no picture at all", "not_a_picture"),
        (encoded(size=(200, 200))[:700], "truncated"),
        (encoded(size=(2000, 2000)), "too_many_pixels"),
    ],
    ids=["nothing", "text", "cut off", "a bomb"],
)
def test_a_picture_that_cannot_be_used_fails_alone(data, error_class):
    images = [{"id": "bad", "image_b64": b64(data)}, {"id": "good", "image_b64": b64(encoded())}]
    with worker(*both()) as url:
        bad, good = infer(url, images=images).json()["results"]
    assert {outcome["error_class"] for outcome in bad["metrics"].values()} == {error_class}
    assert all("/tmp" not in outcome["error"] for outcome in bad["metrics"].values())
    assert all("mean" in outcome for outcome in good["metrics"].values())


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 422, "Invalid JSON"),
        (b"[]", 422, "the body"),
        (b"{}", 422, "either images, or one image_b64"),
        (b'{"images": []}', 422, "no picture"),
        (b'{"image_b64": "?"}', 422, "no base64"),
        (b'{"image_b64": 5}', 422, "image_b64"),
        (json.dumps({"images": [{"image_b64": ""}] * (MOST_PICTURES + 1)}).encode(), 422, "images"),
        (b" " * (MOST_BYTES + 1), 413, "MiB"),
    ],
    ids=["cut off", "a list", "nothing", "no pictures", "not base64", "a number", "too many", "too large"],
)
def test_a_body_that_asks_for_nothing_that_can_be_done_is_refused_in_words(body, status, words):
    with worker(*both()) as url:
        answered = httpx.post(f"{url}/infer", content=body, headers={"Content-Type": "application/json"})
    assert answered.status_code == status
    assert words in answered.json()["error"]


def connected(url):
    return socket.create_connection(("127.0.0.1", urlsplit(url).port))


def test_a_body_that_does_not_say_its_size_is_bounded_too():
    head = b"POST /infer HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    piece = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
    most, sent, answer = 4 * MOST_BYTES, 0, b""
    with worker(*both()) as url:
        # A server that has refused reads no further: the client sees the answer, or the end of the connection.
        with connected(url) as client, suppress(ConnectionError):
            client.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
            while sent < most and not select.select([client], [], [], 0)[0]:
                client.sendall(piece)
                sent += len(piece)
            answer = client.recv(1000)
        assert sent < most
        assert answer[:12] in {b"HTTP/1.1 413", b""}
        assert infer(url, image_b64=b64(encoded())).status_code == 200


def test_a_head_without_end_is_refused_and_the_next_request_is_answered():
    with worker(*both()) as url:
        with connected(url) as client, suppress(ConnectionError):
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * (1 << 20))
            client.sendall(b"\r\n\r\n")
            assert client.recv(1000)[:10] in {b"HTTP/1.1 4", b""}
        assert httpx.get(f"{url}/healthz").status_code == 200


def test_who_asks_for_another_host_is_a_page_in_a_browser_and_refused():
    with worker(*both()) as url:
        refused = httpx.post(f"{url}/infer", json={}, headers={"Host": "evil.example"})
        assert refused.status_code == 400
        assert "evil.example" in refused.json()["error"]
        assert infer(url, image_b64=b64(encoded())).status_code == 200


def test_another_kind_of_body_is_refused():
    with worker(*both()) as url:
        answered = httpx.post(f"{url}/infer", content=b"x", headers={"Content-Type": "text/plain"})
        assert answered.status_code == 415
        assert httpx.get(f"{url}/nothing").json() == {"error": "Not Found"}


def test_a_form_with_too_many_files_is_refused():
    files = [("images", (f"{n}.jpg", b"x")) for n in range(MOST_PICTURES + 1)]
    with worker(*both()) as url:
        assert httpx.post(f"{url}/infer", files=files).status_code == 422


@pytest.mark.anyio
async def test_those_that_wait_for_one_network_are_taken_together_and_answered_as_if_alone():
    levels = [0, 30, 60, 90, 120, 150, 180, 210, 240]
    gate = threading.Event()
    scorer = Brightness("nima_aesthetic", at_once=8, gate=gate)
    answering = Answering([scorer], max_pixels=1_000_000)

    def ask(level):
        return asyncio.create_task(answering.score(encoded(level), ["nima_aesthetic"]))

    under_way = [ask(levels[0])]
    assert await asyncio.to_thread(scorer.begun.wait, READY_S)
    under_way += [ask(level) for level in levels[1:]]
    async with asyncio.timeout(READY_S):
        while len(answering._waiting["nima_aesthetic"]._waiting) < len(levels) - 1:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0)
    gate.set()
    together = await asyncio.gather(*under_way)
    assert scorer.batches == [1, 8]
    assert together == [await answering.score(encoded(level), ["nima_aesthetic"]) for level in levels]
    answering.close()


def test_more_requests_than_there_is_room_for_are_told_to_come_again():
    gate = threading.Event()
    scorer = Brightness("musiq_spaq", at_once=1, gate=gate)
    with worker(scorer, most_requests=1) as url, ThreadPoolExecutor(1) as clients:
        first = clients.submit(infer, url, image_b64=b64(encoded()))
        assert scorer.begun.wait(READY_S)
        refused = infer(url, image_b64=b64(encoded()))
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        gate.set()
        assert first.result().status_code == 200
        assert infer(url, image_b64=b64(encoded())).status_code == 200


def test_more_bytes_than_there_is_room_for_are_told_to_come_again(monkeypatch):
    monkeypatch.setattr(app, "MOST_BYTES_UNDER_WAY", 100_000)
    body = {"image_b64": b64(encoded()), "id": "x" * 200}
    with worker(*both()) as url:
        assert infer(url, **body).status_code == 200
        refused = httpx.post(
            f"{url}/infer", content=b" " * 100_001, headers={"Content-Type": "application/json"}
        )
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert infer(url, **body).status_code == 200


def test_a_body_that_does_not_come_gives_its_place_back(monkeypatch):
    monkeypatch.setattr(app, "READ_S", 0.2)
    with (
        worker(*both(), most_requests=1) as url,
        connected(url) as slow,
    ):
        slow.sendall(
            b"POST /infer HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
        )
        assert slow.recv(1000).startswith(b"HTTP/1.1 408")
        assert infer(url, image_b64=b64(encoded())).status_code == 200
