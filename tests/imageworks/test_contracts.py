"""What profile stages are given and what is read of their answers, against the profiles that there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from imageworks.contracts import CONTRACTS
from prompt_hub.hub import PromptHub

HUB = PromptHub.load(None)
GUIDE = (Path(__file__).parents[2] / "docs/prompts.md").read_text(encoding="utf-8")
STAGES = [
    (profile.id, stage)
    for profile in HUB.profiles.values()
    for stage in profile.stages
    if stage in CONTRACTS  # the others are asked by compositions
]


def misfits(profile, stage, **changes):
    return list(CONTRACTS[stage].misfits(HUB.get(profile).stage(stage).model_copy(update=changes)))


def answer(stage, **fields):
    """The shipped schema of an answer with some fields changed."""
    output = (
        HUB.get({"critique": "club-judge", "pairwise": "club-judge"}.get(stage, "library"))
        .stage(stage)
        .output
    )
    return {**output, "properties": {**output["properties"], **fields}}


@pytest.mark.parametrize(("profile", "stage"), STAGES)
def test_every_shipped_profile_stage_fits(profile, stage):
    assert misfits(profile, stage) == []


def test_a_variable_that_is_needed_and_not_given_is_told_with_those_that_are():
    stage = HUB.get("club-judge").stage("critique")
    camera = stage.variables["title"]
    assert misfits("club-judge", "critique", variables={**stage.variables, "camera": camera}) == [
        "it needs the variable camera, which is not given; given are category, rules_notes, signals, title"
    ]


def test_a_variable_that_may_be_left_out_need_not_be_given():
    stage = HUB.get("club-judge").stage("critique")
    camera = stage.variables["title"].model_copy(update={"required": False})
    assert misfits("club-judge", "critique", variables={**stage.variables, "camera": camera}) == []


def test_a_variable_that_is_given_and_not_declared_is_told():
    stage = HUB.get("library").stage("caption")
    rest = {name: one for name, one in stage.variables.items() if name != "signals"}
    assert misfits("library", "caption", variables=rest) == [
        "it does not declare the variable signals, which is given"
    ]


def test_more_pictures_than_there_are_cannot_be_shown():
    assert misfits("library", "caption", images=2) == ["it shows 2 pictures, and there are 1"]
    assert misfits("club-judge", "pairwise", images=2) == []


def test_a_field_that_is_missing_or_that_nothing_reads_is_told():
    output = answer("caption")
    assert misfits("library", "caption", output={**output, "properties": {"title": {"type": "string"}}}) == [
        "its answer has no field caption, which is read",
        "its answer has the field title, which nothing reads",
    ]


@pytest.mark.parametrize(
    ("stage", "fields", "problem"),
    [
        ("critique", {"score": {"type": "number", "minimum": 0, "maximum": 20}}, "score must have the type integer"),
        ("critique", {"score": {"type": "integer", "maximum": 20}}, "score needs minimum: 0 or more"),
        ("critique", {"score": {"type": "integer", "minimum": 0, "maximum": 100}}, "score needs maximum: 20 or less"),
        ("critique", {"improvement": {"type": "string", "minLength": 1}}, "improvement needs maxLength: 400 or less"),
        ("pairwise", {"winner": {"type": "string"}}, "winner needs enum: [first, second, draw] or some of them"),
        ("pairwise", {"winner": {"type": "string", "enum": ["a", "b"]}}, "winner needs enum: [first, second, draw]"),
        (
            "keywords",
            {"keywords": {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}}},
            "keywords needs maxItems: 50 or less",
        ),
        (
            "keywords",
            {"keywords": {"type": "array", "minItems": 1, "maxItems": 9, "items": {"type": "integer"}}},
            "keywords items must have the type string",
        ),
        (
            "keywords",
            {"keywords": {"type": "array", "minItems": 1, "maxItems": 9}},
            "keywords items must have the type string",
        ),
    ],
)  # fmt: skip
def test_a_field_that_lets_through_what_cannot_be_read_is_told(stage, fields, problem):
    profile = "library" if stage == "keywords" else "club-judge"
    (told,) = misfits(profile, stage, output=answer(stage, **fields))
    assert told.startswith(f"its answer's {problem}")


def test_a_field_may_be_held_tighter_than_it_is_read():
    tighter = answer("critique", score={"type": "integer", "minimum": 5, "maximum": 15})
    assert misfits("club-judge", "critique", output=tighter) == []


def test_the_guide_names_all_that_is_given_and_read():
    for stage, contract in CONTRACTS.items():
        (row,) = [line for line in GUIDE.splitlines() if line.startswith(f"| `{stage}` |")]
        assert all(f"`{name}`" in row for name in (*contract.variables, *contract.answer.model_fields))
