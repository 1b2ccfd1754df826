"""What is changed for all servers of a provider: where they are asked, with which key, and how patiently."""

from __future__ import annotations

import pytest
from client_desk import model_at, request_of
from vllm_double import Stall, VllmDouble

from backends.errors import ModelMisconfigured, ModelUnreachable, RemoteNotAllowed
from backends.provider_settings import ProviderSettings
from backends.request import request_digest
from registry.schema import Deployment

pytestmark = pytest.mark.anyio

NOWHERE = "http://127.0.0.1:9"


def at(url, **changes):
    return {"vllm": ProviderSettings(base_url=url, **changes)}


async def test_the_changed_address_is_asked_and_the_registrys_is_not(desk):
    with VllmDouble() as registered, VllmDouble() as other:
        model = model_at(registered.url)
        async with desk.client(providers=at(other.url)) as client:
            await client.check(model)
            assert (await client.complete(request_of(model))).ok
    assert (len(registered.history), len(other.history)) == (0, 1)
    assert registered.gets == []


async def test_deployments_of_other_providers_stay_where_they_are(desk):
    with VllmDouble() as registered:
        model = model_at(registered.url, deployment={"provider": "openai"})
        async with desk.client(providers=at(NOWHERE)) as client:
            assert (await client.complete(request_of(model))).ok


async def test_an_answer_from_a_changed_address_is_the_same_answer(desk):
    with VllmDouble() as double:
        model = model_at(NOWHERE)
        async with desk.client(providers=at(double.url)) as client:
            first = await client.complete(request_of(model))
    async with desk.client() as client:
        again = await client.complete(request_of(model))
    assert again.recalled
    assert again.request_digest == first.request_digest == request_digest(request_of(model))
    assert again.model_revision == first.model_revision == model.model_revision


async def test_a_changed_address_is_sent_no_key(desk):
    with VllmDouble(api_key="sk-of-the-registry") as double:
        model = model_at(double.url, deployment={"api_key_env": "REGISTRYS_KEY"})
        environ = {"REGISTRYS_KEY": "sk-of-the-registry"}
        async with desk.client(environ=environ) as client:
            await client.check(model)
        async with desk.client(environ=environ, providers=at(double.url)) as client:
            with pytest.raises(ModelMisconfigured, match="answered 401"):
                await client.check(model)


async def test_a_wrong_address_says_where_nothing_answers(desk):
    with VllmDouble() as double:
        async with desk.client(providers=at(NOWHERE)) as client:
            with pytest.raises(ModelUnreachable, match=rf"at {NOWHERE} does not answer.*the run's, or the"):
                await client.check(model_at(double.url))


async def test_consent_is_asked_for_by_the_changed_address(desk):
    model = model_at("http://127.0.0.1:9")
    async with desk.client(providers=at("https://models.example.org")) as client:
        with pytest.raises(RemoteNotAllowed, match=r"models\.example\.org.*IMAGEWORKS_ALLOW_REMOTE"):
            await client.check(model)


async def test_a_public_address_that_is_changed_for_a_private_one_needs_no_consent(desk):
    with VllmDouble() as double:
        model = model_at("https://models.example.org")
        async with desk.client(providers=at(double.url)) as client:
            assert (await client.complete(request_of(model))).ok


async def test_what_is_marked_remote_stays_so_wherever_it_is_asked(desk):
    model = model_at("https://models.example.org", deployment={"remote": True})
    async with desk.client(providers=at(NOWHERE)) as client:
        with pytest.raises(RemoteNotAllowed):
            await client.check(model)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"base_url": "http://me:secret@127.0.0.1"}, "base_url is not an address"),
        ({"base_url": "http://127.0.0.1/${MYSQL_PWD:-0123456789}"}, "base_url is not an address"),
        ({"slots": -1}, "slots"),
        ({"connect_timeout_s": -1.0}, "connect_timeout_s is -1"),
        ({"request_timeout_s": float("nan")}, "request_timeout_s is nan"),
    ],
)
async def test_what_cannot_be_used_is_told_and_no_secret_with_it(desk, changes, words):
    async with desk.client(providers={"vllm": ProviderSettings(**changes)}) as client:
        with pytest.raises(ModelMisconfigured, match=f"provider vllm.*{words}.*the run's") as refused:
            await client.check(model_at(NOWHERE))
    assert "me:secret" not in str(refused.value)
    assert "0123456789" not in str(refused.value)


async def test_each_provider_has_its_own_patience(desk):
    providers = {"vllm": ProviderSettings(first_byte_timeout_s=0.1)}
    with VllmDouble(faults=[Stall()]) as slow, VllmDouble(latency_s=0.5) as patient:
        async with desk.client(attempts=1, providers=providers) as client:
            impatient = await client.complete(request_of(model_at(slow.url)))
            other = model_at(patient.url, name="other", deployment={"provider": "openai"})
            answer = await client.complete(request_of(other))
    assert impatient.error_class == "first_byte_timeout"
    assert "within 0.1 s" in impatient.error_message
    assert answer.ok


def test_slots_are_those_of_the_changed_deployment():
    changed = ProviderSettings(slots=3).deployment(model_at(NOWHERE).deployments[0])
    assert (changed.slots, changed.base_url) == (3, NOWHERE)


def test_a_key_goes_to_no_other_address_than_the_one_the_registry_names_it_with():
    deployment = Deployment(
        name="only",
        provider="vllm",
        base_url="http://127.0.0.1:1",
        served_model_id="m",
        api_key_env="CLUB_KEY",
        control_key_env="CLUB_CONTROL",
    )
    moved = ProviderSettings(base_url="http://127.0.0.1:2").deployment(deployment)
    assert (moved.api_key_env, moved.control_key_env) == (None, None)
    assert ProviderSettings(slots=2).deployment(deployment).api_key_env == "CLUB_KEY"
