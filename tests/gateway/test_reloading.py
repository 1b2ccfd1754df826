"""Prompts and models are read anew while the gateway serves."""

from __future__ import annotations

import httpx
from served_gateway import registry_of

RELOAD = "/v1/prompt/reload"
BIRDS = "id: birds\nextends: library\ndescription: Birds alone.\n"


def write(gateway, name, text):
    path = gateway.settings.home / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def test_a_reload_that_finds_nothing_new_says_so(client):
    said = client.post(RELOAD).json()
    assert said["prompt_hub"]["before"] == said["prompt_hub"]["after"]
    assert said["registry"]["before"] == said["registry"]["after"]
    assert said["changed"] == {}


def test_new_prompts_and_models_are_served_from_then_on(client, gateway, double):
    write(gateway, "prompts/birds.yaml", BIRDS)
    write(gateway, "registry.yaml", registry_of(double.url).replace("gpt-local", "gpt-other"))
    assert client.get("/v1/prompts/birds").status_code == 404
    said = client.post(RELOAD).json()
    assert said["prompt_hub"]["before"] != said["prompt_hub"]["after"]
    assert said["registry"]["before"] != said["registry"]["after"]
    assert said["changed"]["birds"]["before"] is None
    assert client.get("/v1/prompts/birds").json()["profile_hash"] == said["changed"]["birds"]["after"]
    assert client.get("/v1/models/gpt-other").status_code == 200
    assert client.get("/v1/models/gpt-local").status_code == 404
    assert client.get("/v1/audit").json()["data"][0]["detail"]["registry"] == said["registry"]


def test_a_broken_prompt_leaves_what_was_served_and_is_told_with_its_place(client, gateway):
    write(gateway, "prompts/birds.yaml", BIRDS)
    before = client.post(RELOAD).json()["prompt_hub"]["after"]
    write(gateway, "prompts/birds.yaml", BIRDS + "stages: 7\n")
    answer = client.post(RELOAD)
    assert answer.status_code == 400
    (problem,) = answer.json()["error"]["problems"]
    assert problem["file"].endswith("birds.yaml")
    assert (problem["line"], problem["field"]) == (4, "stages")
    assert client.get("/v1/prompts").json()["prompt_hub_version"] == before


def test_a_broken_registry_leaves_what_was_served_and_is_told_with_its_place(client, gateway, double):
    write(gateway, "registry.yaml", registry_of(double.url) + "    colour: blue\n")
    answer = client.post(RELOAD)
    assert answer.status_code == 400
    (problem,) = answer.json()["error"]["problems"]
    assert problem["file"].endswith("registry.yaml")
    assert problem["line"] > 1
    assert "colour" in problem["field"]
    assert client.get("/v1/models/talker").status_code == 200


def test_both_are_read_anew_or_neither(client, gateway, double):
    """A prompt that is right is not served beside a registry that is broken."""
    before = client.get("/v1/prompts").json()["prompt_hub_version"]
    write(gateway, "prompts/birds.yaml", BIRDS)
    write(gateway, "registry.yaml", "models: [")
    assert client.post(RELOAD).status_code == 400
    assert client.get("/v1/prompts").json()["prompt_hub_version"] == before


def test_viewers_may_not_reload(opened):
    with opened() as probe:
        probe.key_of("admin", role="admin")
        key = probe.key_of("somebody")
    with opened() as gateway:
        answer = httpx.post(f"{gateway.url}{RELOAD}", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 403
