"""What a hash holds on to: meaning, and not how or where it is written."""

from __future__ import annotations

import copy
import json
from io import StringIO
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from soak import amount

from prompt_hub.hub import PromptHub
from prompt_hub.memory import Memory

PROFILE = {
    "id": "made",
    "application": "personal_tagger",
    "description": "A made profile.",
    "partials": {"rule": "Answer in JSON.\nNothing else."},
    "stages": {
        "caption": {
            "system": 'Look.\n{% include "rule" %}',
            "user": "<words>\n{% for word in words %}\n- {{ word }}\n{% endfor %}\n</words>",
            "variables": {
                "words": {
                    "description": "Words.",
                    "schema": {"type": "array", "maxItems": 9, "items": {"type": "string"}},
                    "required": True,
                }
            },
            "parameters": {"temperature": 1, "stop": ["a", "b"], "max_output_tokens": 40},
            "output": {
                "type": "object",
                "additionalProperties": False,
                "required": ["caption", "mark"],
                "properties": {
                    "caption": {"type": "string", "maxLength": 9},
                    "mark": {"type": "integer", "minimum": 0, "maximum": 20},
                },
            },
            "images": 1,
        },
        "keywords": {
            "user": "Say.",
            "output": {
                "type": "object",
                "additionalProperties": False,
                "required": ["keywords"],
                "properties": {"keywords": {"type": "array", "items": {"type": "string"}}},
            },
        },
    },
}


# Drawn as a whole: hypothesis' own choices for ten thousand profiles would cost more than the profiles.
CHANCES = st.integers(0, 2**32 - 1).map(Random)

SHIPPED = Memory()
"""So that what ships is read once."""


def loaded(*texts, profile_id="made"):
    """The profile from a user's layer of these files, the later above the earlier."""
    with TemporaryDirectory() as folder:
        files = [Path(folder, f"{number}.yaml") for number, _ in enumerate(texts)]
        for file, text in zip(files, texts, strict=True):
            file.write_text(text, encoding="utf-8")
        return PromptHub.load(None, files=files, memory=SHIPPED).get(profile_id)


def hashes(profile):
    return profile.hash, {name: stage.hash for name, stage in profile.stages.items()}


def as_json(content):
    return json.dumps(content)


ORIGINAL = hashes(loaded(as_json(PROFILE)))


def shuffled(chance, value):
    """The same mapping with its keys in another order, all the way down."""
    if isinstance(value, dict):
        return {name: shuffled(chance, value[name]) for name in chance.sample(list(value), len(value))}
    return value


def split(chance, value):
    """Two mappings that make the first one when the second is laid over the other."""
    lower, upper = {}, {}
    for name, item in value.items():
        side = chance.choice(["lower", "upper", "both"])
        if side == "both" and isinstance(item, dict):
            lower[name], upper[name] = split(chance, item)
        elif side == "both":
            lower[name], upper[name] = copy.deepcopy(item), item
        else:
            (lower if side == "lower" else upper)[name] = item
    return lower, upper


def written(chance, content):
    """One of the ways to write the same content."""
    style = chance.choice(["json", "indented", "block", "flow"])
    if style == "json":
        return json.dumps(content)
    if style == "indented":
        return json.dumps(content, indent=chance.randint(1, 7), ensure_ascii=False)
    writer = YAML()
    writer.default_flow_style = style == "flow"
    writer.width = chance.choice([60, 4000])
    writer.indent(mapping=chance.choice([2, 6]), sequence=4, offset=2)
    text = StringIO()
    writer.dump(content, text)
    return "# A comment.\n\n" + text.getvalue()


@settings(deadline=None, max_examples=60)
@given(CHANCES)
def test_formatting_and_the_order_of_keys_change_no_hash(chance):
    content = shuffled(chance, PROFILE)
    assert hashes(loaded(written(chance, content))) == ORIGINAL


@settings(deadline=None, max_examples=60)
@given(CHANCES)
def test_which_layer_says_what_changes_no_hash(chance):
    layers = [{**part, "id": "made"} for part in split(chance, PROFILE)]
    assert hashes(loaded(*(written(chance, layer) for layer in layers))) == ORIGINAL


@settings(deadline=None, max_examples=60)
@given(CHANCES)
def test_what_is_inherited_and_what_is_said_anew_changes_no_hash(chance):
    own = {name: PROFILE[name] for name in PROFILE if name == "id" or chance.random() < 0.5}
    parent = {**{name: item for name, item in PROFILE.items() if name not in own}, "id": "parent"}
    parent.setdefault("application", "base")
    # A parent is a whole profile, so the partials that its stages include come along.
    if "stages" in parent:
        parent["partials"] = PROFILE["partials"]
    files = (parent, {**own, "extends": "parent"})
    assert hashes(loaded(*(written(chance, file) for file in files))) == ORIGINAL


