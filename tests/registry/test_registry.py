"""Finding models: by name, alias and role, with what is needed; and the errors that help."""

from __future__ import annotations

import pickle

import pytest

from registry.errors import MissingCapability, RegistryFileError, UnknownModel
from registry.registry import Registry
from registry.schema import ROLES

USER = """
roles:
  judge: tiny-vlm
models:
  tiny-vlm:
    aliases: [tiny]
    roles: [judge, pairwise]
    capabilities:
      chat: {context_tokens: 16384, max_output_tokens: 4096, structured_output: false}
      vision: {max_images: 2, max_long_side: 1024}
    deployments:
      - {name: local, provider: vllm, base_url: "${TINY_URL:-http://127.0.0.1:24001}"}
"""


@pytest.fixture
def load(tmp_path):
    def load(text, **kwargs):
        path = tmp_path / "registry.yaml"
        path.write_text(text, encoding="utf-8")
        return Registry.load(path, **kwargs)

    return load


def refused(load, text, **kwargs):
    with pytest.raises(RegistryFileError) as caught:
        load(text, **kwargs)
    return caught.value


def test_the_shipped_registry_is_in_order_and_every_role_has_a_model():
    registry = Registry.load(None, environ={})
    assert set(registry.roles) == set(ROLES)
    assert {registry.resolve(role).name for role in ROLES} == {
        "baseline-judge",
        "baseline-tagger",
        "nima-mobilenet",
    }
    assert {
        deployment.provider for model in registry.models.values() for deployment in model.deployments
    } == {
        "embedded",
        "vllm",
        "ollama",
        "trtllm",
        "tf_iqa",
    }


@pytest.mark.parametrize(
    ("model", "url"),
    [
        ("qwen2.5-vl-7b", "http://imageworks-vllm:8600"),
        ("gemma3-12b", "http://imageworks-ollama:11434"),
        ("qwen2.5-vl-7b-trtllm", "http://imageworks-trtllm:8601"),
        ("nima", "http://imageworks-tf-iqa-service:5105"),
        ("musiq", "http://imageworks-tf-iqa-service:5105"),
    ],
)
def test_shipped_addresses_are_those_of_the_compose_services(model, url):
    registry = Registry.load(None, environ={})
    deployment = registry.resolve(model).deployments[0]
    assert registry.url(deployment) == url
    assert not deployment.needs_consent({})


def test_the_address_follows_the_variable_that_people_have():
    registry = Registry.load(None, environ={"CHAT_PROXY_VLLM_BASE_URL": "http://gpu:9000/v1/"})
    assert registry.url(registry.resolve("qwen2.5-vl-7b").deployments[0]) == "http://gpu:9000"


def test_a_file_that_is_not_there_is_an_empty_layer(tmp_path):
    assert Registry.load(tmp_path / "registry.yaml").version == Registry.load(None).version


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "models:\n", "models: {}\nroles: {}\n"])
def test_a_file_that_says_nothing_changes_nothing(load, text):
    assert load(text).version == Registry.load(None).version


def test_a_dangling_link_is_an_error_and_not_an_empty_layer(tmp_path):
    link = tmp_path / "registry.yaml"
    link.symlink_to(tmp_path / "nowhere.yaml")
    with pytest.raises(RegistryFileError, match="No such file"):
        Registry.load(link)


@pytest.mark.parametrize("name", ["tiny-vlm", "tiny", "judge"])
def test_a_model_is_found_by_name_alias_and_role(load, name):
    assert load(USER).resolve(name).name == "tiny-vlm"


def test_a_wrong_name_answers_with_the_nearest_names(load):
    registry = load(USER)
    with pytest.raises(UnknownModel, match="Did you mean tiny-vlm") as caught:
        registry.resolve("tiny-vml")
    assert caught.value.nearest[0] == "tiny-vlm"
    with pytest.raises(UnknownModel, match="Did you mean") as caught:
        registry.resolve("QWEN2.5-VL-7B")
    assert "qwen2.5-vl-7b" in caught.value.nearest


def test_a_name_like_nothing_answers_with_all_names(load):
    with pytest.raises(UnknownModel, match=r"Known models: baseline-judge, .*tiny-vlm"):
        load(USER).resolve("zzzzzz")


