"""What stages are given and asked for, told with the file and line of whoever wrote otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from prompt_hub.contracts import contract_doubts, stage_contracts
from prompt_hub.errors import ProfileFileError
from prompt_hub.hub import PromptHub
from prompt_hub.live import LiveHub


def test_what_ships_meets_its_contracts():
    for profile in PromptHub.load(None).profiles.values():
        assert list(contract_doubts(profile)) == []
    assert PromptHub.load(None).doubts == {}


def test_every_contract_is_that_of_a_shipped_stage():
    shipped = {
        (profile.application, stage)
        for profile in PromptHub.load(None).profiles.values()
        for stage in profile.stages
    }
    assert stage_contracts().keys() <= shipped


@pytest.mark.parametrize(
    ("stage", "field", "line", "words"),
    [
        ("{variables: {mood: string}}", "stages.caption.variables.mood", 3, "is required and not given"),
        ("{variables: {mood: string}}", "stages.caption.variables.mood", 3, "is required but never used"),
        ("{variables: {signals: integer}}", "stages.caption.variables.signals", 3, "can be no string, which is given"),
        ("{output: {caption: string, mood: string}}", "stages.caption.output.properties.mood", 3, "is not read"),
        ("{output: {caption: integer}}", "stages.caption.output.properties.caption", 3, "is no string"),
    ],
)  # fmt: skip
def test_a_doubt_has_the_users_file_and_line_on_every_load(user_folder, stage, field, line, words):
    file = user_folder.write("mine.yaml", f"id: library\nstages:\n  caption: {stage}\n")
    cache = user_folder.path.parent / "cache" / "prompts.json"
    for hub in (
        PromptHub.load(user_folder.path),
        LiveHub(user_folder.path).current,
        PromptHub.load_cached(user_folder.path, cache),
        PromptHub.load_cached(user_folder.path, cache),
    ):
        told = [
            one.problem
            for one in hub.doubts["library"]
            if (one.file, one.line, one.field) == (str(file), line, field)
        ]
        assert any(words in problem for problem in told)


def test_a_variable_that_is_not_declared_is_told_with_the_users_line_also_when_a_partial_uses_it(user_folder):
    file = user_folder.write(
        "mine.yaml", "id: library\npartials:\n  openers: |\n    Begin.\n    {{ mood }}\n"
    )
    with pytest.raises(ProfileFileError) as caught:
        PromptHub.load(user_folder.path)
    # Two stages of the library include it, and so do those of what extends it.
    told = {(problem.file, problem.line, problem.field) for problem in caught.value.problems}
    assert told == {(str(file), 3, "partials.openers")}
    assert "line 2 of the text: uses 'mood'" in caught.value.problems[0].problem


def test_what_no_template_may_say_is_told_of_the_partial_that_says_it(user_folder):
    file = user_folder.write(
        "mine.yaml",
        "id: library\npartials:\n  mine: '{{ range(3) }}'\n  openers: 'x {% include \"mine\" %}'\n",
    )
    with pytest.raises(ProfileFileError) as caught:
        PromptHub.load(user_folder.path)
    assert {(one.file, one.line, one.field) for one in caught.value.problems} == {
        (str(file), 3, "partials.mine")
    }


def test_a_variable_that_was_taken_away_is_told_with_who_took_it(user_folder):
    file = user_folder.write(
        "mine.yaml", "id: library\nstages:\n  keywords:\n    variables:\n      caption: null\n"
    )
    with pytest.raises(ProfileFileError) as caught:
        PromptHub.load(user_folder.path)
    assert all(f"{Path(file)}:5 takes it away" in problem.problem for problem in caught.value.problems)
