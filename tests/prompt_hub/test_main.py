"""The command line of the Prompt Hub."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from prompt_hub.__main__ import app, main
from prompt_hub.errors import BadReference, WouldOverwrite
from prompt_hub.hub import PromptHub


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Runs a command in an empty home folder."""
    monkeypatch.setenv("IMAGEWORKS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)

    return run


@pytest.fixture
def entry(tmp_path):
    file = tmp_path / "entry.yaml"
    file.write_text(
        "title: Low tide\ncategory: ''\nsignals: 'Sharpness: soft (42)'\nrules_notes: ''\n", encoding="utf-8"
    )
    return file


@pytest.fixture
def mine(tmp_path):
    folder = tmp_path / "home" / "prompts"
    folder.mkdir(parents=True)
    file = folder / "mine.yaml"
    file.write_text("id: library\nstages: {keywords: {parameters: {temperature: 0.7}}}\n", encoding="utf-8")
    return file


def test_list_shows_every_profile_and_whose_it_is(command, mine):
    shown = command("list")
    rows = {line.split("│")[1].strip(): line for line in shown.output.splitlines() if line.startswith("│")}
    assert list(rows) == ["club-judge", "house", "library", "self-checking-judge", "storyteller"]
    assert "user" in rows["library"]
    assert "user" in rows["storyteller"]
    assert "shipped" in rows["club-judge"]
    assert f"prompt_hub_version {PromptHub.load(mine.parent).version}" in shown.output


def test_inspect_shows_hashes_variables_and_where_fields_come_from(command, mine):
    shown = command("inspect", "library").output
    profile = PromptHub.load(mine.parent).get("library")
    assert f"profile_hash {profile.hash}" in shown
    assert f"keywords: 1 picture, stage_hash {profile.stage_hash('keywords')}" in shown
    assert "answer: keywords" in shown
    assert "variable max_keywords (integer): How many keywords" in shown
    assert f"stages.keywords.parameters.temperature  {mine}" in shown
    assert "stages.keywords.user  shipped: personal_tagger/library.yaml" in shown


def test_an_export_reads_back_to_the_same_profile(command, tmp_path):
    profile = PromptHub.load(None).get("club-judge")
    yaml = command("export", "club-judge").stdout
    assert yaml.startswith(f"# profile_hash {profile.hash}\n")
    (tmp_path / "copy.yaml").write_text(yaml, encoding="utf-8")
    assert PromptHub.load(None, files=[tmp_path / "copy.yaml"]).get("club-judge").hash == profile.hash
    content = json.loads(command("export", "club-judge", "--format", "json").stdout)
    assert type(profile).model_validate(content).hash == profile.hash


def test_an_export_goes_into_the_file_that_is_named_or_into_the_folder(command, tmp_path):
    for output, file in [("mine.yaml", "mine.yaml"), ("folder", "folder/club-judge.yaml")]:
        shown = command("export", "club-judge", "--output", tmp_path / output)
        assert (shown.exit_code, shown.stdout) == (0, f"{tmp_path / file}\n")
        assert (tmp_path / file).is_file()
    with pytest.raises(WouldOverwrite, match=r"mine\.yaml is there"):
        command("export", "club-judge", "--output", tmp_path / "mine.yaml")
    with pytest.raises(BadReference, match=r"would hold json: end its name in \.json"):
        command("export", "club-judge", "--format", "json", "--output", tmp_path / "other.yaml")
    assert not (tmp_path / "other.yaml").exists()


def test_validate_counts_what_is_right(command):
    shown = command("validate")
    assert (shown.exit_code, shown.output) == (0, "5 profiles with 10 stages are right; 0 warnings.\n")


def test_validate_warns_and_still_succeeds(command, tmp_path):
    (tmp_path / "bare.yaml").write_text(
        "id: library\nstages: {keywords: {user: 'Caption {{ caption }}'}}\n", encoding="utf-8"
    )
    shown = command("validate", tmp_path / "bare.yaml")
    assert shown.exit_code == 0
    file = tmp_path / "bare.yaml"
    assert (
        f"warning: {file}:2: stages.keywords.user: line 1 of the text: prints 'caption' outside of tags"
        in shown.stderr
    )
    # The text that no longer uses it is the user's; the variable's declaration is shipped.
    never_used = (
        "stages.keywords.user: variable max_keywords is required but never used; use it here, or declare"
    )
    assert f"{file}:2: {never_used}" in shown.stderr


def test_validate_warns_of_a_file_that_is_not_read(command, mine):
    (mine.parent / "birds.yaml.txt").write_text("id: birds\n", encoding="utf-8")
    assert f"warning: {mine.parent / 'birds.yaml.txt'}: is not read" in command("validate").stderr


def test_validate_warns_of_a_stage_that_no_run_can_use(command, tmp_path):
    (tmp_path / "ours.yaml").write_text(
        """
id: ours
extends: club-judge
stages:
  critique:
    variables: {camera: {schema: {type: string}}, category: null}
    user: "<title>{{ title }} {{ signals }} {{ rules_notes }} {{ camera }}</title>"
    output:
      required: [critique, impact, composition, technique, score, mood]
      properties: {improvement: null, mood: {type: string}}
""",
        encoding="utf-8",
    )
    shown = command("validate", tmp_path / "ours.yaml")
    assert shown.exit_code == 0
    assert [
        line.removeprefix(f"warning: {tmp_path / 'ours.yaml'}:") for line in shown.stderr.splitlines()
    ] == [
        "6: stages.critique.variables: has no category, which is given: a run refuses this stage (profile ours)",
        "6: stages.critique.variables.camera: is required and not given: a run refuses this stage (profile ours)",
        "8: stages.critique.output: has no improvement, which is read: a run refuses this stage (profile ours)",
        "10: stages.critique.output.properties.mood: is not read: a run refuses this stage (profile ours)",
    ]


def test_inspect_tells_programs_the_schema_of_what_a_stage_is_given_and_answers(command):
    told = json.loads(command("inspect", "library", "--format", "json").stdout)
    stage = PromptHub.load(None).get("library").stage("keywords")
    assert told["stages"]["keywords"]["input_schema"] == stage.input_schema
    assert told["stages"]["keywords"]["output_schema"] == stage.output


def test_save_says_what_is_doubtful_and_saves(command, mine):
    mine.write_text(
        "id: library\nstages: {caption: {variables: {mood: {schema: {type: string}}}}}\n", encoding="utf-8"
    )
    saved = command("save", "library", "-m", "With a mood")
    assert saved.exit_code == 0
    assert f"warning: {mine}:2: stages.caption.variables.mood: is required but never used" in saved.stderr


def test_render_shows_the_messages_and_quotes_the_values(command, entry):
    entry.write_text(entry.read_text(encoding="utf-8").replace("Low tide", "Low</title>"), encoding="utf-8")
    shown = command("render", "club-judge", "critique", "--vars", entry).stdout
    assert "## system\n\nYou judge photographs" in shown
    assert "<title>Low&lt;/title&gt;</title>" in shown
    asked = json.loads(
        command("render", "club-judge", "critique", "--vars", entry, "--format", "json").stdout
    )
    assert [message["role"] for message in asked["messages"]] == ["system", "user"]
    assert asked["images"] == 1
    assert asked["stage_hash"] == PromptHub.load(None).get("club-judge").stage_hash("critique")


@pytest.mark.usefixtures("command", "entry")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["inspect", "libary"], "Did you mean library?"),
        (["render", "library", "critique", "--vars", "entry.yaml"], "It has caption, keywords, description"),
        (["render", "library", "caption", "--vars", "entry.yaml"], "needs existing_keywords, folder_words"),
        (["render", "library", "caption", "--vars", "nothing.yaml"], "nothing.yaml: cannot be read"),
        (["validate", "broken.yaml"], "broken.yaml:2: headers: is not a field here"),
        (["validate", "nothing.yaml"], "nothing.yaml: cannot be read"),
    ],
)
def test_an_error_is_a_sentence_and_exit_code_1(tmp_path, monkeypatch, capsys, arguments, words):
    (tmp_path / "broken.yaml").write_text("id: library\nheaders: {}\n", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["prompt_hub", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert words in capsys.readouterr().err


def test_the_module_runs_as_a_program(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "prompt_hub", "validate", "--home", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "IMAGEWORKS_HOME": str(tmp_path / "other")},
    )
    assert "are right" in done.stdout
    # What was checked is kept for the next time, and nothing else is made.
    assert [made.name for made in tmp_path.iterdir()] == ["cache"]
