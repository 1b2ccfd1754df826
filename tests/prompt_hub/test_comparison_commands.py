"""What a change does, on the command line."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from prompt_hub.__main__ import app
from prompt_hub.errors import RenderError, UnknownLabel
from prompt_hub.hub import PromptHub


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Runs a command in one home folder; an error of ours is raised."""
    monkeypatch.setenv("IMAGEWORKS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.output

    return run


@pytest.fixture
def warmer(tmp_path):
    """A file that is not in the home folder yet."""
    file = tmp_path / "warmer.yaml"
    file.write_text("id: library\nstages: {keywords: {parameters: {temperature: 0.9}}}\n", encoding="utf-8")
    return file


@pytest.fixture
def mine(tmp_path):
    folder = tmp_path / "home" / "prompts"
    folder.mkdir(parents=True)
    file = folder / "mine.yaml"
    file.write_text("id: library\nstages: {keywords: {parameters: {temperature: 0.7}}}\n", encoding="utf-8")
    return file


def test_a_diff_shows_fields_with_their_files_and_the_stages_that_ask_something_else(command, mine):
    shown = command("diff", "library", "storyteller")
    assert "stages.caption.system\n    template; shipped: personal_tagger/library.yaml -> shipped: " in shown
    assert "--- library\n+++ storyteller\n" in shown
    assert "stages.caption.parameters.temperature: 0.1 -> 0.5\n    parameter; " in shown
    assert "description: stage_hash" in shown
    assert "keywords: stage_hash" not in shown
    assert command("diff", "library", "library") == "Every stage asks the same.\n"


def test_a_diff_of_revisions_keeps_the_files_that_they_were_made_from(command, mine):
    command("label", "staging", "library")
    mine.unlink()
    shown = command("diff", "library@staging", "library")
    assert "stages.keywords.parameters.temperature: 0.7 -> 0.1" in shown
    assert f"parameter; {mine} -> shipped: personal_tagger/library.yaml" in shown
    assert "library is extended by storyteller" in shown


def test_a_diff_can_be_of_one_stage(command):
    shown = command("diff", "library", "storyteller", "--stage", "description")
    assert "stages.description.system" in shown
    assert "caption" not in shown.split("description: stage_hash")[1]
    assert "stages.caption" not in shown


def test_a_diff_of_what_is_rendered_uses_the_values_of_the_tests(command):
    shown = command("diff", "library", "storyteller", "--rendered")
    assert "rendered caption, library form: a caption of one line" in shown
    assert "rendered caption, storyteller form: a caption of one line" in shown
    assert "+# The voice" in shown
    assert "of them come out the same." in shown


def test_a_diff_of_what_is_rendered_uses_values_of_ones_own(command, tmp_path):
    values = tmp_path / "photo.yaml"
    values.write_text("{signals: soft, existing_keywords: [], folder_words: []}", encoding="utf-8")
    shown = command("diff", "library", "storyteller", "--vars", values, "--stage", "caption")
    assert f"rendered caption, {values}" in shown
    assert "Rendered with 1 sets of values; 0 of them come out the same." in shown
    values.write_text("- soft", encoding="utf-8")
    with pytest.raises(RenderError, match="must hold a mapping"):
        command("diff", "library", "storyteller", "--vars", values, "--stage", "caption")
    assert "name it with --stage" in command("diff", "library", "storyteller", "--vars", values)


def test_a_diff_is_told_to_programs(command, mine):
    said = json.loads(
        command("diff", "library", "storyteller", "--format", "json", "--stage", "caption", "--rendered")
    )
    hub = PromptHub.load(mine.parent)
    assert said["before"] == {
        "reference": "library",
        "profile_id": "library",
        "profile_hash": hub.get("library").hash,
    }
    assert [one["stage"] for one in said["stages"]] == ["caption"]
    fields = {one["field"]: one for one in said["fields"]}
    assert fields["stages.caption.parameters.temperature"]["after"]["value"] == 0.5
    assert fields["stages.caption.system"]["before"]["layer"] == "application"
    assert fields["stages.caption.system"]["diff"].startswith("--- library\n+++ storyteller\n@@")
    assert {pair["stage"] for pair in said["rendered"]} == {"caption"}
    assert all(pair["problems"] == [None, None] for pair in said["rendered"])
    assert said["extended_by"] == []


def test_no_text_of_a_profile_steers_the_terminal(command, mine):
    mine.write_text(
        'id: library\ndescription: "Mine \\e[2J"\npartials: {openers: "a \\e[2J"}\n', encoding="utf-8"
    )
    shown = command("diff", "library", "storyteller")
    assert "\x1b" not in shown
    assert "\x1b" not in command("diff", "library", "storyteller", "--rendered", "--format", "json")


def test_reached_shows_what_files_would_change_from_hash_to_hash(command, warmer, tmp_path):
    shown = command("reached", warmer)
    before, after = PromptHub.load(None), PromptHub.load(None, files=[warmer])
    for profile in ("library", "storyteller"):
        assert before.get(profile).hash[:12] in shown
        assert after.get(profile).stage_hash("keywords")[:12] in shown
    assert "club-judge" not in shown
    assert "Profiles reached: 2; stages of theirs that ask something else: 2." in shown
    assert not (tmp_path / "home").exists()


def test_reached_without_files_shows_what_the_home_folder_changes(command, mine):
    said = json.loads(command("reached", "--format", "json"))
    assert said["since"] == "shipped"
    assert [one["profile_id"] for one in said["profiles"]] == ["library", "storyteller"]
    mine.unlink()
    assert command("reached") == "No profile is reached: every hash is what it was.\n"


def test_reached_since_a_label_compares_the_profiles_that_have_it(command, warmer):
    command("label", "staging", "library")
    said = json.loads(command("reached", warmer, "--since", "staging", "--format", "json"))
    assert (said["since"], said["files"]) == ("staging", [str(warmer)])
    (one,) = said["profiles"]
    before, after = PromptHub.load(None).get("library"), PromptHub.load(None, files=[warmer]).get("library")
    assert (one["profile_id"], one["before"], one["after"]) == ("library", before.hash, after.hash)
    assert one["stages"] == [
        {"stage": "keywords", "before": before.stage_hash("keywords"), "after": after.stage_hash("keywords")}
    ]
    assert said["without_label"] == ["club-judge", "house", "self-checking-judge", "storyteller"]
    assert (
        "Without a label staging, and not compared: club-judge, house, self-checking-judge, storyteller."
        in command("reached", "--since", "staging")
    )
    with pytest.raises(UnknownLabel, match="No profile has a label 'final'"):
        command("reached", "--since", "final")
