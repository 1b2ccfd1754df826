"""Two profiles compared field by field, with where each side says it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from prompt_hub.comparing import Side, differing_stages, field_differences, unified
from prompt_hub.hub import PromptHub
from prompt_hub.layers import SHIPPED

HUB = PromptHub.load(None)


def side(hub, profile_id):
    return Side(profile_id, hub.get(profile_id), hub.provenance[profile_id])


def by_field(before, after):
    return {one.field: one for one in field_differences(before, after)}


def test_a_profile_differs_in_nothing_from_itself():
    assert field_differences(side(HUB, "library"), side(HUB, "library")) == []
    assert list(differing_stages(HUB.get("library"), HUB.get("library"))) == []


def test_stages_that_ask_something_else_are_named_and_those_that_one_side_lacks():
    library, storyteller = HUB.get("library"), HUB.get("storyteller")
    assert [name for name, _, _ in differing_stages(library, storyteller)] == ["caption", "description"]
    assert [one[0::2] for one in differing_stages(HUB.get("club-judge"), HUB.get("house"))] == [
        ("critique", ""),
        ("pairwise", ""),
    ]


def test_each_field_says_what_it_is_of_and_which_file_of_which_layer_says_it(user_folder):
    file = user_folder.write(
        "mine.yaml",
        """
id: library
description: Mine.
stages:
  caption:
    parameters: {temperature: 0.9, seed: 7}
    variables: {signals: {description: What was measured.}}
    output: {properties: {caption: {maxLength: 90}}}
    user: "<signals>{{ signals }}</signals>{{ existing_keywords }}{{ folder_words }}"
""",
    )
    found = by_field(side(HUB, "library"), side(PromptHub.load(user_folder.path), "library"))
    assert {name: one.kind for name, one in found.items()} == {
        "description": "profile",
        "stages.caption.user": "template",
        "stages.caption.parameters.temperature": "parameter",
        "stages.caption.parameters.seed": "parameter",
        "stages.caption.variables.signals.description": "variable",
        "stages.caption.output.properties.caption.maxLength": "schema",
    }
    assert {one.stage for one in found.values()} == {"", "caption"}
    shipped = str(SHIPPED / "personal_tagger" / "library.yaml")
    warmth = found["stages.caption.parameters.temperature"]
    assert (warmth.before.value, warmth.after.value) == (0.1, 0.9)
    assert (warmth.before.source.layer, warmth.before.source.file) == ("application", shipped)
    assert (warmth.after.source.layer, warmth.after.source.file) == ("user", str(file))
    assert found["stages.caption.parameters.seed"].before is None


def test_a_template_is_a_diff_of_its_lines_and_names_the_texts_put_in_from_elsewhere(user_folder):
    file = user_folder.write("warm.yaml", "id: library\npartials: {openers: Begin with the light.}\n")
    found = by_field(side(HUB, "library"), side(PromptHub.load(user_folder.path), "library"))
    assert "+Begin with the light." in found["stages.caption.system"].diff(("before", "after")).splitlines()
    partials = found["stages.caption.system"].after.partials
    assert {name: source.file for name, source in partials.items()} == {"openers": str(file)}


def test_a_picture_more_is_a_difference_of_images(profile_of):
    one, two = Side("a", profile_of(), {}), Side("b", profile_of(images=2), {})
    (found,) = field_differences(one, two)
    assert (found.field, found.kind) == ("stages.caption.images", "images")
    assert (found.before.source, found.is_text) == (None, False)


def test_numbers_are_the_same_where_their_hashes_are(profile_of):
    one = Side("a", profile_of(parameters={"temperature": 1}), {})
    two = Side("b", profile_of(parameters={"temperature": 1.0}), {})
    assert one.profile.hash == two.profile.hash
    assert field_differences(one, two) == []


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(text, text)
def test_a_unified_diff_is_empty_exactly_where_two_texts_are_the_same(before, after):
    assert (unified(before, after, names=("a", "b")) == "") == (before == after)


@given(st.floats(0, 2), st.floats(0, 2), st.integers(0, 3), st.integers(0, 3), st.text("ab\n", min_size=1))
def test_two_profiles_differ_in_a_field_exactly_where_their_hashes_differ(first, second, few, more, words):
    stage = {
        "output": {
            "type": "object",
            "additionalProperties": False,
            "required": ["a"],
            "properties": {"a": {"type": "string"}},
        }
    }

    def made(temperature, images, user):
        content = {
            "id": "made",
            "application": "base",
            "stages": {
                "s": {**stage, "user": user, "images": images, "parameters": {"temperature": temperature}}
            },
        }
        return Side("made", type(HUB.get("house")).model_validate(content), {})

    one, two = made(first, few, "x"), made(second, more, f"x{words}")
    assert (field_differences(one, two) == []) == (one.profile.hash == two.profile.hash)
