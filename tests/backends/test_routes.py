"""Which deployments may be asked, whether they can be asked now, and which of several is."""

from __future__ import annotations

import asyncio
import socket
from contextlib import aclosing

import pytest
from aiohttp import web
from client_desk import model_at, request_of
from served import Served
from vllm_double import Http, Reset, VllmDouble

from backends.errors import ModelMisconfigured, ModelUnreachable, RemoteNotAllowed

pytestmark = pytest.mark.anyio


def free_url():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{one.getsockname()[1]}"


async def answers(client, model, count):
    requests = [request_of(model, f"Photo {number}") for number in range(count)]
    async with aclosing(client.map(requests)) as done:
        return [answer async for _, answer in done]


def with_second(model, url):
    second = model.deployments[0].model_copy(update={"name": "second", "base_url": url})
    return model.model_copy(update={"deployments": (*model.deployments, second)})


async def test_a_model_that_is_served_passes(desk):
    with VllmDouble() as double:
        async with desk.client() as client:
            await client.check(model_at(double.url))
    assert double.gets == ["/health", "/v1/models"]


async def test_an_unreachable_model_says_url_model_and_what_to_do(desk):
    url = free_url()
    async with desk.client() as client:
        with pytest.raises(ModelUnreachable, match=rf"'double' at {url} does not answer.*Start the server"):
            await client.check(model_at(url))


async def test_a_dead_engine_is_unreachable(desk):
    with VllmDouble() as double:
        double.healthy = False
        async with desk.client() as client:
            with pytest.raises(ModelUnreachable, match="/health answered 503"):
                await client.check(model_at(double.url))


async def test_a_server_of_another_model_says_what_it_serves(desk):
    with VllmDouble(model="other-vlm") as double:
        async with desk.client() as client:
            with pytest.raises(ModelUnreachable, match=r"does not serve 'double-vlm'; it serves other-vlm"):
                await client.check(model_at(double.url))


async def test_one_good_deployment_is_enough(desk):
    with VllmDouble() as double:
        model = model_at(free_url())
        good = model.deployments[0].model_copy(update={"name": "good", "base_url": double.url})
        async with desk.client() as client:
            await client.check(model.model_copy(update={"deployments": (*model.deployments, good)}))


async def test_all_bad_deployments_are_named(desk):
    model = model_at(free_url())
    second = model.deployments[0].model_copy(update={"name": "second", "base_url": free_url()})
    async with desk.client() as client:
        with pytest.raises(ModelUnreachable, match=r"'only'.*'second'"):
            await client.check(model.model_copy(update={"deployments": (*model.deployments, second)}))


async def test_the_api_key_is_sent_and_never_shown(desk):
    key = "sk-secret-0123456789"
    with VllmDouble(api_key=key) as double:
        model = model_at(double.url, deployment={"api_key_env": "DOUBLE_KEY"})
        async with desk.client(environ={"DOUBLE_KEY": key}) as client:
            await client.check(model)
            assert (await client.complete(request_of(model))).ok
        wrong = "sk-wrong-0123456789"
        async with desk.client(environ={"DOUBLE_KEY": wrong}) as client:
            with pytest.raises(ModelMisconfigured, match="correct DOUBLE_KEY") as refused:
                await client.check(model)
            answer = await client.complete(request_of(model, "Something else"))
    assert wrong not in str(refused.value)
    assert wrong not in answer.error_message
    assert "********" in answer.error_message
    assert not any(secret in str(event) for event in desk.events() for secret in (key, wrong))


class Echo(Served):
    """Says what was sent to it: a key, in whichever answer it is told to give."""

    def __init__(self, status, words):
        super().__init__()
        self.status = status
        self.words = words

    def routes(self):
        return [web.post("/v1/chat/completions", self._say)]

    async def _say(self, request):
        return web.Response(status=self.status, text=self.words.format(request.headers["Authorization"]))


@pytest.mark.parametrize(
    ("status", "words", "error_class"),
    [
        (200, "<html>{}</html>", "not_json"),
        (409, '{{"error": {{"code": "stale_lease", "message": "{}"}}}}', "stale_lease"),
        (401, "<html>{}</html>", "http_4xx"),
    ],
    ids=["no JSON", "a stale lease", "a refusal"],
)
async def test_whatever_a_server_says_of_the_key_is_not_shown(desk, status, words, error_class):
    key = "sk-secret-0123456789"
    with Echo(status, words) as echo:
        model = model_at(echo.url, deployment={"api_key_env": "DOUBLE_KEY"})
        async with desk.client(environ={"DOUBLE_KEY": key}) as client:
            answer = await client.complete(request_of(model))
    assert answer.error_class == error_class
    assert key not in answer.error_message
    assert "********" in answer.error_message
    assert not any(key in str(event) for event in desk.events())


async def test_an_answer_that_holds_the_word_that_is_the_key_comes_unchanged(desk):
    with VllmDouble(api_key="the") as double:
        model = model_at(double.url, deployment={"api_key_env": "DOUBLE_KEY"})
        async with desk.client(environ={"DOUBLE_KEY": "the"}) as client:
            answer = await client.complete(request_of(model))
    assert answer.ok
    assert "********" not in answer.text


