"""Saving, labelling and rolling back on the command line, by two people."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from prompt_hub.__main__ import app
from prompt_hub.errors import (
    AccessRefused,
    BadReference,
    CaseFileError,
    LabelMoved,
    NothingToRollBack,
    PromotionRefused,
)
from prompt_hub.revisions.access import system_user


@pytest.fixture
def edit(tmp_path):
    """Writes the user's layer: how warm the keywords of `library` are."""
    folder = tmp_path / "home" / "prompts"

    def write(temperature):
        folder.mkdir(parents=True, exist_ok=True)
        text = f"id: library\nstages: {{keywords: {{parameters: {{temperature: {temperature}}}}}}}\n"
        (folder / "mine.yaml").write_text(text, encoding="utf-8")

    return write


REQUIRES_NOTHING = """\
profile: library
sets:
  prompt: &static
    mode: static
    tests:
      - description: it is about a photograph
        stage: caption
        vars: {signals: "Sharpness: sharp (150)", existing_keywords: [], folder_words: []}
        assert: [{type: contains, value: photograph}]
  form: *static
"""


@pytest.fixture
def requiring_nothing(tmp_path):
    """A user's own tests of `library`, which no label requires."""
    folder = tmp_path / "home" / "prompts" / "tests"
    folder.mkdir(parents=True)
    (folder / "library.yaml").write_text(REQUIRES_NOTHING, encoding="utf-8")


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Runs a command in one home folder; an error of ours is raised."""
    monkeypatch.setenv("IMAGEWORKS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments, by=None):
        given = [*map(str, arguments), *(["--as", by] if by else [])]
        done = CliRunner().invoke(app, given)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.output

    return run


@pytest.fixture
def two_people(command):
    """Ann publishes, Bob writes; whoever runs the tests is the admin."""
    command("roles", "ann", "publisher")
    command("roles", "bob", "author")


def digits(output):
    return re.search(r"\b[0-9a-f]{12}\b", output)[0]


def rows(output, heading):
    tables = output.split("┏")[1:]
    table = next(one for one in tables if one.split("┃")[1].strip() == heading)
    lines = [line for line in table.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines]


def test_a_prompt_is_saved_promoted_and_rolled_back_by_two_people(
    command, two_people, edit, requiring_nothing
):
    first = digits(command("save", "library", "-m", "As shipped", by="bob"))
    command("label", "production", f"library@{first}", "--why", "The first", by="ann")
    edit(0.7)
    second = digits(command("save", "library", "-m", "Warmer", by="bob"))
    with pytest.raises(AccessRefused, match=r"bob \(by \w+\) may not move production of library"):
        command("label", "production", f"library@{second}", by="bob")
    command("label", "staging", f"library@{second}", "--why", "To try", by="bob")
    command("label", "production", "library@staging", "--why", "Liked by all", by="ann")
    assert "stages.keywords.parameters.temperature" not in command("diff", "library", "library@production")
    command("rollback", "production", "library", "--why", "Too warm", by="ann")

    shown = command("history", "library")
    admin = system_user().name
    assert [row[0:1] + row[2:] for row in rows(shown, "revision")] == [
        [second, f"bob (by {admin})", "staging", first, "Warmer"],
        [first, f"bob (by {admin})", "production", "", "As shipped"],
    ]
    assert [row[1:] for row in rows(shown, "moved")] == [
        ["production", second, first, f"ann (by {admin})", "Too warm"],
        ["production", first, second, f"ann (by {admin})", "Liked by all"],
        ["staging", "", second, f"bob (by {admin})", "To try"],
        ["production", "", first, f"ann (by {admin})", "The first"],
    ]
    assert "move production of library" in command("refusals")


def test_what_is_kept_is_inspected_exported_and_compared_by_its_reference(command, edit, requiring_nothing):
    command("label", "production", "library", "--why", "As it is")
    edit(0.7)
    before = command("inspect", "library@production")
    assert before.splitlines()[1] != command("inspect", "library").splitlines()[1]
    assert "temperature: 0.7" not in command("export", "library@production")
    difference = command("diff", "library@production", "library")
    assert "stages.keywords.parameters.temperature: 0.1 -> 0.7" in difference
    assert "keywords: stage_hash" in difference


def test_a_label_that_moved_meanwhile_is_not_moved_from_where_it_was_seen(command, edit):
    command("label", "staging", "library")
    seen = digits(command("history", "library"))
    edit(0.7)
    command("label", "staging", "library")
    edit(0.8)
    with pytest.raises(LabelMoved):
        command("label", "staging", "library", "--expect", seen)


def test_a_move_to_where_a_label_points_is_said_to_be_none(command, edit, requiring_nothing):
    command("label", "production", "library", "--why", "As it is")
    said = command("label", "production", "library")
    assert "nothing is moved" in said
    assert len(rows(command("history", "library"), "moved")) == 1


def test_check_only_looks_and_says_what_is_missing(command, edit):
    said = command("label", "production", "library", "--check")
    assert "production of library could not move to" in said
    assert "`python -m prompt_hub test library --set prompt`" in said
    assert "--override --why" in said
    command("label", "staging", "library")
    edit(0.7)
    assert re.search(
        r"staging of library can move from \w{12} to \w{12}",
        command("label", "staging", "library", "--check"),
    )
    assert len(rows(command("history", "library"), "revision")) == 1
    edit(0.1)
    assert "already" in command("label", "staging", "library", "--check")


def test_a_refused_label_keeps_no_revision_so_that_the_message_of_save_stays(command, edit):
    edit(0.7)
    with pytest.raises(PromotionRefused, match=r"python -m prompt_hub test library --set prompt"):
        command("label", "production", "library", "--why", "Hurry")
    assert "is kept." in command("save", "library", "-m", "Warmer")
    assert rows(command("history", "library"), "revision")[0][-1] == "Warmer"


def test_who_saves_what_is_kept_already_is_told_whose_message_stays(command):
    command("save", "library", "-m", "As shipped")
    said = command("save", "library", "-m", "Mine")
    assert "was kept before" in said
    assert "As shipped" in said
    assert "this message is not kept" in said


def test_what_cannot_be_done_is_told(command):
    command("label", "staging", "library")
    with pytest.raises(NothingToRollBack):
        command("rollback", "staging", "library", "--why", "")
    with pytest.raises(BadReference, match="Say which role bob"):
        command("roles", "bob")
    assert "No revision of storyteller is kept yet" in command("history", "storyteller")
    assert "staging of library is taken away" in command("unlabel", "staging", "library", "--why", "Done")


@pytest.mark.parametrize("name", ["label", "rollback", "unlabel"])
def test_a_profile_in_the_place_of_the_label_is_told_with_the_right_order(command, name):
    with pytest.raises(BadReference, match=f"the label comes first: {name} staging library"):
        command(name, "library", "staging")


def test_a_label_that_nobody_protects_is_moved_back_without_a_reason(command, edit, requiring_nothing):
    command("label", "staging", "library")
    edit(0.7)
    command("label", "staging", "library")
    assert "staging of library points at" in command("rollback", "staging", "library")
    command("protect", "staging")
    with pytest.raises(PromotionRefused, match="say why it is moved"):
        command("unlabel", "staging", "library")


def test_roles_and_protection_are_shown_and_changed(command):
    assert "everybody is an admin" in command("roles")
    command("roles", "bob", "author")
    assert ["bob", "author"] in rows(command("roles"), "who")
    command("protect", "final")
    assert "Protected labels: final, production." in command("roles", "bob", "none")
    assert "production is no longer protected" in command("protect", "production", "--off")
    assert "Nobody was refused anything" in command("refusals")


def test_a_test_file_with_a_misspelled_profile_switches_no_test_off(command, tmp_path):
    folder = tmp_path / "home" / "prompts" / "tests"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(
        "profile: libary\nsets:\n  form:\n    mode: static\n    required_for: [production]\n    tests:\n"
        "      - {description: a, stage: caption, assert: [{type: words, max: 9}]}\n"
    )
    for arguments in (
        ("label", "production", "library", "--check"),
        ("label", "production", "library", "--why", "Hurry"),
        ("validate",),
    ):
        with pytest.raises(CaseFileError, match="did you mean library"):
            command(*arguments)


def test_a_label_that_nobody_had_is_said_to_be_new(command):
    said = command("label", "prodution", "library")
    assert "prodution is a new label of library; did you mean production?" in said
    assert "is a new label" not in command("label", "prodution", "library")
