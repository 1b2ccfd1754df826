"""Merging the user's file over what is shipped, with the origin of every field."""

from __future__ import annotations

import pytest

from registry.errors import RegistryFileError
from registry.layers import SHIPPED_MODELS, read_layers
from registry.registry import Registry


@pytest.fixture
def layers(tmp_path):
    def layers(text):
        path = tmp_path / "registry.yaml"
        path.write_text(text, encoding="utf-8")
        return read_layers(path)

    return layers


@pytest.fixture
def load(tmp_path):
    def load(text):
        path = tmp_path / "registry.yaml"
        path.write_text(text, encoding="utf-8")
        return Registry.load(path, environ={})

    return load


def test_every_shipped_file_is_one_model_of_its_name():
    names = {path.stem for path in SHIPPED_MODELS.glob("*.yaml")}
    assert names == set(Registry.load(None).models)


def test_fields_merge_and_say_which_layer_set_them(load):
    registry = load("models: {gemma3-12b: {parameters: {defaults: {temperature: 0.9}}, deprecated: true}}")
    model = registry.resolve("gemma3-12b")
    assert model.parameters.defaults["temperature"] == 0.9
    assert model.parameters.defaults["top_k"] == 64
    said = registry.provenance
    assert said["models.gemma3-12b.parameters.defaults.temperature"] == "user"
    assert said["models.gemma3-12b.parameters.defaults.top_k"] == "shipped"
    assert said["models.gemma3-12b.deprecated"] == "user"
    assert said["models.gemma3-12b.aliases"] == "shipped"
    assert said["roles.judge"] == "shipped"
    assert "models.gemma3-12b.placement.exclusive" not in said


def test_roles_merge_by_role(load):
    registry = load("roles: {caption: gemma3-12b}")
    assert registry.roles["caption"] == "gemma3-12b"
    assert registry.roles["keywords"] == "baseline-tagger"
    assert registry.provenance["roles.caption"] == "user"


def test_a_list_replaces_the_list_below_it(load):
    assert load("models: {gemma3-12b: {aliases: [g]}}").resolve("g").aliases == ("g",)


def test_a_deployment_inherits_from_the_one_of_its_name_and_the_others_are_gone(load):
    registry = load(
        "models:\n  qwen2.5-vl-7b:\n    deployments:\n"
        "    - {name: near, provider: vllm, base_url: 'http://near:1'}\n"
        "    - {name: vllm, base_url: 'http://far:2'}\n"
    )
    near, far = registry.resolve("qwen2.5-vl-7b").deployments
    assert near.served_model_id == "qwen2.5-vl-7b"
    assert (far.provider, far.served_model_id) == ("vllm", "Qwen/Qwen2.5-VL-7B-Instruct-AWQ")
    assert registry.url(far) == "http://far:2"
    said = registry.provenance
    assert said["models.qwen2.5-vl-7b.deployments[1].base_url"] == "user"
    assert said["models.qwen2.5-vl-7b.deployments[1].served_model_id"] == "shipped"
    only = load(
        "models: {qwen2.5-vl-7b: {deployments: [{name: near, provider: vllm, base_url: 'http://near:1'}]}}"
    )
    assert [deployment.name for deployment in only.resolve("qwen2.5-vl-7b").deployments] == ["near"]


def test_null_goes_back_to_the_default(load):
    registry = load(
        "models:\n  gemma3-12b:\n    footprint: null\n    parameters: {defaults: {temperature: null}}\n"
        "roles: {iqa: null}\n"
    )
    model = registry.resolve("gemma3-12b")
    assert model.footprint is None
    assert "temperature" not in model.parameters.defaults
    assert "iqa" not in registry.roles
    assert "models.gemma3-12b.parameters.defaults.temperature" not in registry.provenance


def test_a_new_model_may_leave_out_all_that_has_a_default(load):
    registry = load(
        "models:\n  mine:\n"
        "    capabilities: {chat: {context_tokens: 8, max_output_tokens: 4, structured_output: false}}\n"
        "    deployments: [{name: a, provider: openai, base_url: 'http://localhost:1'}]\n"
    )
    assert registry.resolve("mine").deployments[0].served_model_id == "mine"
    assert registry.provenance["models.mine.name"] == "user"


@pytest.mark.parametrize(
    ("text", "line", "field", "words"),
    [
        ("- a", 1, "", "must be a mapping"),
        ("models: [a]", 1, "models", "must be a mapping"),
        ("model: {}", 1, "model", "did you mean models"),
        ("models:\n  x: 1", 2, "models.x", "must be a mapping"),
        ("models:\n  x:\n    name: y", 3, "models.x.name", "must be x"),
        ("models:\n  x:\n    roles: [judge\n", 4, "models.x.roles", "not YAML"),
        ("models:\n  x: {}\n  x: {}", 3, "models.x", "twice"),
        ("models:\n  x:\n    revision: 2024-01-01", 3, "models.x.revision", "date"),
    ],
)
def test_a_file_that_is_no_registry_is_refused_with_line_and_field(layers, text, line, field, words):
    with pytest.raises(RegistryFileError, match=words) as caught:
        layers(text)
    assert (caught.value.line, caught.value.field) == (line, field)
    assert caught.value.file.endswith("registry.yaml")


def test_a_problem_is_placed_in_the_file_that_wrote_the_field(layers):
    layered = layers("models:\n  gemma3-12b:\n    deprecated: true\n")
    mine = layered.problem(("models", "gemma3-12b", "deprecated"), "!")
    assert (mine.line, mine.field) == (3, "models.gemma3-12b.deprecated")
    shipped = layered.problem(("models", "gemma3-12b", "footprint", "vram_mib"), "!")
    assert shipped.file.endswith("gemma3-12b.yaml")
    assert shipped.field == "footprint.vram_mib"
    assert shipped.line > 1
    role = layered.problem(("roles", "iqa"), "!")
    assert role.file.endswith("roles.yaml")
    assert role.field == "iqa"
