"""Guessing which name was meant."""

from __future__ import annotations

import pytest

from registry.nearest import did_you_mean, nearest

NAMES = ("qwen2.5-vl-7b", "gemma3-12b", "tiny-vlm")


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("tiny-vml", "tiny-vlm"),
        ("TINY-VLM", "tiny-vlm"),
        ("qwen", "qwen2.5-vl-7b"),
        ("gema3-12b", "gemma3-12b"),
    ],
)
def test_a_slip_a_case_and_a_part_are_recognized(name, guess):
    assert nearest(name, NAMES)[0] == guess


@pytest.mark.parametrize("name", ["", "zz", "completely different"])
def test_nothing_is_guessed_where_nothing_is_near(name):
    assert nearest(name, NAMES) == ()
    assert did_you_mean(name, NAMES) == ""


def test_a_hint_ends_in_a_space():
    assert did_you_mean("tiny", NAMES) == "did you mean tiny-vlm? "