def test_a_partial_is_the_same_as_its_text():
    inlined = copy.deepcopy(PROFILE)
    del inlined["partials"]
    inlined["stages"]["caption"]["system"] = "Look.\nAnswer in JSON.\nNothing else."
    assert hashes(loaded(as_json(inlined))) == ORIGINAL


def test_defaults_and_blank_lines_around_texts_and_1_for_1_point_0_mean_the_same():
    same = copy.deepcopy(PROFILE)
    caption = same["stages"]["caption"]
    del caption["images"], caption["variables"]["words"]["required"]
    caption["user"] = f"\n\n{caption['user']}\n\n"
    caption["parameters"]["temperature"] = 1.0
    same["stages"]["keywords"]["system"] = ""
    assert hashes(loaded(as_json(same))) == ORIGINAL


def paths(value, at=()):
    """Every place in a mapping that holds no mapping."""
    for name, item in value.items():
        if isinstance(item, dict):
            yield from paths(item, (*at, name))
        else:
            yield (*at, name)


def changed_at(place):
    content = copy.deepcopy(PROFILE)
    inner = content
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = other_than(place, inner[place[-1]])
    return content


def other_than(place, value):
    if place[-1] == "application":
        return "judge_vision"
    if place[-1] == "type":
        return {"string": "boolean", "integer": "number", "array": "array", "object": "object"}[value]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, list):
        return list(reversed(value))
    return f"{value}!"


def has_a_meaning_of_its_own(place):
    """Whether something else can stand there; answers are closed objects, and a list of one has one order."""
    if place == ("id",) or place[-1] == "additionalProperties":
        return False
    content, original = changed_at(place), PROFILE
    for step in place:
        content, original = content[step], original[step]
    return content != original


MEANINGS = [place for place in paths(PROFILE) if has_a_meaning_of_its_own(place)]


@pytest.mark.parametrize("place", MEANINGS, ids=".".join)
def test_each_change_of_meaning_changes_the_hash_of_its_profile_and_stage(place):
    content = changed_at(place)
    if place[-2:] == ("caption", "type"):
        # Only texts have a length.
        del content["stages"]["caption"]["output"]["properties"]["caption"]["maxLength"]
    profile_hash, stage_hashes = hashes(loaded(as_json(content)))
    assert profile_hash != ORIGINAL[0]
    stage = place[1] if place[0] == "stages" else "caption" if place[0] == "partials" else None
    # To explain a variable better makes no result stale.
    if place[-1] == "description":
        stage = None
    assert {name for name in stage_hashes if stage_hashes[name] != ORIGINAL[1][name]} == (
        {stage} if stage else set()
    )


@pytest.mark.slow
@settings(deadline=None, max_examples=amount(5000, 200))
@given(CHANCES)
def test_one_meaning_has_one_hash_however_it_is_written_split_and_inherited(chance):
    own = {name: PROFILE[name] for name in PROFILE if name == "id" or chance.random() < 0.5}
    parent = {**{name: item for name, item in PROFILE.items() if name not in own}, "id": "parent"}
    parent.setdefault("application", "base")
    if "stages" in parent:
        parent["partials"] = PROFILE["partials"]
    layers = [
        {**part, "id": content["id"]}
        for content in (parent, {**own, "extends": "parent"})
        for part in split(chance, content)
    ]
    assert hashes(loaded(*(written(chance, shuffled(chance, one)) for one in layers))) == ORIGINAL


@pytest.mark.slow
@settings(deadline=None, max_examples=amount(5000, 200))
@given(CHANCES)
def test_every_change_of_meaning_has_another_hash_however_it_is_written(chance):
    places = chance.sample(MEANINGS, chance.randint(1, 4))
    content = copy.deepcopy(PROFILE)
    for place in places:
        if place[-2:] == ("caption", "type"):
            continue
        inner = content
        for step in place[:-1]:
            inner = inner[step]
        inner[place[-1]] = other_than(place, inner[place[-1]])
    made = hashes(loaded(written(chance, shuffled(chance, content))))
    if content != PROFILE:
        assert made[0] != ORIGINAL[0]
        assert made == hashes(loaded(as_json(content)))


def test_the_order_of_the_answers_fields_has_a_meaning_and_only_the_required_list_says_it():
    content = copy.deepcopy(PROFILE)
    output = content["stages"]["caption"]["output"]
    output["required"].reverse()
    profile = loaded(as_json(content))
    assert profile.stage_hash("caption") != ORIGINAL[1]["caption"]
    assert list(profile.stage("caption").output["properties"]) == ["mark", "caption"]


def test_a_copied_stage_asks_the_same_under_the_same_hash():
    content = {**PROFILE, "id": "copy", "description": "Another."}
    profile = loaded(as_json(content), profile_id="copy")
    assert hashes(profile)[1] == ORIGINAL[1]
    assert profile.hash != ORIGINAL[0]
