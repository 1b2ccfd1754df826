"""Saving a user's file: whole, checked with all the others, and never over what somebody else has saved."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from prompt_hub.__main__ import app
from prompt_hub.editing import read_file, save_file
from prompt_hub.errors import BadProfileId, FileMoved, NoEditor, ProfileCycle, ProfileFileError
from prompt_hub.hub import PromptHub

HERE = Path(__file__).parent
BIRDS = "id: birds\nextends: library\n"


@pytest.fixture
def folder(user_folder):
    user_folder.write("birds.yaml", BIRDS)
    return user_folder.path


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def test_what_was_read_can_be_saved_changed(folder):
    before = read_file(folder, "birds")
    assert before.digest == hashlib.sha256(BIRDS.encode()).hexdigest()
    saved = save_file(folder, "birds", f"{BIRDS}description: Ours.\n", expected=before.digest)
    assert saved.digest == read_file(folder, "birds").digest
    assert saved.hub.version == PromptHub.load(folder).version
    assert saved.hub.get("birds").description == "Ours."


def test_a_field_that_was_taken_out_is_gone_and_not_merged_from_what_was_there(folder):
    first = save_file(
        folder, "birds", f"{BIRDS}description: Ours.\n", expected=read_file(folder, "birds").digest
    )
    assert save_file(folder, "birds", BIRDS, expected=first.digest).hub.get("birds").description != "Ours."


def test_a_new_file_is_named_by_its_profile(tmp_path):
    folder = tmp_path / "home" / "prompts"
    assert read_file(folder, "birds").digest is None
    save_file(folder, "birds", BIRDS, expected=None)
    assert files_of(folder) == {"birds.yaml": BIRDS.encode()}


def test_a_profile_is_edited_in_the_file_that_speaks_of_it_whatever_its_name(user_folder):
    user_folder.write("mine.yml", "id: library\ndescription: A.\n")
    before = read_file(user_folder.path, "library")
    save_file(user_folder.path, "library", "id: library\ndescription: B.\n", expected=before.digest)
    assert files_of(user_folder.path) == {"mine.yml": b"id: library\ndescription: B.\n"}


def test_a_file_that_holds_another_profile_is_not_overwritten(user_folder):
    user_folder.write("birds.yaml", "id: library\n")
    with pytest.raises(ProfileFileError, match="is a file of profile 'library'"):
        read_file(user_folder.path, "birds")
    with pytest.raises(ProfileFileError, match="is a file of profile 'library'"):
        save_file(user_folder.path, "birds", BIRDS, expected=None)


@pytest.mark.parametrize(
    "name", ["../birds", "a/b", "/etc/passwd", "", ".birds", "Birds", "birds\n", "b\0", "x" * 61]
)
def test_no_name_leads_out_of_the_folder(folder, name):
    for trying in (lambda: read_file(folder, name), lambda: save_file(folder, name, BIRDS, expected=None)):
        with pytest.raises(BadProfileId):
            trying()


@pytest.mark.parametrize("change", ["edited", "removed"])
def test_a_file_that_changed_since_it_was_read_is_left_as_it_is(folder, change):
    before = read_file(folder, "birds")
    if change == "edited":
        (folder / "birds.yaml").write_text(f"{BIRDS}# mine\n", encoding="utf-8")
    else:
        (folder / "birds.yaml").unlink()
    there = files_of(folder)
    with pytest.raises(FileMoved, match=r"birds\.yaml (was changed|is gone) since it was read"):
        save_file(folder, "birds", f"{BIRDS}description: x\n", expected=before.digest)
    assert files_of(folder) == there


def test_a_file_that_was_made_meanwhile_is_left_as_it_is(folder):
    with pytest.raises(FileMoved, match="was made since"):
        save_file(folder, "birds", BIRDS, expected=None)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("id: [\n", ProfileFileError, "birds.yaml:"),
        ("id: library\n", ProfileFileError, "must be birds"),
        (f"{BIRDS}url: x\n", ProfileFileError, "is not a field here"),
        (f"{BIRDS}stages: {{caption: {{user: '{{{{ nobody }}}}'}}}}\n", ProfileFileError, "which is not declared"),
        ("id: birds\nextends: child\n", ProfileCycle, "birds → child → birds"),
        ("id: birds\nextends: house\n", ProfileFileError, "child.yaml:3: stages.caption"),
        (f"{BIRDS}# {'x' * 1024 * 1024}\n", ProfileFileError, "larger than 1024 KiB"),
        (f"{BIRDS}description: '\ud800'\n", ProfileFileError, "not Unicode text"),
    ],
)  # fmt: skip
def test_what_would_break_the_hub_anywhere_is_not_saved(user_folder, folder, text, error, words):
    user_folder.write("child.yaml", "id: child\nextends: birds\nstages: {caption: {images: 1}}\n")
    there, before = files_of(folder), read_file(folder, "birds")
    with pytest.raises(error) as caught:
        save_file(folder, "birds", text, expected=before.digest)
    assert words in str(caught.value)
    assert files_of(folder) == there


def test_two_processes_that_edit_at_once_lose_nothing(tmp_path):
    folder = tmp_path / "prompts"
    command = [sys.executable, str(HERE / "editors.py"), str(folder)]
    running = [
        subprocess.Popen([*command, name, "15"], stdout=subprocess.PIPE, text=True, cwd=HERE.parents[1])
        for name in ("ann", "ben")
    ]
    told = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0, 0], told
    lines = PromptHub.load(folder).get("birds").description.split()
    assert sorted(lines[2:]) == sorted(f"{name}{number}" for name in ("ann", "ben") for number in range(15))


@pytest.fixture
def edit(tmp_path, monkeypatch):
    """Runs `edit` with an editor that does these things to the file, one after the other at each opening."""
    home = tmp_path / "home"
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)

    def run(*doings, answers="", profile="birds"):
        for number, doing in enumerate(doings):
            (tmp_path / f"{number}.sh").write_text(doing, encoding="utf-8")
        # Each opening takes the next of them.
        editor = tmp_path / "editor.sh"
        editor.write_text(f"n=$(cat {tmp_path}/n); echo $((n + 1)) > {tmp_path}/n; . {tmp_path}/$n.sh\n")
        (tmp_path / "n").write_text("0")
        monkeypatch.setenv("VISUAL", f"sh {editor}")
        return CliRunner().invoke(app, ["edit", profile, "--home", str(home)], input=answers)

    run.folder = home / "prompts"
    run.left = lambda: sorted(tmp_path.glob("prompt-*/*"))
    return run


def test_an_edit_is_saved(edit):
    done = edit('echo "extends: library" >> "$1"')
    assert done.exit_code == 0, done.output
    assert PromptHub.load(edit.folder).get("birds").extends == "library"
    assert "birds.yaml is saved" in done.stdout
    assert edit.left() == []


def test_an_edit_that_changes_nothing_saves_nothing(edit):
    assert "Nothing was changed." in edit("true").stdout
    assert not edit.folder.exists()


def test_what_is_wrong_is_told_and_can_be_put_right(edit):
    done = edit('echo "extends: libary" >> "$1"', 'sed -i s/libary/library/ "$1"', answers="y\n")
    assert done.exit_code == 0
    assert "did you mean library?" in done.stderr
    assert PromptHub.load(edit.folder).get("birds").extends == "library"


@pytest.mark.parametrize("answers", ["n\n", ""])
def test_who_does_not_go_on_keeps_what_they_wrote(edit, answers):
    done = edit('echo "extends: libary" >> "$1"', answers=answers)
    assert isinstance(done.exception, ProfileFileError)
    (draft,) = edit.left()
    assert f"What you wrote is in {draft}." in done.stderr
    assert draft.read_text().endswith("extends: libary\n")
    assert not (edit.folder / "birds.yaml").exists()


def test_what_somebody_else_saved_meanwhile_is_shown_before_it_is_replaced(edit):
    other = f'printf "id: birds\\nextends: storyteller\\n" > {edit.folder}/birds.yaml'
    edit.folder.mkdir(parents=True)
    done = edit(f'echo "extends: library" >> "$1"; {other}', "true", answers="y\n")
    assert done.exit_code == 0
    assert "+extends: storyteller" in done.stderr
    assert PromptHub.load(edit.folder).get("birds").extends == "library"
    again = edit(f'echo "description: x" >> "$1"; {other}', answers="n\n")
    assert isinstance(again.exception, FileMoved)
    assert PromptHub.load(edit.folder).get("birds").extends == "storyteller"


def test_without_an_editor_or_with_a_broken_one_nothing_is_saved(edit, monkeypatch):
    assert isinstance(edit("exit 3").exception, NoEditor)
    monkeypatch.setenv("VISUAL", "")
    monkeypatch.delenv("EDITOR", raising=False)
    missing = CliRunner().invoke(app, ["edit", "birds", "--home", os.devnull + "/x"])
    assert missing.exception is not None
    assert not edit.folder.exists()
