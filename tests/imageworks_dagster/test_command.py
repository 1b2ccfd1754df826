"""The `imageworks` command, as a person at a terminal sees it."""

import fcntl
import os
import re
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import dagster as dg
import pytest
from at_terminal import complaint, imageworks
from made_up_photos import write_photo

from imageworks_dagster.command.commands import shell_word
from imageworks_dagster.pipelines import JUDGE, PIPELINES, TAGGER
from photos.metadata.reading import read_metadata
from store.batches import batch
from store.home import Home
from telemetry.manifest import manifests

COLUMNS = 80


def runs_in(home):
    """Runs in the instance that the web UI shows."""
    folder = home / "dagster"
    if not folder.exists():
        return []
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        return [(one.job_name, one.status.value) for one in instance.get_runs()]


# ---- judge and tag


def test_judging_says_what_each_stage_did_and_where_the_report_lies(made):
    place, (judged, *_) = made

    assert judged.err == ""
    for stage in JUDGE.stages:
        assert re.search(rf"^{stage.asset} +\d", judged.out, re.MULTILINE)
    report = place / "home" / "reports" / "judge" / "spring-round" / "report.html"
    assert f"Report: {report}" in judged.out
    assert report.is_file()
    assert "baseline-judge: " in judged.out


def test_the_stages_lines_fit_a_terminal(made):
    _, said = made

    lines = [
        line for one in said for line in one.out.splitlines() if not line.startswith(("Report:", "No file"))
    ]
    assert max(map(len, lines)) <= COLUMNS
    assert not any("…" in line for line in lines)


def test_a_run_of_the_command_is_in_the_web_ui_too(made):
    assert sorted(runs_in(made[0] / "home")) == [
        ("judge", "SUCCESS"),
        ("tagger", "SUCCESS"),
        ("tagger", "SUCCESS"),
    ]


def test_approved_without_apply_is_refused(tmp_path):
    said = imageworks(tmp_path / "home", "tag", tmp_path, "--approved")

    assert said.code == 2
    assert "--approved goes with --apply" in said.err


