"""What a label requires of a revision, in words that say what to run."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from prompt_hub.errors import CaseFileError
from prompt_hub.revisions.store import PromptStore
from prompt_hub.testing.requirements import present_in, required_sets, untested
from prompt_hub.testing.results import keep_results
from prompt_hub.testing.static import run_static
from prompt_hub.testing.targets import Target
from registry.errors import UnknownModel
from registry.registry import Registry
from store.database import StateDatabase
from store.settings import Settings


@pytest.fixture
def database(tmp_path):
    with StateDatabase.open(Settings(home=tmp_path / "home")) as opened:
        yield opened


@pytest.fixture
def revision(database, profile_of):
    store = PromptStore.over(database)
    profile = profile_of(images=0)
    store.revisions.keep(profile, author="ann", message="")
    return store.revisions.get("made", profile.hash)


def present(name):
    models = {"judge": ("first", "1"), "first": ("first", "1"), "second": ("second", "9")}
    if name not in models:
        raise UnknownModel(name, (), ("first", "second"))
    return models[name]


@pytest.fixture
def unmet(database, tests_folder, revision):
    def words(label="production"):
        return list(required_sets(tests_folder.sets, database, present)(label, revision))

    return words


def run(database, tests_folder, revision):
    target = Target("made", revision.profile)
    outcomes = run_static([target], {"made": tests_folder.sets()})
    keep_results(database, outcomes, who="ann")


def test_a_label_that_no_set_names_requires_nothing(tests_folder, unmet):
    tests_folder.one_set(required_for="[staging]")
    assert unmet() == []


def test_a_set_that_was_not_run_is_told_with_its_command(tests_folder, unmet, revision):
    tests_folder.one_set(required_for="[production]")
    assert unmet() == [
        f"its set form has not passed: `python -m prompt_hub test made@{revision.hash[:12]} --set form`"
    ]


def test_a_set_that_passed_is_required_no_more_until_it_is_changed(database, tests_folder, unmet, revision):
    tests_folder.one_set(required_for="[production]")
    run(database, tests_folder, revision)
    assert unmet() == []
    tests_folder.one_set(required_for="[production]", threshold=0.9)
    assert len(unmet()) == 1


def test_a_set_that_failed_names_its_tests(database, tests_folder, unmet, revision):
    case = (
        "      - description: a zebra\n        stage: caption\n        vars: {title: a}\n"
        "        assert: [{type: contains, value: zebra}]\n"
    )
    tests_folder.one_set(case, required_for="[production]")
    run(database, tests_folder, revision)
    (words,) = unmet()
    assert words.startswith("its set form failed (a zebra): `python -m")


def test_a_live_set_has_to_pass_with_each_model_once(tests_folder, unmet, revision):
    tests_folder.one_set(mode="live", models="[judge, first, second]", required_for="[production]")
    command = f"`imageworks prompts test made@{revision.hash[:12]} --live --set form`"
    assert unmet() == [
        f"its set form has not passed with first (1): {command}",
        f"its set form has not passed with second (9): {command}",
    ]


def test_a_model_that_is_not_there_is_told(tests_folder, unmet):
    tests_folder.one_set(mode="live", models="[nobody]", required_for="[production]")
    (words,) = unmet()
    assert "has to pass with nobody, which cannot be asked" in words


def test_tests_that_cannot_be_read_let_nothing_pass(tests_folder, unmet):
    tests_folder.one_set(required_for="[production]", bogus=1)
    with pytest.raises(CaseFileError):
        unmet()


def test_the_shipped_registry_has_no_model_for_prompts_until_somebody_names_one(
    tests_folder, database, revision
):
    tests_folder.one_set(mode="live", models="[judge]", required_for="[production]")
    loaded = Registry.load(None, environ=MappingProxyType({}))
    unmet = required_sets(tests_folder.sets, database, present_in(lambda: loaded))
    (words,) = unmet("production", revision)
    assert "baseline-judge answers by rule and reads no prompt" in words


def test_what_is_not_tested_is_told_by_stage_with_the_model_that_was_asked(database, tests_folder, revision):
    tests_folder.one_set()
    registry = Registry.load(None)
    rule = registry.models["baseline-tagger"]
    reader = rule.model_copy(
        update={
            "name": "some-vlm",
            "deployments": (rule.deployments[0].model_copy(update={"provider": "vllm"}),),
        }
    )
    sets = tests_folder.sets()
    (words,) = untested(sets, revision.profile, "caption", database, reader)
    assert "has not passed" in words
    assert untested(sets, revision.profile, "keywords", database, reader) == []
    assert untested(sets, revision.profile, "caption", database, rule) == []
    run(database, tests_folder, revision)
    assert untested(sets, revision.profile, "caption", database, reader) == []