async def test_a_missing_api_key_names_its_variable(desk):
    model = model_at("http://127.0.0.1:9", deployment={"api_key_env": "DOUBLE_KEY"})
    async with desk.client() as client:
        with pytest.raises(ModelMisconfigured, match="DOUBLE_KEY, which is not set"):
            await client.check(model)


async def test_an_api_key_that_is_none_names_its_variable_and_not_its_value(desk):
    model = model_at("http://127.0.0.1:9", deployment={"api_key_env": "DOUBLE_KEY"})
    async with desk.client(environ={"DOUBLE_KEY": "sk-1\r\nX-Evil: 1"}) as client:
        with pytest.raises(ModelMisconfigured, match="DOUBLE_KEY") as refused:
            await client.check(model)
    assert "Evil" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "remote"),
    [("https://models.example.org", False), ("http://127.0.0.1:9", True)],
    ids=["public", "marked"],
)
async def test_no_picture_leaves_the_private_network_without_consent(desk, url, remote):
    model = model_at(url, deployment={"remote": remote})
    async with desk.client() as client:
        with pytest.raises(RemoteNotAllowed, match="IMAGEWORKS_ALLOW_REMOTE"):
            await client.check(model)
        with pytest.raises(RemoteNotAllowed):
            await client.complete(request_of(model))
    assert desk.events() == []


async def test_with_consent_a_remote_deployment_is_asked(desk):
    with VllmDouble() as double:
        async with desk.client(allow_remote=True) as client:
            model = model_at(double.url, deployment={"remote": True})
            assert (await client.complete(request_of(model))).ok


async def test_an_embedded_model_without_a_function_says_which_have_one(desk):
    desk.embedded["baseline-judge"] = dict
    async with desk.client() as client:
        with pytest.raises(ModelMisconfigured, match="baseline-judge"):
            await client.check(model_at(None))


async def test_an_address_that_needs_a_missing_variable_is_a_misconfiguration(desk):
    async with desk.client() as client:
        with pytest.raises(ModelMisconfigured, match="WHERE"):
            await client.check(model_at("${WHERE}"))


async def test_a_plain_openai_server_is_sent_only_what_that_protocol_has(desk):
    with VllmDouble(metrics=False) as double:
        model = model_at(double.url, deployment={"provider": "openai"})
        async with desk.client() as client:
            await client.check(model)
            await client.complete(request_of(model, parameters={"top_k": 5, "temperature": 0.5}))
    assert "/health" not in double.gets
    assert "top_k" not in double.history[0].body
    (event,) = desk.events()
    assert event["dropped_parameters"] == ["top_k"]
    assert "ttft_ms" not in event


@pytest.mark.parametrize("status", [302, 307])
async def test_a_redirect_is_not_followed(desk, status):
    with VllmDouble() as elsewhere:
        redirect = Http(status, location=f"{elsewhere.url}/v1/chat/completions")
        with VllmDouble(faults=[redirect]) as double:
            async with desk.client() as client:
                answer = await client.complete(request_of(model_at(double.url)))
    assert answer.error_class == "http_3xx"
    assert (elsewhere.history, elsewhere.gets) == ([], [])


async def test_another_deployment_is_asked_when_one_is_left_alone(desk):
    with VllmDouble(faults=[Reset()] * 99) as sick, VllmDouble() as well:
        sick.healthy = False
        model = with_second(model_at(sick.url), well.url)
        async with desk.client(breaker_failures=2, concurrency=1) as client:
            done = await answers(client, model, 10)
    assert all(answer.ok for answer in done)
    assert len(sick.history) == 2
    assert {event["deployment"] for event in desk.events()} == {"second"}


async def test_of_two_deployments_the_one_that_works_answers_everything(desk):
    with VllmDouble(latency_s=0.02) as well:
        model = with_second(model_at(free_url()), well.url)
        async with desk.client(concurrency=8, breaker_wait_s=0.3) as client:
            done = await answers(client, model, 100)
    assert all(answer.ok for answer in done)
    assert len(well.history) == 100


async def test_a_try_that_failed_at_one_deployment_is_followed_by_one_at_another(desk):
    with VllmDouble(faults=[Reset()] * 99) as sick, VllmDouble() as well:
        model = with_second(model_at(sick.url), well.url)
        async with desk.client(attempts=2, breaker_failures=99) as client:
            assert (await client.complete(request_of(model))).ok
    assert len(sick.history) == 1


async def test_a_deployment_that_is_back_is_asked_again_though_another_works(desk, monkeypatch):
    monkeypatch.setattr("backends.breaker._FIRST_PAUSE_S", 0.0)
    with VllmDouble(faults=[Reset(), Reset()]) as back, VllmDouble() as well:
        model = with_second(model_at(back.url), well.url)
        async with desk.client(breaker_failures=2, concurrency=1) as client:
            done = await answers(client, model, 10)
    assert all(answer.ok for answer in done)
    assert (len(back.history), len(well.history)) == (2 + 8, 2)


async def test_who_waits_for_one_deployment_goes_on_at_the_other_that_is_back_first(desk):
    with VllmDouble() as first:
        port = first.port
        model = with_second(model_at(free_url()), first.url)
    async with desk.client(breaker_failures=1, breaker_wait_s=30, concurrency=4) as client:
        task = asyncio.create_task(answers(client, model, 12))
        while any(route.breaker.closed for route in client._routes_of(model).routes):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
        with VllmDouble(port=port):
            done = await task
    assert all(answer.ok for answer in done)
