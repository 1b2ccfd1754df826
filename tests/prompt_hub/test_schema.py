"""Effective profiles: what they take, and that JSON keeps them as they are."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from prompt_hub.errors import UnknownStage
from prompt_hub.hub import PromptHub
from prompt_hub.rendering import render
from prompt_hub.schema import MAX_TEMPLATE_BYTES, PromptProfile, StageTemplate, template_text
from registry.parameters import KINDS

names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: (
        name not in {"if", "in", "is", "not", "or", "and", "else", "none", "true", "false", "self", "loop"}
    )
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
parameters = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.floats(0, 2) | st.integers(0, 2),
        "top_p": st.floats(0, 1),
        "max_output_tokens": st.integers(1, 4000),
        "stop": st.lists(texts.filter(bool), max_size=3),
        "thinking": st.booleans(),
    },
)
field_schemas = st.sampled_from(
    [{"type": "string", "maxLength": 9}, {"type": "integer", "minimum": 0.5}, {"enum": ["a", 1, None, 2.0]}]
)
outputs = st.dictionaries(names, field_schemas, min_size=1, max_size=4).flatmap(
    lambda fields: st.permutations(list(fields)).map(
        lambda required: {
            "type": "object",
            "additionalProperties": False,
            "required": required,
            "properties": fields,
        }
    )
)
variables = st.dictionaries(
    names,
    st.fixed_dictionaries(
        {"schema": field_schemas}, optional={"description": texts, "required": st.booleans()}
    ),
    max_size=3,
)
stages = st.fixed_dictionaries(
    {"user": texts.filter(lambda text: bool(template_text(text))), "output": outputs},
    optional={
        "system": texts,
        "variables": variables,
        "parameters": parameters,
        "images": st.integers(0, 8),
    },
)
profiles = st.fixed_dictionaries(
    {
        "id": st.from_regex(r"[a-z0-9][a-z0-9_-]{0,8}", fullmatch=True),
        "application": st.sampled_from(["base", "judge_vision", "personal_tagger"]),
        "stages": st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True), stages, max_size=3),
    },
    optional={"description": texts, "extends": st.just("other")},
)


@given(profiles)
def test_a_trip_through_json_keeps_a_profile_and_its_hashes(content):
    profile = PromptProfile.model_validate(content)
    # As a manifest does it, which may sort what it writes.
    written = json.dumps(profile.model_dump(mode="json"), sort_keys=True)
    again = PromptProfile.model_validate(json.loads(written))
    assert again == profile
    assert again.hash == profile.hash
    for name, stage in profile.stages.items():
        assert again.stage_hash(name) == stage.hash
        assert list(again.stages[name].output["properties"]) == list(stage.output["properties"])


def test_a_shipped_profile_renders_the_same_after_a_trip_through_json():
    profile = PromptHub.load().get("club-judge")
    again = PromptProfile.model_validate(json.loads(json.dumps(profile.model_dump(mode="json"))))
    values = {"title": "Low tide", "category": "Open", "signals": "Sharpness: soft (42)", "rules_notes": ""}
    assert render(again, "critique", values) == render(profile, "critique", values)


def test_a_copy_has_a_hash_of_its_own(profile_of):
    profile = profile_of()
    stage = profile.stage("caption")
    assert profile.hash != stage.hash
    changed = stage.model_copy(update={"images": 2})
    assert changed.hash != stage.hash
    assert profile.model_copy(update={"stages": {"caption": changed}}).hash != profile.hash
    assert stage.model_copy().hash == stage.hash


def test_a_profile_cannot_be_changed(profile_of):
    with pytest.raises(ValidationError, match="frozen"):
        profile_of().id = "other"


def test_an_unknown_stage_is_named_with_those_that_there_are(profile_of):
    with pytest.raises(UnknownStage, match=r"'critique'\. It has caption"):
        profile_of().stage("critique")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"base_url": "http://x"}, "Extra inputs"),
        ({"headers": {}}, "Extra inputs"),
        ({"user": " \n"}, "needs a user message"),
        ({"user": "x" * (MAX_TEMPLATE_BYTES + 1)}, "64 KiB"),
        ({"parameters": {"max_tokens": 3}}, "is not a parameter"),
        ({"parameters": {"api_key": "x"}}, "is not a parameter"),
        ({"parameters": {"temperature": "hot"}}, "must be a number"),
        ({"variables": {"loop": {"schema": {"type": "string"}}}}, "choose another name"),
        ({"variables": {"_turns": {"schema": {"type": "string"}}}}, "match pattern"),
        ({"variables": {"a": {"schema": {"type": "string", "pattern": "x"}}}}, "not allowed in a schema"),
        ({"variables": {"a": {"schema": {"type": "string"}, "default": "x"}}}, "Extra inputs"),
        ({"output": {"type": "string"}}, 'type "object"'),
        ({"images": 9}, "less than or equal to 8"),
        ({"images": True}, "valid integer"),
    ],
)
def test_what_a_stage_may_not_say(profile_of, changes, problem):
    with pytest.raises(ValidationError, match=problem):
        profile_of(**changes)


def test_formatting_around_a_template_is_not_part_of_it():
    assert template_text("\r\n\n  one\r\ntwo  \n\n") == "  one\ntwo"


def test_the_schema_of_a_stage_knows_every_canonical_parameter(profile_of):
    values = {"stop": ["x"], "thinking": True}
    given_all = {name: values.get(name, 1) for name in KINDS}
    assert profile_of(parameters=given_all).stage("caption").parameters == given_all


def test_every_field_is_described():
    for model in (PromptProfile, StageTemplate):
        assert all(field.description for field in model.model_fields.values())