def test_a_missing_capability_answers_with_the_models_that_have_it(load):
    with pytest.raises(MissingCapability, match=r"cannot do structured_output.*baseline-judge") as caught:
        load(USER).resolve("judge", needs={"vision", "structured_output", "chat"})
    assert caught.value.missing == ("structured_output",)
    assert "qwen2.5-vl-7b" in caught.value.able
    assert "tiny-vlm" not in caught.value.able
    assert "nima-mobilenet" not in caught.value.able


def test_a_deprecated_model_still_works_but_is_not_suggested(load):
    registry = load("models: {musiq-spaq: {deprecated: true}}")
    assert registry.resolve("musiq").deprecated
    with pytest.raises(MissingCapability) as caught:
        registry.resolve("judge", needs=["iqa"])
    assert caught.value.able == ("nima-mobilenet",)


def test_the_variables_that_addresses_and_keys_are_read_from_are_named(load):
    keyed = USER.replace("provider: vllm, base", "provider: vllm, api_key_env: TINY_KEY, base")
    assert {"TINY_URL", "TINY_KEY", "IMAGEWORKS_TRTLLM_BASE_URL"} <= load(keyed).variables


def test_a_need_that_is_no_capability_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="'sight' is no capability"):
        Registry.load(None).resolve("judge", needs=["sight"])


def test_an_embedded_model_has_the_digest_of_its_code_as_revision():
    embedded = {"baseline-judge": "abc", "baseline-tagger": "def"}
    bare, run = Registry.load(None), Registry.load(None, embedded=embedded)
    assert run.resolve("judge").revision == "abc"
    assert run.model_revision("judge") != bare.model_revision("judge")
    assert run.model_revision("iqa") == bare.model_revision("iqa")
    assert run.version == bare.version


def test_an_embedded_model_without_code_is_refused(load):
    text = """
models:
  my-rules:
    roles: [judge]
    capabilities: {chat: {context_tokens: 10, max_output_tokens: 5, structured_output: true}}
    deployments: [{name: here, provider: embedded}]
"""
    error = refused(load, text, embedded={"baseline-judge": "a", "baseline-tagger": "b"})
    assert error.field == "models.my-rules.deployments[0].provider"
    assert "only baseline-judge, baseline-tagger" in str(error)
    # Whoever only checks the file does not have the code, and tells it all the same.
    assert str(refused(load, text)) == str(error)


def test_code_for_a_model_that_is_not_embedded_is_refused(load):
    with pytest.raises(RegistryFileError, match="must be an embedded model"):
        Registry.load(None, embedded={"baseline-judge": "a", "baseline-tagger": "b", "gemma3-12b": "c"})


@pytest.mark.parametrize(
    ("text", "line", "field", "words"),
    [
        ("roles:\n  juge: baseline-judge", 2, "roles.juge", "did you mean judge"),
        ("roles:\n  judge: baseline-juge", 2, "roles.judge", "did you mean baseline-judge"),
        ("roles:\n  judge: nima-mobilenet", 2, "roles.judge", "choose from: baseline-judge"),
        ("roles:\n  judge: [baseline-judge]", 2, "roles.judge", "must be the name"),
        ("models:\n  gemma3-12b:\n    aliases: [musiq]", 3, "models.gemma3-12b.aliases", "taken by"),
        ("models:\n  gemma3-12b:\n    aliases: [judge]", 3, "models.gemma3-12b.aliases", "role judge"),
        ("models:\n  gemma3-12b:\n    aliases: [nima-mobilenet]", 3, "models.gemma3-12b.aliases", "taken"),
    ],
)
def test_names_that_clash_or_lead_nowhere_are_refused(load, text, line, field, words):
    error = refused(load, text)
    problem = next(problem for problem in error.problems if problem.file.endswith("registry.yaml"))
    assert (problem.line, problem.field) == (line, field)
    assert words in problem.problem


def test_errors_survive_a_process_boundary(load):
    registry = load(USER)
    for call in (
        lambda: registry.resolve("tiny-vml"),
        lambda: registry.resolve("tiny", needs=["iqa"]),
        lambda: load("models: 1"),
    ):
        with pytest.raises(Exception, match=r".") as caught:
            call()
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_the_environment_is_not_shown_with_the_registry(load):
    assert "s3cret" not in repr(load(USER, environ={"SOME_KEY": "s3cret"}))
