"""What `registry_version` and `model_revision` see, and what they do not."""

from __future__ import annotations

import copy
import io
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from registry.registry import Registry
from registry.schema import Model

TREE = {
    "roles": {"judge": "mine", "caption": "mine"},
    "models": {
        "mine": {
            "aliases": ["small", "first"],
            "description": "One of two.",
            "roles": ["judge", "caption", "pairwise"],
            "capabilities": {
                "chat": {"context_tokens": 16384, "max_output_tokens": 4096, "structured_output": True},
                "vision": {"max_images": 2, "max_long_side": 1024},
            },
            "deployments": [
                {"name": "near", "provider": "vllm", "base_url": "http://near:1", "served_model_id": "tiny"},
                {
                    "name": "far",
                    "provider": "openai",
                    "base_url": "${FAR:-http://far:2}",
                    "served_model_id": "tiny-b",
                },
            ],
            "footprint": {"vram_mib": 6400, "source": "measured"},
            "placement": {"tags": ["a", "b"]},
            "parameters": {
                "defaults": {"temperature": 1, "stop": ["x", "y"]},
                "allowed": ["temperature", "stop", "seed", "max_output_tokens"],
                "limits": {"temperature": {"min": 0, "max": 2}},
            },
            "revision": "r1",
        },
        "gemma3-12b": {"revision": "mine-1"},
    },
}
MINE = ("models", "mine")
NOWHERE = object()


def load(text, **kwargs):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "registry.yaml"
        path.write_text(text, encoding="utf-8")
        return Registry.load(path, **kwargs)


def digests(text, **kwargs):
    registry = load(text, **kwargs)
    return registry.version, registry.resolve("mine").model_revision


def edited(path, value):
    tree = copy.deepcopy(TREE)
    around = tree
    for step in path[:-1]:
        around = around.setdefault(step, {}) if isinstance(around, dict) else around[step]
    if value is NOWHERE:
        del around[path[-1]]
    else:
        around[path[-1]] = value
    return json.dumps(tree)


BEFORE = digests(json.dumps(TREE))


def shuffled(value, random):
    if isinstance(value, dict):
        keys = list(value)
        random.shuffle(keys)
        return {key: shuffled(value[key], random) for key in keys}
    if isinstance(value, list):
        return [shuffled(item, random) for item in value]
    return value


def as_json(tree):
    # JSON's surrogate escapes are not YAML.
    return json.dumps(tree, ensure_ascii=False)


def as_block(tree):
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False
    text = io.StringIO()
    yaml.dump(tree, text)
    return "# a comment\n" + text.getvalue().replace("revision:", "revision:   ") + "\n\n# the end\n"


@settings(max_examples=25, deadline=None)
@given(
    st.randoms(use_true_random=False),
    st.sampled_from([as_json, lambda tree: json.dumps(tree, indent=1), as_block]),
)
def test_order_of_keys_comments_and_formatting_change_neither(random, write):
    assert digests(write(shuffled(TREE, random))) == BEFORE


@settings(max_examples=12, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_what_is_a_set_changes_neither(random):
    tree = copy.deepcopy(TREE)
    mine = tree["models"]["mine"]
    for values in (mine["aliases"], mine["roles"], mine["placement"]["tags"], mine["parameters"]["allowed"]):
        random.shuffle(values)
    assert digests(json.dumps(tree)) == BEFORE


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((*MINE, "name"), "mine"),
        ((*MINE, "deprecated"), False),
        ((*MINE, "placement", "prefer"), "whole"),
        ((*MINE, "placement", "mig_profile"), None),
        ((*MINE, "deployments", 0, "remote"), False),
        ((*MINE, "capabilities", "iqa"), None),
        ((*MINE, "parameters", "defaults", "temperature"), 1.0),
        ((*MINE, "parameters", "defaults", "top_p"), None),
        (("roles", "keywords"), "baseline-tagger"),
        (("models", "gemma3-12b", "deprecated"), False),
    ],
)
def test_saying_what_is_so_anyway_changes_neither(path, value):
    assert digests(edited(path, value)) == BEFORE


