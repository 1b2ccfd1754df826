from __future__ import annotations

import pytest
from client_desk import model_at

from backends.errors import InvalidRequest
from backends.providers.parameters import OPENAI, VLLM, map_parameters
from registry.parameters import CANONICAL

MODEL = model_at("http://127.0.0.1:9", parameters={"defaults": {"temperature": 0.2, "top_p": 0.9}})


def test_the_requests_parameters_go_over_the_models_defaults():
    mapped = map_parameters(MODEL, {"temperature": 0.7, "max_output_tokens": 100}, VLLM)
    assert mapped.fields == {"temperature": 0.7, "top_p": 0.9, "max_completion_tokens": 100}
    assert mapped.dropped == ()


def test_thinking_is_a_nested_field_of_vllm():
    mapped = map_parameters(MODEL, {"thinking": False}, VLLM)
    assert mapped.fields["chat_template_kwargs"] == {"enable_thinking": False}


def test_what_the_provider_does_not_take_is_dropped_and_reported():
    mapped = map_parameters(MODEL, {"top_k": 40, "thinking": True}, OPENAI)
    assert "top_k" not in mapped.fields
    assert mapped.dropped == ("thinking", "top_k")


def test_what_the_model_does_not_allow_is_dropped_and_reported():
    model = model_at("http://127.0.0.1:9", parameters={"allowed": ["max_output_tokens"]})
    mapped = map_parameters(model, {"temperature": 0.7, "max_output_tokens": 5}, VLLM)
    assert mapped.fields == {"max_completion_tokens": 5}
    assert mapped.dropped == ("temperature",)


def test_what_is_beyond_a_limit_is_set_to_the_limit_and_reported():
    model = model_at("http://127.0.0.1:9", parameters={"limits": {"temperature": {"max": 1.0}}})
    mapped = map_parameters(model, {"temperature": 1.5, "max_output_tokens": 9000}, VLLM)
    assert mapped.fields == {"temperature": 1.0, "max_completion_tokens": 4096}
    assert mapped.dropped == ("max_output_tokens=9000 (limited to 4096)", "temperature=1.5 (limited to 1.0)")


def test_a_whole_number_is_limited_to_a_fraction_where_the_parameter_takes_one():
    limits = {"temperature": {"min": 0.1}, "top_k": {"min": 1.5, "max": 40.5}}
    model = model_at("http://127.0.0.1:9", parameters={"limits": limits})
    assert map_parameters(model, {"temperature": 0, "top_k": 1}, VLLM).fields == {
        "temperature": 0.1,
        "top_k": 2,
    }
    assert map_parameters(model, {"top_k": 50}, VLLM).fields == {"top_k": 40}


def test_another_sample_has_another_seed():
    assert map_parameters(MODEL, {"seed": 7}, VLLM, sample=2).fields["seed"] == 9


def test_none_means_not_set():
    assert "temperature" not in map_parameters(MODEL, {"temperature": None}, VLLM).fields


@pytest.mark.parametrize(("name", "value"), [("temperature", "hot"), ("max_output_tokens", 0), ("warmth", 1)])
def test_a_value_that_no_parameter_takes_is_refused(name, value):
    with pytest.raises(InvalidRequest, match=name):
        map_parameters(MODEL, {name: value}, VLLM)


def test_vllm_takes_every_canonical_parameter():
    assert set(VLLM) == set(CANONICAL)
