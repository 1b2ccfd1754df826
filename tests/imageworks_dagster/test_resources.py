"""What the launchpad changes about models for one run."""

import json
import re
from pathlib import Path

import dagster as dg
import pytest
import yaml
from ollama_double import OllamaDouble
from vllm_double import VllmDouble

from imageworks_dagster.definitions import build_definitions
from store.settings import Settings

pytestmark = pytest.mark.slow

GUIDE = Path(__file__).parents[2] / "docs" / "models.md"
CAPTIONS = "tagger/captions"
NOWHERE = "http://127.0.0.1:9"
PROVIDERS = ("vllm", "ollama", "trtllm", "tf_iqa", "gateway")

REGISTRY = """
models:
  near-vlm:
    roles: [caption]
    capabilities:
      chat: {{context_tokens: 8192, max_output_tokens: 2048, structured_output: true}}
      vision: {{max_images: 2, max_long_side: 1024}}
    deployments: [{{name: local, provider: {provider}, base_url: "{url}", served_model_id: double-vlm}}]
"""


@pytest.fixture
def caption(platform, shoot_folder):
    """Captions the shoot by a model that the registry has nowhere, with the launchpad's changes to ``models``."""
    platform.settings.home.mkdir(exist_ok=True)
    batch = platform.register("tagger", shoot_folder)

    def run(models, *, provider="vllm", url=NOWHERE):
        registry = platform.settings.home / "registry.yaml"
        registry.write_text(REGISTRY.format(provider=provider, url=url), encoding="utf-8")
        return platform.run(
            "tagger",
            batch,
            only=["tagger/photos", CAPTIONS],
            config={CAPTIONS: {"model": "near-vlm"}},
            models=models,
        )

    return run


def failure_of(result):
    (event,) = [event for event in result.get_step_failure_events() if event.step_key == "tagger__captions"]
    return event.step_failure_data.user_failure_data.description


def fields_of(settings):
    definitions = build_definitions(settings=settings)
    resource = definitions.get_repository_def().get_top_level_resources()["models"]
    return resource.config_schema.config_type.fields


def test_every_field_shows_what_it_is_and_a_default_that_is_the_settings(tmp_path):
    fields = fields_of(Settings(home=tmp_path, concurrency=3, leases="observe"))
    assert all(one.default_provided and one.description for one in fields.values())
    assert (fields["concurrency"].default_value, fields["leases"].default_value) == (3, "observe")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_servers_of_a_provider_are_as_registry_and_settings_say_until_a_run_changes_them(
    tmp_path, provider
):
    part = fields_of(Settings(home=tmp_path))[provider]
    assert json.loads(part.default_value_as_json_str) == {
        "base_url": "",
        "connect_timeout_s": 0.0,
        "first_byte_timeout_s": 0.0,
        "request_timeout_s": 0.0,
        "slots": 0,
    }
    assert all(one.description for one in part.config_type.fields.values())


def test_a_run_asks_at_the_address_of_the_launchpad(platform, caption):
    with VllmDouble() as double:
        result = caption({"vllm": {"base_url": double.url}})
    assert result.success
    assert len(double.history) == 5
    assert platform.asked(result) == {CAPTIONS: 5}


def test_what_the_launchpad_leaves_out_is_as_the_settings_have_it(platform, caption):
    platform.settings = Settings(home=platform.settings.home, concurrency=1)
    with VllmDouble(latency_s=0.02) as double:
        assert caption({"vllm": {"base_url": double.url}}).success
    assert double.most_at_once == 1


def test_the_answers_of_a_changed_address_are_kept_as_those_of_the_registrys(platform, caption):
    with VllmDouble() as double:
        caption({"vllm": {"base_url": double.url}})
    assert platform.asked(caption(None)) == {}


def test_each_provider_is_changed_by_itself(caption):
    with OllamaDouble(pulled={"double-vlm": ["completion", "vision"]}) as double:
        assert caption(
            {"vllm": {"base_url": NOWHERE}, "ollama": {"base_url": double.url}}, provider="ollama"
        ).success


def test_a_wrong_address_fails_in_words(caption):
    with VllmDouble() as double:
        result = caption({"vllm": {"base_url": "http://127.0.0.1:1"}}, url=double.url)
    assert not result.success
    assert "at http://127.0.0.1:1 does not answer" in failure_of(result)
    assert double.history == []


def test_an_address_that_is_none_fails_in_words_that_do_not_show_it(caption):
    result = caption({"vllm": {"base_url": "http://me:secret@127.0.0.1:1"}})
    assert not result.success
    assert "provider vllm cannot be used: base_url is not an address" in failure_of(result)
    assert "secret" not in failure_of(result)


def test_a_public_address_needs_the_consent_of_the_settings(platform, caption):
    public = {"vllm": {"base_url": "http://models.example.invalid"}}
    assert "IMAGEWORKS_ALLOW_REMOTE" in failure_of(caption(public))
    platform.settings = Settings(home=platform.settings.home, allow_remote=True)
    assert "does not answer" in failure_of(caption(public))


@pytest.mark.parametrize(
    "config", [{"allow_remote": True}, {"vllm": {"api_key_env": "AWS_SECRET_ACCESS_KEY"}}]
)
def test_a_run_can_neither_consent_nor_name_a_secret(caption, config):
    with pytest.raises(dg.DagsterInvalidConfigError):
        caption(config)


def test_the_launchpads_text_in_the_guide_works(caption):
    (text,) = re.findall(r"^```yml\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    models = yaml.safe_load(text)["resources"]["models"]["config"]
    assert models["vllm"]["base_url"] == "http://127.0.0.1:24001"
    with VllmDouble() as double:
        models["vllm"]["base_url"] = double.url
        assert caption(models).success
