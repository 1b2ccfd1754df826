"""Scores: requests like any other, over a real socket, to a double of the TF-IQA worker."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing, suppress

import pytest
from client_desk import model_at, picture, request_of
from hypothesis import given
from hypothesis import strategies as st
from iqa_double import Bare, Fails, IqaDouble, Refuses

from backends.errors import AttemptFailed, InvalidRequest, ModelUnreachable
from backends.providers.protocol import Observed, Question
from backends.providers.tf_iqa import TfIqa, infer_body
from backends.request import Labels, request_digest
from backends.scoring import read_scores, score_request
from backends.transport import Response

pytestmark = pytest.mark.anyio

BOTH = ("nima_aesthetic", "nima_technical")


def nima(url="http://127.0.0.1:9", metrics=BOTH, **changes):
    return model_at(
        url,
        deployment={"provider": "tf_iqa", "served_model_id": "nima-mobilenet"},
        capabilities={"iqa": {"metrics": metrics}},
        **changes,
    )


class Says:
    """A transport whose server says this, whatever it is asked."""

    def __init__(self, body):
        self._body = body

    async def post(self, *_, **__):
        return Response(status=200, body=self._body, retry_after_s=None)


def request_to(model, image=None, metrics=(), entry="club/one", **labels):
    given_labels = Labels(stage="judge/signals", run_id="run-1", batch="club", entry_id=entry, **labels)
    return score_request(model, image or picture(), metrics, given_labels)


def test_a_body_names_the_model_the_metrics_and_one_picture():
    body = infer_body(request_to(nima()), served_model="nima-mobilenet", pictures=(b"UElD",))
    assert json.loads(b"".join(body)) == {
        "model": "nima-mobilenet",
        "metrics": ["nima_aesthetic", "nima_technical"],
        "images": [{"id": "picture", "image_b64": "UElD"}],
    }


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda some: (
            st.lists(some) | st.dictionaries(st.sampled_from(["metrics", "error", "error_class"]), some)
        ),
    )
)
async def test_whatever_json_a_worker_sends_is_read_or_refused(said):
    model, question = nima(), Question(request=request_to(nima()), request_id="a" * 32, pictures=(b"UElD",))
    for body in (said, {"results": [said]}, {"results": [{"metrics": {"nima_aesthetic": said}}]}):
        worker = TfIqa(model, model.deployments[0], Says(json.dumps(body).encode()))
        with suppress(AttemptFailed):
            assert isinstance(json.loads((await worker.ask(question, Observed())).text), dict)


def test_the_digest_covers_the_models_revision_the_picture_and_the_metrics_and_nothing_else():
    base = request_digest(request_to(nima()))
    others = [
        request_to(nima(revision="2")),
        request_to(nima(), picture("b" * 64)),
        request_to(nima(), metrics=["nima_technical"]),
    ]
    assert len({base, *map(request_digest, others)}) == 4
    same = [
        request_to(nima("http://127.0.0.1:10")),
        request_to(nima(), entry="club/two"),
        request_to(nima(), metrics=["nima_technical", "nima_aesthetic"]),
    ]
    assert {request_digest(request) for request in same} == {base}


def test_a_request_without_metrics_is_named_as_before():
    """Kept answers of chats outlive the coming of scores."""
    digest = request_digest(request_of(model_at("http://127.0.0.1:9")))
    assert digest == "d4531306455ab23d23b68ff0a2a624ecc7311a86877f8931da367666833d642c"


def test_a_metric_that_the_model_does_not_measure_is_refused():
    with pytest.raises(InvalidRequest, match="does not measure musiq_spaq; it measures nima_aesthetic"):
        request_to(nima(), metrics=["musiq_spaq", "nima_aesthetic"])
    with pytest.raises(InvalidRequest, match="measures nothing"):
        request_to(model_at("http://127.0.0.1:9"))


async def test_a_photo_is_scored_recorded_and_recalled(desk):
    with IqaDouble() as double:
        request = request_to(nima(double.url), photo_ids=("a" * 64,), trace_id="b" * 32)
        async with desk.client() as client:
            await client.check(request.model)
            answer = await client.score(request)
            again = await client.score(request)
    assert answer.ok, answer.error_message
    scores = read_scores(answer.data)
    assert scores.means.keys() == scores.stds.keys() == set(BOTH)
    assert all(1 <= mean <= 10 for mean in scores.means.values())
    assert scores.errors == {}
    assert (again.recalled, again.data) == (True, answer.data)
    assert double.pictures == [b"\xff\xd8 a picture"]
    assert double.headers[0]["traceparent"].startswith(f"00-{'b' * 32}-")
    (event,) = desk.events()
    assert (event["provider"], event["stage"], event["status"]) == ("tf_iqa", "judge/signals", "ok")
    assert event["schema_valid"] is True


async def test_many_are_mapped_like_questions(desk):
    with IqaDouble() as double:
        model = nima(double.url, metrics=("musiq_spaq", *BOTH))
        requests = [
            request_to(model, picture(f"{number:064d}", b"%d" % number), entry=f"club/{number}")
            for number in range(20)
        ]
        async with desk.client() as client, aclosing(client.map(requests)) as answers:
            means = {request.labels.entry_id: answer.data async for request, answer in answers}
    assert len({json.dumps(one) for one in means.values()}) == 20
    assert len(desk.events()) == 20


async def test_a_metric_that_fails_is_kept_beside_those_that_do_not(desk):
    with IqaDouble(faults=[Fails(("nima_technical",))]) as double:
        async with desk.client() as client:
            answer = await client.score(request_to(nima(double.url)))
            again = await client.score(request_to(nima(double.url)))
    assert answer.ok
    scores = read_scores(answer.data)
    assert list(scores.means) == ["nima_aesthetic"]
    assert scores.errors == {"nima_technical": "nima_technical failed"}
    assert again.recalled


async def test_a_photo_of_which_every_metric_fails_is_a_failure_and_asked_again_the_next_time(desk):
    with IqaDouble(faults=[Fails(BOTH, "not_a_picture")]) as double:
        async with desk.client() as client:
            failed = await client.score(request_to(nima(double.url)))
            assert (failed.ok, failed.error_class, failed.data) == (False, "not_a_picture", None)
            assert "nima_aesthetic failed; nima_technical failed" in failed.error_message
            assert "not_a_picture" in failed.text
            assert (await client.score(request_to(nima(double.url)))).ok
    assert [event["error_class"] for event in desk.events() if event["status"] == "error"] == [
        "not_a_picture"
    ]


async def test_a_busy_worker_is_asked_again(desk):
    with IqaDouble(faults=[Refuses(503, "0"), Refuses(503, "0")]) as double:
        async with desk.client(attempts=4) as client:
            answer = await client.score(request_to(nima(double.url)))
    assert answer.ok
    (event,) = desk.events()
    assert event["attempt_count"] == 3


def infer_result(**metrics):
    return Bare(json.dumps({"results": [{"id": "picture", "metrics": metrics}]}).encode())


@pytest.mark.parametrize(
    ("fault", "error_class"),
    [
        (Refuses(500), "http_5xx"),
        (Refuses(413), "http_4xx"),
        (Bare(b"<html>"), "not_json"),
        (Bare(b"{}"), "empty_answer"),
        (Bare(b'{"results": []}'), "empty_answer"),
        (infer_result(nima_aesthetic={"mean": 5}), "schema_mismatch"),
        (infer_result(nima_aesthetic={"mean": 5}, nima_technical={"mean": 11}), "schema_mismatch"),
        (infer_result(nima_aesthetic={"mean": 5}, nima_technical={"mean": "5"}), "schema_mismatch"),
        (infer_result(nima_aesthetic={"mean": 5}, nima_technical={"mean": float("nan")}), "not_json"),
        (
            infer_result(nima_aesthetic={"mean": 5}, nima_technical={"mean": 5}, more={"mean": 5}),
            "schema_mismatch",
        ),
    ],
    ids=str,
)
async def test_each_failure_has_its_class(desk, fault, error_class):
    with IqaDouble(faults=[fault] * 3) as double:
        async with desk.client(attempts=2) as client:
            answer = await client.score(request_to(nima(double.url)))
    assert answer.error_class == error_class


async def test_a_worker_that_is_loading_or_away_is_unreachable(desk):
    with IqaDouble(ready=False) as double:
        async with desk.client() as client:
            with pytest.raises(ModelUnreachable, match="503"):
                await client.check(nima(double.url))
    async with desk.client() as client:
        with pytest.raises(ModelUnreachable, match="Start the server"):
            await client.check(nima(double.url))


async def test_a_worker_without_the_models_metrics_is_told_with_what_starts_it_rightly(desk):
    with IqaDouble(metrics=["musiq_spaq"]) as double:
        async with desk.client() as client:
            with pytest.raises(ModelUnreachable) as told:
                await client.check(nima(double.url))
    assert "it serves musiq_spaq" in str(told.value)
    assert "--metrics nima_aesthetic,nima_technical" in str(told.value)


async def test_what_stands_before_a_worker_need_not_know_its_metrics(desk):
    with IqaDouble(says_metrics=False) as double:
        async with desk.client() as client:
            await client.check(nima(double.url))


async def test_a_question_to_an_image_quality_model_is_a_mistake_and_so_is_a_score_of_nothing(desk):
    with IqaDouble() as double:
        async with desk.client() as client:
            with pytest.raises(InvalidRequest, match="names no metrics"):
                await client.complete(request_of(nima(double.url), images=(picture(),)))
            with pytest.raises(InvalidRequest, match="score_request"):
                await client.score(request_of(model_at(double.url)))
    assert double.history == []


async def test_the_same_score_asked_twice_at_once_is_asked_once(desk):
    with IqaDouble() as double:
        async with desk.client() as client:
            request = request_to(nima(double.url))
            answers = await asyncio.gather(client.score(request), client.score(request))
    assert [answer.ok for answer in answers] == [True, True]
    assert len(double.history) == 1
