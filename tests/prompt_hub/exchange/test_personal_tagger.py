"""The old Personal-Tagger's prompts as profiles."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from prompt_hub.checking import doubts
from prompt_hub.errors import BadReference, ImportRefused
from prompt_hub.exchange.personal_tagger import from_personal_tagger
from prompt_hub.exchange.reading import SourceFolder
from prompt_hub.schema import PromptProfile

SHARED = Path(__file__).parents[4] / "shared" / "data" / "legacy" / "personal_tagger_prompts.user.json"


def stage(text, **fields):
    return {
        "system": "You {help}.",
        "user_template": text,
        "max_new_tokens": 96,
        "expects_json": False,
        **fields,
    }


def profile(name="Club Album", **stages):
    usual = {
        "caption_stage": stage("At most {max_words} words, {{braces}}."),
        "keyword_stage": stage("Give 20 distinct keywords. Caption: {caption}", expects_json=True),
        "description_stage": stage("Caption: {caption}. Keywords: {keyword_preview}."),
    }
    return {"id": 4, "name": name, "description": "Old.", **usual, **stages}


@pytest.fixture
def carried(source):
    return lambda *profiles: from_personal_tagger(source({"old.json": json.dumps({"profiles": profiles})}))


def test_three_stages_are_asked_for_what_the_pipeline_reads(carried, losses):
    (made,) = carried(profile())

    checked = PromptProfile.model_validate(made.profile)
    assert checked.id == "club-album"
    assert not [text for _, text in doubts(checked) if "a run refuses" in text]
    assert {name: one.parameters["max_output_tokens"] for name, one in checked.stages.items()} == {
        "caption": 96,
        "keywords": 96,
        "description": 96,
    }
    assert checked.stages["keywords"].output["properties"]["keywords"]["maxItems"] == 20
    told = losses(made)
    for named in ("max_words", "keyword_preview", "expects_json", "id: 4"):
        assert named in told


def test_names_that_are_missing_print_nothing_and_the_system_text_stays_as_it_is(carried, said):
    (made,) = carried(profile())

    assert said(made, {}, "caption") == ("You {help}.", "At most  words, {braces}.")
    assert said(made, {}, "description")[1] == "Caption: . Keywords: ."
    filled = said(made, {"caption": "A boat", "keywords": ["sea", "sky"]}, "description")[1]
    assert filled == "Caption: A boat. Keywords: sea, sky."


@pytest.mark.parametrize("text", ["{a.b}", "{0}", "{}", "{a!r}", "{a:>9}", "{a"])
def test_a_template_that_does_more_than_print_names_is_refused_with_its_place(carried, text):
    with pytest.raises(ImportRefused, match=r"profiles\[0\].caption_stage.user_template"):
        carried(profile(caption_stage=stage(text)))


def test_two_profiles_come_over_together_or_not_at_all(command, hub, home, tmp_path):
    file = tmp_path / "old.json"
    file.write_text(json.dumps({"profiles": [profile("One"), profile("Two")]}), encoding="utf-8")

    assert command("import", "personal-tagger", file).exit_code == 0
    assert {"one", "two"} <= hub().profiles.keys()
    with pytest.raises(BadReference, match="one, two"):
        command("import", "personal-tagger", file, "--id", "mine")
    file.write_text(json.dumps({"profiles": [profile("Three"), profile("three ")]}), encoding="utf-8")
    with pytest.raises(ImportRefused, match="both be called"):
        command("import", "personal-tagger", file)
    assert "three" not in hub().profiles


@pytest.mark.skipif(not SHARED.is_file(), reason="the shared examples are not beside this checkout")
def test_the_shared_example_comes_over():
    (made,) = from_personal_tagger(SourceFolder(SHARED))

    assert list(PromptProfile.model_validate(made.profile).stages) == ["caption", "keywords", "description"]