def test_a_vocabulary_is_told_in_words_and_a_wrong_one_stops_tagging(tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("bird\n\theron\n", encoding="utf-8")
    said = imageworks(tmp_path / "home", "vocabulary", "check", words)
    assert said.code == 0
    assert "2 keywords in 2 levels" in said.out
    words.write_text("bird\n\t\t\theron\n", encoding="utf-8")
    wrong = imageworks(tmp_path / "home", "tag", tmp_path, IMAGEWORKS_VOCABULARY=str(words))
    complaint(wrong, "line 2: it is 3 tabs deep")
    assert not (tmp_path / "home").exists()


@pytest.mark.slow
def test_a_second_run_asks_no_model_and_says_so(home, folders):
    again = imageworks(home, "judge", folders / "Spring Round")

    assert again.code == 0
    assert "No model was asked: all" in again.out


@pytest.mark.slow
def test_a_damaged_manifest_is_told_of_and_stops_no_run(home, folders):
    (home / "manifests" / "a.json").write_text("{", encoding="utf-8")

    said = imageworks(home, "tag", folders / "Harbor")

    assert said.code == 0, said.err
    assert f"{home}/manifests/a.json is not a run manifest" in said.out


def test_tagging_changes_no_file_and_says_how_to_write_the_tags(made):
    place, (_, tagged, _) = made

    command = f"imageworks tag {shell_word(place / 'Harbor')} --batch harbor --apply"
    assert f"No file was changed. Write the tags with: {command}" in tagged.out
    assert "other.jpg\n  + title: " in tagged.out
    assert "\n  + keywords: " in tagged.out
    assert read_metadata(place / "Harbor" / "other.jpg").keywords == ()


@pytest.mark.slow
def test_tags_are_written_and_taken_back(tmp_path):
    photo = write_photo(tmp_path / "Harbor" / "a.jpg", seed=1)
    before = photo.read_bytes()

    written = imageworks(tmp_path / "home", "tag", photo.parent, "--apply")
    assert written.code == 0
    assert read_metadata(photo).keywords
    back = f"imageworks tag {shell_word(photo.parent)} --batch harbor --undo"
    assert f"Tags written into 1 file.\nTake all back with: {back}\n" in written.out
    assert "made by rule" in written.out
    undone = imageworks(tmp_path / "home", "tag", photo.parent, "--undo")
    assert undone.code == 0
    assert "Taken back in 1 photo, byte for byte." in undone.out
    assert photo.read_bytes() == before


def test_an_undo_in_a_folder_that_was_never_tagged_says_that_there_is_nothing_to_take_back(tmp_path):
    write_photo(tmp_path / "Harbor" / "a.jpg", seed=1)

    said = imageworks(tmp_path / "home", "tag", tmp_path / "Harbor", "--undo")

    assert said.code == 0, said.err
    assert "Nothing was taken back: nothing was ever tagged in this home." in said.out
    assert str(tmp_path / "home") in said.out


def test_writing_and_taking_back_at_once_is_refused(tmp_path):
    said = imageworks(tmp_path / "home", "tag", tmp_path, "--apply", "--undo")

    assert said.code == 2
    assert "contradict" in said.err


@pytest.mark.slow
def test_a_folder_whose_name_looks_like_markup_is_named_as_it_is(tmp_path):
    folder = tmp_path / "[red]It's April[/red]"
    write_photo(folder / "a.jpg", seed=1)

    said = imageworks(tmp_path / "home", "tag", folder)

    assert said.code == 0, said.err
    assert shell_word(folder) in said.out


@pytest.mark.slow
def test_a_competitions_rules_are_taken_and_remembered(tmp_path, store_of):
    write_photo(tmp_path / "Round" / "a.jpg", seed=1)
    rules = tmp_path / "rules.toml"
    rules.write_text("[competition.april]\n[competition.april.rules]\nmax_width = 100\n", encoding="utf-8")

    said = imageworks(tmp_path / "home", "judge", tmp_path / "Round", "--rules", rules)

    assert said.code == 0, said.err
    assert "1 without a result: 1 not_eligible" in said.out
    assert batch(store_of(tmp_path / "home").database, "judge", "round").rules == rules


# ---- wrong folders, choices, variables and files: words, and no stack trace


@pytest.mark.parametrize("command", ["judge", "tag"])
def test_a_folder_that_is_not_there_is_refused(tmp_path, command, monkeypatch):
    # As in a narrow window, where no two words may stand in one line.
    monkeypatch.setenv("COLUMNS", "30")
    complaint(imageworks(tmp_path / "home", command, tmp_path / "nowhere"), "nowhere' does not exist", code=2)
    assert runs_in(tmp_path / "home") == []


@pytest.mark.slow
@pytest.mark.parametrize("command", ["judge", "tag"])
def test_a_folder_without_photos_fails_in_words(tmp_path, command):
    (tmp_path / "Empty").mkdir()

    step = "judge/entries: " if command == "judge" else "tagger/photos: "
    complaint(imageworks(tmp_path / "home", command, tmp_path / "Empty"), step, "Empty", "photo")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("judge", "--profile", "nobody"), ("'nobody'", "Profiles for this stage: club-judge.")),
        (("judge", "--model", "baseline-juge"), ("Did you mean baseline-judge", "Models for it: ")),
        (("judge", "--model", "nima-mobilenet"), ("nima-mobilenet cannot do chat", "baseline-judge")),
        (("tag", "--profile", "club-judge"), ("Profiles for this stage: library, storyteller.",)),
    ],
)
def test_a_wrong_choice_lists_the_right_ones_and_starts_no_run(tmp_path, arguments, parts):
    write_photo(tmp_path / "Round" / "a.jpg", seed=1)
    command, *options = arguments

    complaint(imageworks(tmp_path / "home", command, tmp_path / "Round", *options), *parts)

    assert runs_in(tmp_path / "home") == []
    assert manifests(Home(tmp_path / "home")).runs == ()


@pytest.mark.slow
def test_a_choice_is_remembered_for_the_batch(home, folders, store_of):
    said = imageworks(home, "tag", folders / "Hills", "--profile", "storyteller")

    assert said.code == 0
    pins = batch(store_of(home).database, "tagger", "hills").pins
    assert {stage.asset: pins[stage.asset]["profile"] for stage in TAGGER.asking} == {
        stage.asset: "storyteller" for stage in TAGGER.asking
    }


@pytest.mark.slow
def test_judges_share_the_playoff_until_a_model_is_named_for_it_and_again_when_they_are_named_alone(
    home, folders, store_of
):
    judges = "baseline-judge, baseline-judge:club-judge*2"

    def playoffs_model(*options):
        said = imageworks(home, "judge", folders / "Spring Round", *options)
        assert said.code == 0, said
        return (
            batch(store_of(home).database, "judge", "spring-round").pins.get("judge/playoff", {}).get("model")
        )

    assert playoffs_model("--judges", judges, "--model", "baseline-judge") == "baseline-judge"
    assert playoffs_model() == "baseline-judge"
    assert playoffs_model("--judges", judges) is None
    assert batch(store_of(home).database, "judge", "spring-round").pins["judge/critiques"]["judges"] == judges


def test_a_name_that_another_folder_has_is_refused(home, folders):
    said = imageworks(home, "tag", folders / "Hills", "--batch", "harbor")

    complaint(said, "'harbor'", str(folders / "Harbor"))


