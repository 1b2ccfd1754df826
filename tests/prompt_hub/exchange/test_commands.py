"""`import` and `export --format promptfoo` on the command line."""

from __future__ import annotations

import os

import pytest

from prompt_hub.errors import BadReference, ImportRefused, ProfileFileError, WouldOverwrite
from prompt_hub.testing.case_files import load_case_sets
from store.yaml_reading import YamlError

CONFIG = """\
prompts: ["Name {{ thing }}."]
tests: [{vars: {thing: the sea}, assert: [{type: contains, value: sea}]}]
"""


@pytest.fixture
def theirs(tmp_path):
    def write(text, name="promptfooconfig.yaml"):
        file = tmp_path / "sea-words" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    return write


def test_an_import_is_a_profile_of_the_home_with_its_tests(command, theirs, hub, home):
    done = command("import", "promptfoo", theirs(CONFIG))
    assert done.exit_code == 0
    assert str(home / "prompts" / "tests" / "sea-words.yaml") in done.stdout
    assert "asked for" in done.stderr
    assert list(hub().get("sea-words").stages) == ["name_thing"]
    assert "sea-words" in {one.profile_id for one in load_case_sets(home / "prompts")}
    assert command("test", "sea-words").exit_code == 0


def test_nothing_is_written_over_unless_told_so(command, theirs, hub, home):
    file = theirs(CONFIG)
    command("import", "promptfoo", file)
    with pytest.raises(WouldOverwrite, match="--replace"):
        command("import", "promptfoo", file)
    file.write_text(CONFIG.replace("Name", "Call"), encoding="utf-8")
    assert command("import", "promptfoo", file, "--replace").exit_code == 0
    assert "call_thing" in hub().get("sea-words").stages
    with pytest.raises(WouldOverwrite, match="in other files"):
        command("import", "promptfoo", file, "--id", "library", "--replace")
    assert not (home / "prompts" / "library.yaml").exists()


def test_a_dash_writes_to_the_terminal_and_nowhere_else(command, theirs, home):
    shown = command("import", "promptfoo", theirs(CONFIG), "--output", "-").stdout
    assert shown.startswith("# sea-words.yaml\nid: sea-words\n")
    assert "---\n# tests/sea-words.yaml\nprofile: sea-words\n" in shown
    assert not (home / "prompts").exists()


def test_what_would_break_the_hub_is_not_written(command, theirs, home):
    (home / "prompts").mkdir(parents=True)
    with pytest.raises(ProfileFileError, match=str(home)):
        command("import", "langchain", theirs('{"_type": "prompt", "template": ""}', "a.json"))
    assert list((home / "prompts").iterdir()) == []


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("prompts: [a", YamlError),
        ("x" * 2_000_000, ImportRefused),
        ("prompts: !!python/object:os.system [a]", YamlError),
    ],
)
def test_hostile_files_are_refused(command, theirs, text, error):
    with pytest.raises(error):
        command("import", "promptfoo", theirs(text))


def test_a_pipe_a_folder_and_bytes_are_no_files_to_import(command, tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    for name, problem in (
        ("pipe.yaml", "regular file"),
        ("bytes.yaml", "UTF-8"),
        (".", "regular file"),
        ("no", "cannot be read"),
    ):
        with pytest.raises(ImportRefused, match=problem):
            command("import", "promptfoo", tmp_path / name, "--id", "x")


def test_a_bad_id_is_refused(command, theirs):
    with pytest.raises(BadReference, match="--id"):
        command("import", "promptfoo", theirs(CONFIG), "--id", "../x")


def test_an_export_goes_into_a_folder_and_over_nothing(command, tmp_path):
    done = command("export", "library", "--format", "promptfoo", "--output", tmp_path / "out")
    assert (tmp_path / "out" / "promptfooconfig.yaml").read_text().startswith("# profile_hash ")
    assert "photos" in done.stderr
    with pytest.raises(WouldOverwrite):
        command("export", "library", "--format", "promptfoo", "--output", tmp_path / "out")
    assert command("export", "library", "--output", tmp_path / "out").exit_code == 0