def test_the_environment_changes_neither():
    assert digests(json.dumps(TREE), environ={"FAR": "http://elsewhere:3"}) == BEFORE


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((*MINE, "aliases"), ["small"]),
        ((*MINE, "description"), "Another."),
        ((*MINE, "roles"), ["judge", "caption"]),
        ((*MINE, "deprecated"), True),
        ((*MINE, "deployments", 0, "base_url"), "http://moved:1"),
        ((*MINE, "deployments", 1, "base_url"), "${FAR:-http://moved:2}"),
        ((*MINE, "deployments", 0, "name"), "nearest"),
        ((*MINE, "deployments", 0, "provider"), "openai"),
        ((*MINE, "deployments", 0, "remote"), True),
        ((*MINE, "deployments", 0, "api_key_env"), "A_NAME"),
        ((*MINE, "deployments"), TREE["models"]["mine"]["deployments"][::-1]),
        (
            (*MINE, "deployments"),
            [
                *TREE["models"]["mine"]["deployments"],
                {
                    "name": "third",
                    "provider": "vllm",
                    "base_url": "http://third:1",
                    "served_model_id": "tiny",
                },
            ],
        ),
        ((*MINE, "footprint"), NOWHERE),
        ((*MINE, "footprint", "vram_mib"), 6401),
        ((*MINE, "placement", "exclusive"), True),
        ((*MINE, "placement", "tags"), []),
        ((*MINE, "placement", "mig_profile"), "1g.12gb"),
        (("roles", "pairwise"), "mine"),
        (("roles", "iqa"), None),
        (("models", "gemma3-12b", "revision"), "mine-2"),
        (("models", "gemma3-12b", "parameters"), {"defaults": {"temperature": 0}}),
    ],
)
def test_where_and_how_a_model_runs_and_what_it_is_called_change_the_version_alone(path, value):
    version, revision = digests(edited(path, value))
    assert version != BEFORE[0]
    assert revision == BEFORE[1]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((*MINE, "revision"), "r2"),
        ((*MINE, "revision"), NOWHERE),
        ((*MINE, "deployments", 0, "served_model_id"), "tiny-c"),
        ((*MINE, "deployments", 0, "served_model_id"), NOWHERE),
        ((*MINE, "capabilities", "chat", "context_tokens"), 8192),
        ((*MINE, "capabilities", "chat", "max_output_tokens"), 2048),
        ((*MINE, "capabilities", "chat", "structured_output"), False),
        ((*MINE, "capabilities", "vision", "max_images"), 1),
        ((*MINE, "capabilities", "vision", "max_long_side"), 2048),
        ((*MINE, "capabilities", "vision"), NOWHERE),
        ((*MINE, "capabilities", "iqa"), {"metrics": ["sharpness"]}),
        ((*MINE, "parameters", "defaults", "temperature"), 0.5),
        ((*MINE, "parameters", "defaults", "temperature"), NOWHERE),
        ((*MINE, "parameters", "defaults", "seed"), 7),
        ((*MINE, "parameters", "defaults", "stop"), ["y", "x"]),
        ((*MINE, "parameters", "allowed"), ["temperature", "stop", "seed"]),
        ((*MINE, "parameters", "limits", "temperature", "max"), 1),
        ((*MINE, "parameters"), NOWHERE),
    ],
)
def test_what_influences_an_answer_changes_both(path, value):
    version, revision = digests(edited(path, value))
    assert version != BEFORE[0]
    assert revision != BEFORE[1]


def test_two_models_that_differ_in_name_alone_have_revisions_of_their_own():
    tree = copy.deepcopy(TREE)
    tree["models"]["other"] = copy.deepcopy(tree["models"]["mine"]) | {"aliases": []}
    registry = load(json.dumps(tree))
    assert registry.resolve("other").model_revision != registry.resolve("mine").model_revision


def test_a_copy_that_differs_has_a_revision_of_its_own():
    model = load(json.dumps(TREE)).resolve("mine")
    assert model.model_revision == BEFORE[1]
    assert model.model_copy(update={"revision": "r2"}).model_revision != BEFORE[1]
    assert model.model_copy().model_revision == BEFORE[1]


def test_a_model_that_travels_as_json_keeps_its_revision():
    model = load(json.dumps(TREE)).resolve("mine")
    again = Model.model_validate(json.loads(json.dumps(model.model_dump(mode="json"))))
    assert again == model
    assert hash(again) == hash(model)
    assert again.model_revision == model.model_revision


TEXT = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Co"), exclude_characters="\ufeff")
VALUES = {
    "aliases": st.lists(
        st.sampled_from(["012", "1_000", "0b11", "2024-01-01", "no", "1e3", "a:b", "x"]), unique=True
    ),
    "description": st.text(TEXT, max_size=60),
    "revision": st.sampled_from(
        ["012", "1_000", "0b11", "2024-01-01", "no", "null", "~", "1", "<<", "=", "- a", "'"]
    ),
    "footprint": st.none(),
    "parameters": st.fixed_dictionaries(
        {"defaults": st.dictionaries(st.sampled_from(["temperature", "stop"]), st.none())}
    ),
}


@settings(max_examples=25, deadline=None)
@given(st.fixed_dictionaries({}, optional=VALUES), st.fixed_dictionaries({}, optional={"iqa": st.none()}))
def test_an_export_loads_as_the_same_registry(changes, roles):
    shipped = {"gemma3-12b": {"parameters": {"defaults": {"top_k": None}}, "aliases": []}}
    tree = {"roles": TREE["roles"] | roles, "models": {"mine": TREE["models"]["mine"] | changes, **shipped}}
    registry = load(as_json(tree))
    for write in (as_json, as_block):
        again = load(write(registry.effective()))
        assert again.version == registry.version
        assert {name: model.model_revision for name, model in again.models.items()} == {
            name: model.model_revision for name, model in registry.models.items()
        }