def test_a_variable_that_is_no_setting_is_warned_of(tmp_path):
    said = imageworks(tmp_path / "home", "status", IMAGEWORKS_CONCURENCY="8")

    assert said.code == 0
    assert "IMAGEWORKS_CONCURENCY is no setting and is ignored" in said.err


def test_a_variable_that_an_address_of_the_registry_is_read_from_is_not_warned_of(tmp_path):
    said = imageworks(tmp_path / "home", "status", IMAGEWORKS_TRTLLM_BASE_URL="http://gpu-box:8601")

    assert (said.code, said.err) == (0, "")


def test_a_registry_that_cannot_be_read_does_not_stop_a_command_that_needs_none(tmp_path):
    (tmp_path / "registry.yaml").write_text("models:\n  mine: [\n", encoding="utf-8")

    said = imageworks(tmp_path, "config", IMAGEWORKS_TRTLLM_BASE_URL="http://gpu-box:8601")

    assert said.code == 0
    assert "registry.yaml:" in said.err
    assert "is ignored" not in said.err


def test_a_variable_with_a_wrong_value_is_refused(tmp_path):
    said = imageworks(tmp_path / "home", "status", IMAGEWORKS_CONCURRENCY="many")

    complaint(said, "IMAGEWORKS_CONCURRENCY is 'many'")


def test_a_broken_registry_is_told_by_file_line_and_field(home, folders):
    (home / "registry.yaml").write_text("models:\n  mine:\n    roles: [juge]\n", encoding="utf-8")
    before = len(runs_in(home))

    said = imageworks(home, "judge", folders / "Spring Round")

    complaint(said, f"{home / 'registry.yaml'}:3: models.mine.roles")
    assert len(runs_in(home)) == before


def test_a_registry_that_is_no_yaml_is_told_by_file_and_line(home, folders):
    (home / "registry.yaml").write_text("models:\n  mine: [\n", encoding="utf-8")

    complaint(imageworks(home, "judge", folders / "Spring Round"), f"{home / 'registry.yaml'}:")


def test_a_broken_prompt_is_told_by_file_line_and_field(home, folders):
    (home / "prompts" / "mine.yaml").write_text(
        "id: library\nstages:\n  caption:\n    user: '{{ no_such_thing }}'\n", encoding="utf-8"
    )

    said = imageworks(home, "tag", folders / "Harbor")

    complaint(said, f"{home / 'prompts' / 'mine.yaml'}:4: stages.caption.user", "no_such_thing")


def test_broken_rules_are_told_by_file_line_and_field(home, folders, tmp_path):
    rules = tmp_path / "competition.toml"
    rules.write_text("[competition.april]\n[competition.april.rules]\nmax_width = 'wide'\n", encoding="utf-8")

    said = imageworks(home, "judge", folders / "Spring Round", "--rules", rules)

    complaint(said, str(rules), "max_width")


# ---- ui


def test_a_taken_port_is_told_before_anything_starts(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        said = imageworks(tmp_path / "home", "ui", "--port", port)

    complaint(said, f"Port {port} of 127.0.0.1 cannot be had", "imageworks ui --port")


def test_a_second_web_ui_of_a_home_is_refused_with_the_firsts_address(tmp_path):
    home = Home(tmp_path / "home").create()
    with (home.locks / "ui.lock").open("w+", encoding="ascii") as held:
        held.write("http://127.0.0.1:3000")
        held.flush()
        fcntl.flock(held, fcntl.LOCK_EX)

        said = imageworks(home.root, "ui", "--port", 3001)

    complaint(said, "has a web UI already: http://127.0.0.1:3000")


# ---- as a process


def test_the_version_is_printed(tmp_path):
    said = imageworks(tmp_path / "home", "--version")

    assert (said.code, said.out) == (0, f"imageworks {version('imageworks-dagster')}\n")


@pytest.mark.slow
def test_the_installed_command_warns_of_nothing(tmp_path):
    write_photo(tmp_path / "Hills" / "a.jpg", seed=1)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("IMAGEWORKS_")}
    environment.pop("DAGSTER_HOME", None)

    done = subprocess.run(
        [Path(sys.executable).with_name("imageworks"), "tag", tmp_path / "Hills"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / ".imageworks" / "reports" / "tagger" / "hills" / "report.html").is_file()


@pytest.mark.slow
def test_the_demo_runs_both_pipelines_and_asks_nothing_the_second_time(tmp_path):
    first, second = (imageworks(tmp_path / "home", "demo") for _ in range(2))

    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert first.out.count("Report: ") == len(PIPELINES)
    assert second.out.count("No model was asked: all") == len(PIPELINES)
