"""Profiles as YAML."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompt_hub.exporting import profile_yaml
from prompt_hub.hub import PromptHub
from prompt_hub.schema import PromptProfile
from store.yaml_reading import parse_yaml

HUB = PromptHub.load(None)

words = st.text(st.characters(exclude_categories=["Cs", "Cn"]), max_size=30) | st.sampled_from(
    ["no", "012", "1e3", "1_000", "0b11", "2024-01-01", "null", "~", "- a", "a: b", "#", "<<", " x", "x\n", "\n x",
     "a\n\n b\n", "a\n ", "\ufeffa", "a\x85b", "a\u2028b\nc", "\ta\nb", "%a\n---\nb", "a\r\nb", "🦆\nb"]
)  # fmt: skip


@pytest.mark.parametrize("profile_id", HUB.profiles)
def test_an_exported_profile_reads_back_to_the_same_hash_and_stands_alone(profile_id, user_folder):
    profile = HUB.get(profile_id)
    file = user_folder.write("copy.yaml", profile_yaml(profile).replace(f"id: {profile_id}", "id: a-copy", 1))
    copy = PromptHub.load(None, files=[file]).get("a-copy")
    assert {name: stage.hash for name, stage in copy.stages.items()} == {
        name: stage.hash for name, stage in profile.stages.items()
    }
    assert copy.model_copy(update={"id": profile_id}).hash == profile.hash


@given(words, st.lists(words, max_size=3), words)
def test_any_text_survives_an_export(description, options, user):
    content = {
        "id": "made",
        "application": "base",
        "description": description,
        "stages": {
            "caption": {
                "user": f"x{user}",
                "variables": {"a": {"schema": {"enum": [*options, 1, 1.5, None, True]}, "description": user}},
                "output": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": [description],
                    "properties": {description: {"type": "string"}},
                },
            }
        },
    }
    profile = PromptProfile.model_validate(content)
    again = PromptProfile.model_validate(parse_yaml(profile_yaml(profile), "export"))
    assert again == profile
    assert again.hash == profile.hash


def test_texts_of_several_lines_are_exported_as_blocks():
    assert "    system: |-\n      You judge photographs" in profile_yaml(HUB.get("club-judge"))
