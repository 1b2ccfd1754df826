"""docs/competitions.md: its tables are those of the schema, and what it says is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from imageworks.judge_vision.competition import HIGHEST_MARK, Competition, Playoff, Rules, default_competition
from imageworks.judge_vision.competition_file import read_competitions
from imageworks.judge_vision.name_pattern import FIELDS

GUIDE = (Path(__file__).parents[3] / "docs" / "competitions.md").read_text(encoding="utf-8")


def table(model):
    """A model's fields as the guide has them."""
    lines = ["| key | default | meaning |", "|---|---|---|"]
    for name, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True)
        shown = f"`{default}`" if isinstance(default, int) else ""
        lines.append(f"| `{name}` | {shown} | {field.description} |")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("[competition.<id>]", Competition),
        ("[competition.<id>.rules]", Rules),
        ("[competition.<id>.playoff]", Playoff),
    ],
)
def test_every_key_is_in_the_guide_with_its_default_and_meaning(heading, model):
    section = GUIDE.partition(f"### `{heading}`\n")[2].partition("\n##")[0]
    assert table(model) in section, f"the table has to be:\n{table(model)}"


def test_every_field_of_a_naming_pattern_is_in_the_guide():
    section = GUIDE.partition("## Names of files")[2].partition("\n##")[0]
    assert re.findall(r"^\| `\{(\w+)\}` \|", section, re.MULTILINE) == list(FIELDS)


def test_every_file_in_the_guide_is_read_and_means_what_the_guide_says():
    (text,) = re.findall(r"^```toml\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    spring = read_competitions(text)["spring"]
    awards = [spring.award_for(mark) for mark in range(14, HIGHEST_MARK + 1)]
    assert awards == [None, *["Silver"] * 3, *["Gold"] * 3]


def test_the_rules_without_a_file_are_those_of_the_guide():
    section = GUIDE.partition("## Without a file")[2].partition("\n##")[0]
    competition = default_competition()
    for award, (low, high) in competition.score_bands.items():
        assert f"{award} " in section
        assert f"{low} and {high}" in section
    assert f"best {competition.playoff.shortlist} meet, each {competition.playoff.rounds} times" in section
    assert not competition.categories


def test_every_command_in_the_guide_says_why_it_is_not_run():
    blocks = re.findall(r"(.*)\n```console\n", GUIDE)
    assert blocks
    assert all(line.startswith("<!-- not run: ") for line in blocks)
