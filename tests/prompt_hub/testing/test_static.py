"""Static mode: what is found in prompts without asking a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from prompt_hub.hub import PromptHub
from prompt_hub.testing.case_files import load_case_sets, sets_by_profile
from prompt_hub.testing.outcomes import failed
from prompt_hub.testing.reports.words import against
from prompt_hub.testing.static import run_static
from prompt_hub.testing.targets import Target

CASE = """\
      - description: a title
        stage: caption
        vars: {title: Low tide}
        assert:
          - %s
"""


@pytest.fixture
def run(tests_folder):
    """Runs the user's sets with a profile; gives what was found against each test."""

    def found(profile):
        sets = {"made": tests_folder.sets()}
        outcomes = run_static([Target("made", profile)], sets)
        return {(one.set_name, test.test): against(test) for one in outcomes for test in one.tests}

    return found


def test_what_ships_passes_its_own_static_tests():
    hub, sets = PromptHub.load(None), load_case_sets(None)
    chosen = sets_by_profile(sets, hub.profiles)
    targets = [Target(profile_id, profile) for profile_id, profile in hub.profiles.items()]
    outcomes = run_static(targets, chosen)
    assert failed(outcomes) == 0, [against(test) for one in outcomes for test in one.tests]
    assert not [doubt for one in outcomes for doubt in one.doubts]


def test_every_photo_of_the_shipped_tests_is_shown_and_small():
    folders = {one.folder / "photos" for one in load_case_sets(None)}
    shown = {
        one.photo(name) for one in load_case_sets(None) for case in one.written.tests for name in case.photos
    }
    assert shown == {photo for folder in folders for photo in folder.iterdir()}
    assert all(Path(photo).stat().st_size < 20_000 for photo in shown)


@pytest.mark.parametrize(
    ("assertion", "problem"),
    [
        ("{type: contains, field: user, value: <title>Low tide</title>}", None),
        ("{type: contains, field: system, value: Low tide}", "it lacks 'Low tide'"),
        ("{type: not-contains, value: look at}", "it has 'look at'"),
        ("{type: regex, field: user, value: ^<title>}", None),
        ("{type: words, max: 3}", "it has 8 words"),
        ("{type: length, field: user, min: 100}", "it has 23 characters"),
    ],
)
def test_a_rendered_prompt_is_as_asserted(run, tests_folder, profile_of, assertion, problem):
    tests_folder.one_set(CASE % assertion)
    found = run(profile_of(images=0))["form", "a title"]
    assert found == [] if problem is None else problem in found[0]


@pytest.mark.parametrize(
    ("case", "problem"),
    [
        (("title: Low tide", "name: Low tide"), "needs title and does not declare 'name'"),
        (("Low tide", "3"), "variable title misses its schema"),
        (("stage: caption", "stage: critique"), "has no stage 'critique'"),
    ],
)
def test_a_test_that_cannot_be_rendered_fails_and_says_why(run, tests_folder, profile_of, case, problem):
    tests_folder.one_set((CASE % "{type: words, max: 99}").replace(*case))
    (found,) = run(profile_of(images=0))["form", "a title"]
    assert problem in found


def test_a_profile_whose_template_is_wrong_fails_by_itself(run, profile_of):
    found = run(profile_of(user="<title>{{ titel }}</title>"))
    (problem,) = found["(profile)", "templates, variables and schema"]
    assert "uses 'titel', which is not declared" in problem


def test_what_is_only_doubtful_is_told_and_fails_nothing(profile_of):
    variables = {"title": {"schema": {"type": "string"}}, "dead": {"schema": {"type": "string"}}}
    profile = profile_of(user="{{ title }}", variables=variables)
    (outcome,) = run_static([Target("made", profile)], {})
    assert outcome.state == "passed"
    assert {"stages.caption.variables.dead", "stages.caption.user"} <= {
        doubt.partition(":")[0] for doubt in outcome.doubts
    }


def test_a_live_set_only_has_to_render_with_as_many_photos_as_are_shown(run, tests_folder, profile_of):
    tests_folder.one_set(CASE % "{type: contains, value: zebra}", mode="live")
    assert run(profile_of(images=0))["form (rendered)", "a title"] == []
    (found,) = run(profile_of(images=1))["form (rendered)", "a title"]
    assert "the test has no photo to show" in found
