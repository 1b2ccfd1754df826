"""Canonical parameters and the values they take."""

from __future__ import annotations

import pytest

from registry.parameters import CANONICAL, KINDS, problem_with
from registry.schema import Limit, Parameters


def test_every_canonical_name_has_a_kind():
    assert set(KINDS) == set(CANONICAL)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 0),
        ("temperature", 0.7),
        ("top_k", -1),
        ("top_k", 40.0),
        ("stop", []),
        ("stop", ["\n"]),
        ("stop", ("a", "b")),
        ("thinking", False),
        ("presence_penalty", -2),
        ("seed", 0),
    ],
)
def test_a_value_that_fits_is_taken(name, value):
    assert problem_with(name, value) is None


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("temperature", -0.1, "from 0 to 10"),
        ("temperature", float("nan"), "from 0 to 10"),
        ("temperature", "1", "a number"),
        ("temperature", True, "a number"),
        ("temperature", None, "a number"),
        ("top_k", 1.5, "whole number"),
        ("top_k", float("inf"), "whole number"),
        ("max_output_tokens", 0, "from 1"),
        ("stop", "x", "list of texts"),
        ("stop", [""], "none of them empty"),
        ("stop", ["x"] * 17, "at most 16"),
        ("thinking", 1, "true or false"),
        ("num_ctx", 1, "is not a parameter"),
    ],
)
def test_a_value_that_does_not_fit_is_told(name, value, words):
    assert words in problem_with(name, value)


def test_a_model_may_narrow_a_parameter():
    parameters = Parameters(limits={"temperature": Limit(min=0.1, max=1)})
    assert parameters.problem_with("temperature", 0.5) is None
    assert "below this model's limit of 0.1" in parameters.problem_with("temperature", 0)
    assert "above this model's limit of 1" in parameters.problem_with("temperature", 2)
    assert parameters.problem_with("top_p", 0.5) is None
    assert "a number" in parameters.problem_with("temperature", "x")
