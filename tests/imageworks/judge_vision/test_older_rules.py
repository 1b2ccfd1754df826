"""An old competitions.toml as one rules file a competition."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from imageworks.errors import CompetitionFileError
from imageworks.judge_vision.competition_file import load_competition, read_competitions
from imageworks.judge_vision.older_rules import taken_apart
from imageworks_dagster.command.competition import app
from store.import_report import ImportReport

SHARED = Path(__file__).parents[4] / "shared" / "data" / "legacy" / "competitions.toml"

OLD = """\
[competition.spring]
categories = ["Colour", "Mono"]
score_bands = { Merit = [14, 16], Gold = [18, 19, 20] }
awards = ["Gold", "Merit"]
pairwise_rounds = 2
anchors = ["a.jpg"]
notes = "Mono means one global tone; partial toning counts as Colour."
secretary = "nobody"

[competition.spring.rules]
max_width = 1600
min_height = 400
borders = "disallowed"
colour_space = "sRGB IEC61966-2.1"
paper = "matte"

[competition."autumn round"]
categories = ["Open"]

[competition."autumn round".rules]
colour_space = "eciRGB v2"
"""


def test_each_competition_is_a_file_of_its_own_that_loads():
    report = ImportReport("old")
    files = taken_apart(OLD, "old.toml", report)

    assert list(files) == ["spring", "autumn-round"]
    spring = read_competitions(files["spring"])["spring"]
    assert spring.playoff.rounds == 2
    assert spring.score_bands == {"Merit": (14, 15, 16), "Gold": (18, 19, 20)}
    assert (spring.rules.max_width, spring.rules.min_height) == (1600, 400)
    assert spring.rules.color_space == "sRGB IEC61966-2.1"
    assert spring.rules.mono_categories == ("Mono",)
    assert spring.rules.on_color_in_mono == "query"
    assert "partial toning" in spring.rules_notes()
    dropped = {(note.subject, note.field) for note in report.notes if note.verdict == "dropped"}
    assert dropped == {
        ("spring", "secretary"),
        ("spring", "rules.paper"),
        ("autumn round", "rules.colour_space"),
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = 1", "no table"),
        ("[competition", "not valid TOML"),
        ("[competition]\nx = 1", "must be a table"),
        ('[competition.a]\nscore_bands = {Gold = ["x", 3]}', "score_bands"),
        ("[competition.'a b']\n[competition.'a-b']", "rename"),
    ],
)
def test_what_is_no_such_file_is_refused_with_its_place(text, said):
    with pytest.raises(CompetitionFileError, match=said):
        taken_apart(text, "old.toml", ImportReport("old"))


def test_the_command_writes_the_files_and_over_none(tmp_path):
    old = tmp_path / "competitions.toml"
    old.write_text(OLD, encoding="utf-8")
    arguments = ["import", str(old), "--output", str(tmp_path / "new")]

    done = CliRunner().invoke(app, arguments)
    again = CliRunner().invoke(app, arguments)

    assert done.exit_code == 0
    assert "3 dropped" in done.stderr
    assert load_competition(tmp_path / "new" / "spring.toml").id == "spring"
    assert again.exit_code != 0


@pytest.mark.skipif(not SHARED.is_file(), reason="the shared examples are not beside this checkout")
def test_the_shared_example_comes_over():
    files = taken_apart(SHARED.read_text(encoding="utf-8"), "old", ImportReport("old"))

    assert list(files) == ["club_dpi_2025"]
