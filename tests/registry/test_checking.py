"""Every mistake in a model's fields is told where it stands, in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.checking import check_model


def fields(**changes):
    return {
        "name": "mine",
        "roles": ["judge"],
        "capabilities": {
            "chat": {"context_tokens": 16384, "max_output_tokens": 4096, "structured_output": True},
            "vision": {"max_images": 2, "max_long_side": 1024},
        },
        "deployments": [{"name": "a", "provider": "vllm", "base_url": "http://127.0.0.1:24001"}],
        **changes,
    }


def deployment(**changes):
    return {"deployments": [{"name": "a", "provider": "vllm", "base_url": "http://127.0.0.1:1", **changes}]}


CHAT = {"context_tokens": 10, "max_output_tokens": 5, "structured_output": True}


def test_a_model_in_order_has_no_problems():
    model, problems = check_model(fields())
    assert problems == ()
    assert model.deployments[0].served_model_id == "mine"


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        ({"alias": ["x"]}, ("alias",), "did you mean aliases"),
        ({"name": "Mine"}, ("name",), "form of such a text"),
        ({"name": "a..b"}, ("name",), "form of such a text"),
        ({"name": "../up"}, ("name",), "form of such a text"),
        ({"name": "judge"}, ("name",), "role"),
        ({"roles": ["juge"]}, ("roles", 0), "must be 'judge'"),
        ({"roles": ["judge", "judge"]}, ("roles",), "twice"),
        ({"roles": "judge"}, ("roles",), "must be a list"),
        ({"roles": ["iqa"]}, ("roles",), "capabilities.iqa"),
        ({"aliases": ["a b"]}, ("aliases", 0), "form of such a text"),
        ({"aliases": ["a\n"]}, ("aliases", 0), "form of such a text"),
        ({"revision": 1}, ("revision",), "string"),
        ({"revision": ""}, ("revision",), "at least 1 character"),
        ({"description": "\x1b[2J"}, ("description",), "form of such a text"),
        ({"revision": "a\nb"}, ("revision",), "form of such a text"),
        ({"deprecated": "yes"}, ("deprecated",), "boolean"),
        ({"capabilities": {}}, ("capabilities",), "must hold chat or iqa"),
        ({"capabilities": {"chat": CHAT, "sight": {}}}, ("capabilities", "sight"), "is no field here"),
        (
            {"capabilities": {"iqa": {"metrics": ["m"]}, "vision": {"max_images": 1, "max_long_side": 64}}},
            ("capabilities", "vision"),
            "needs capabilities.chat",
        ),
        (
            {"capabilities": {"chat": {**CHAT, "context_tokens": "10"}}},
            ("capabilities", "chat", "context_tokens"),
            "integer",
        ),
        (
            {"capabilities": {"chat": {**CHAT, "max_output_tokens": 11}}},
            ("capabilities", "chat", "max_output_tokens"),
            "above context_tokens",
        ),
        (
            {"capabilities": {"chat": {"context_tokens": 10, "max_output_tokens": 5}}},
            ("capabilities", "chat", "structured_output"),
            "is missing",
        ),
        ({"deployments": []}, ("deployments",), "is missing"),
        ({"deployments": ["a"]}, ("deployments", 0), "mapping"),
        (deployment(provider="vlm"), ("deployments", 0, "provider"), "must be 'vllm'"),
        (deployment(url="x"), ("deployments", 0, "url"), "is no field here"),
        (deployment(base_url=None), ("deployments", 0, "base_url"), "is missing"),
        (deployment(base_url="ftp://x"), ("deployments", 0, "base_url"), "not an address"),
        (deployment(base_url="http://me:pw@host"), ("deployments", 0, "base_url"), "passwords"),
        (deployment(base_url="http://${HOST"), ("deployments", 0, "base_url"), "no variable"),
        (deployment(base_url="http://h/${MY_API_KEY}"), ("deployments", 0, "base_url"), "api_key_env"),
        (deployment(base_url="https://api.example.com"), ("deployments", 0, "remote"), "remote|must be true"),
        (deployment(api_key_env="sk-not-a-name"), ("deployments", 0, "api_key_env"), "form of such a text"),
        (deployment(provider="tf_iqa"), ("deployments", 0, "provider"), "capabilities.iqa"),
        (deployment(provider="embedded"), ("deployments", 0, "base_url"), "left out"),
        (
            {"deployments": [{"name": "a", "provider": "vllm", "base_url": "http://h:1"}] * 2},
            ("deployments", 1, "name"),
            "twice",
        ),
        (
            {
                "deployments": [
                    {"name": "a", "provider": "embedded"},
                    {"name": "b", "provider": "vllm", "base_url": "http://h:1"},
                ]
            },
            ("deployments", 0, "provider"),
            "only deployment",
        ),
        ({"footprint": {"vram_mib": -1, "source": "x"}}, ("footprint", "vram_mib"), "greater than or equal"),
        ({"placement": {"prefer": "mig"}}, ("placement", "mig_profile"), "names its profile"),
        ({"placement": {"mig_profile": "big"}}, ("placement", "mig_profile"), "form of such a text"),
        ({"parameters": {"default": {}}}, ("parameters", "default"), "did you mean defaults"),
        (
            {"parameters": {"defaults": {"temprature": 1}}},
            ("parameters", "defaults", "temprature"),
            "must be",
        ),
        (
            {"parameters": {"defaults": {"temperature": "hot"}}},
            ("parameters", "defaults", "temperature"),
            "number",
        ),
        (
            {"parameters": {"defaults": {"temperature": {}}}},
            ("parameters", "defaults", "temperature"),
            "number",
        ),
        (
            {"parameters": {"defaults": {"temperature": True}}},
            ("parameters", "defaults", "temperature"),
            "number",
        ),
        ({"parameters": {"defaults": {"stop": [1]}}}, ("parameters", "defaults", "stop"), "list of texts"),
        ({"parameters": {"defaults": {"top_p": 1.5}}}, ("parameters", "defaults", "top_p"), "from 0 to 1"),
        (
            {"parameters": {"defaults": {"max_output_tokens": 5000}}},
            ("parameters", "defaults", "max_output_tokens"),
            "above",
        ),
        (
            {"parameters": {"defaults": {"seed": 1}, "allowed": ["top_p"]}},
            ("parameters", "defaults", "seed"),
            "not in parameters.allowed",
        ),
        (
            {"parameters": {"defaults": {"top_p": 0.1}, "limits": {"top_p": {"min": 0.5}}}},
            ("parameters", "defaults", "top_p"),
            "below this model's limit",
        ),
        (
            {"parameters": {"limits": {"thinking": {"min": 0}}}},
            ("parameters", "limits", "thinking"),
            "not a number",
        ),
        (
            {"parameters": {"limits": {"top_p": {"min": 1, "max": 0}}}},
            ("parameters", "limits", "top_p"),
            "above max",
        ),
        ({"parameters": {"allowed": ["heat"]}}, ("parameters", "allowed", 0), "must be 'temperature'"),
    ],
)
def test_a_mistake_is_told_at_its_field(changes, path, words):
    _, problems = check_model(fields(**changes))
    told = dict(problems)
    assert path in told, told
    assert any(word in told[path] for word in words.split("|")), told[path]


def test_several_mistakes_are_told_at_once():
    _, problems = check_model(fields(alias=[], roles=["juge"], **deployment(provider="vlm")))
    assert [path for path, _ in problems] == [("alias",), ("roles", 0), ("deployments", 0, "provider")]


def test_a_key_pasted_where_its_variable_belongs_is_not_repeated():
    _, problems = check_model(fields(**deployment(api_key_env="sk-S3CRET/very")))
    assert problems
    assert "S3CRET" not in str(problems)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-2, 2) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "name",
                    "chat",
                    "vision",
                    "iqa",
                    "metrics",
                    "defaults",
                    "allowed",
                    "limits",
                    "temperature",
                    "min",
                    "x",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*fields(), "parameters", "placement", "footprint", "x"]), JSON))
def test_whatever_a_file_says_gives_a_model_or_problems_in_words(changes):
    model, problems = check_model(fields(**changes))
    assert model is not None or problems
    assert all(text and isinstance(path, tuple) for path, text in problems)
