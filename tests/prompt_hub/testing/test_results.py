"""Results: kept by what was tested, and the last word on each test."""

from __future__ import annotations

import pytest

from prompt_hub.testing.outcomes import Check, Sample, SetOutcome, TestOutcome
from prompt_hub.testing.results import keep_results, latest_states, results_of
from store.database import StateDatabase
from store.settings import Settings


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def database(request, tmp_path):
    url = None if request.param == "sqlite" else request.getfixturevalue("postgresql_url")
    with StateDatabase.open(Settings(home=tmp_path / "home", state_url=url)) as opened:
        yield opened


def outcome(holds, *, set_hash="set", profile_hash="profile", model="", revision="", test="a title"):
    checks = (Check("made", holds),)
    return SetOutcome(
        reference="made@staging",
        profile_id="made",
        profile_hash=profile_hash,
        set_name="form",
        set_hash=set_hash,
        model=model,
        model_revision=revision,
        tests=(TestOutcome(test, "caption", (Sample("the answer", checks),)),),
    )


def test_what_came_of_a_set_is_kept_with_who_ran_it_and_without_answers(database):
    assert keep_results(database, [outcome(True)], who="ann") == 1
    (kept,) = results_of(database, "profile")
    assert (kept.set_name, kept.who, kept.states, kept.rates) == (
        "form",
        "ann",
        {"a title": "passed"},
        {"a title": 1},
    )
    assert "the answer" not in repr(kept)


def test_what_is_no_set_of_a_file_is_not_kept(database):
    assert keep_results(database, [outcome(True, set_hash="")], who="ann") == 0
    assert not results_of(database, "profile")


@pytest.mark.parametrize(
    "other", [{"profile_hash": "b"}, {"set_hash": "b"}, {"model": "b"}, {"revision": "b"}]
)
def test_a_result_is_of_one_profile_set_and_model(database, other):
    keep_results(database, [outcome(True, **other)], who="ann")
    assert latest_states(database, "profile", "set") == {}


def test_the_last_run_that_could_check_a_test_has_the_last_word(database):
    for holds in (True, False, None):
        keep_results(database, [outcome(holds)], who="ann")
    assert latest_states(database, "profile", "set") == {"a title": "failed"}
    keep_results(database, [outcome(True)], who="ann")
    assert latest_states(database, "profile", "set") == {"a title": "passed"}


def test_tests_that_were_run_one_after_the_other_are_put_together(database):
    keep_results(database, [outcome(True), outcome(False, test="another")], who="ann")
    assert latest_states(database, "profile", "set") == {"a title": "passed", "another": "failed"}
