"""What the asset checks find, and how many things they say that they looked at."""

from dataclasses import replace

import pytest
from sqlalchemy import delete, update

from backends.recall import keep, look_up
from imageworks_dagster.checking import (
    Checked,
    answers_fit_the_schema,
    every_entry_accounted_for,
    originals_untouched,
    share_of_failures,
)
from imageworks_dagster.pipelines import JUDGE
from prompt_hub.hub import PromptHub
from store.tables import kept_answers
from telemetry.manifest import PinnedProfile, PinnedShare

ROW = {
    "entry_id": "april/a.jpg",
    "run_id": "r1",
    "error_class": None,
    "answered_by": "q1",
    "request_digest": "d1",
}
FAILED = {**ROW, "error_class": "timeout"}


def checked(*rows, entries=(ROW,)):
    return Checked(
        asset="judge/critiques", folder=None, entries=list(entries), rows=list(rows), database=None
    )


@pytest.fixture
def critiqued(platform, entries_folder):
    batch = platform.register("judge", entries_folder)
    stages = [stage.asset for stage in JUDGE.stages]
    result = platform.run("judge", batch, only=stages[: stages.index("judge/critiques") + 1])
    assert result.success
    return platform, batch, result


def critiques(platform, batch):
    return Checked.open(platform.settings, JUDGE, "judge/critiques", batch)


def test_two_shares_of_one_revision_are_one_profile():
    content = PromptHub.load(None).get("library").model_dump(mode="json")
    pinned = PinnedProfile(
        profile_id="library", profile_stage="caption", profile_hash="p", stage_hash="s", content=content
    )
    share = PinnedShare(
        reference="library@a",
        percent=50,
        profile_id="library",
        profile_hash="p",
        stage_hash="s",
        content=content,
    )
    split = pinned.model_copy(update={"shares": [share, share]})
    assert len(replace(checked(ROW), pinned=split).profiles) == 1


def test_one_row_an_entry_is_an_account_of_all():
    outcome = every_entry_accounted_for(checked(ROW))

    assert outcome.passed
    assert outcome.description == "1 entry, 1 row"


def test_an_entry_with_two_rows_is_not_accounted_for():
    outcome = every_entry_accounted_for(checked(ROW, dict(ROW)))

    assert not outcome.passed
    assert "unexpected or double ['april/a.jpg']" in outcome.description


def test_a_missing_entry_is_named():
    assert "missing ['april/a.jpg']" in every_entry_accounted_for(checked()).description


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ((ROW,), "1 question, none failed"),
        ((FAILED,), "1 of 1 question failed"),
        ((), "0 questions, none failed"),
    ],
)
def test_failures_are_counted_in_words(rows, words):
    assert share_of_failures(checked(*rows)).description.startswith(words)


def test_failures_are_no_answers_to_look_at():
    outcome = answers_fit_the_schema(checked(FAILED))

    assert outcome.passed
    assert outcome.description == "there is no answer to look at"


def test_every_kept_answer_is_looked_at(judged_round):
    platform, batch, _ = judged_round

    outcome = answers_fit_the_schema(critiques(platform, batch))

    assert outcome.passed
    assert outcome.description == "6 kept answers looked at, none misses its schema"
    assert outcome.metadata["looked_at"] == 6


@pytest.mark.slow
def test_a_kept_answer_that_misses_the_pinned_schema_fails_the_check(critiqued):
    platform, batch, _ = critiqued
    row = platform.rows("judge/critiques", batch)[0]
    answer = look_up(platform.store.database, [row["request_digest"]])[row["request_digest"]]
    spoiled = replace(answer, text='{"score": "high"}')
    platform.store.database.write(lambda connection: keep(connection, [spoiled]))

    outcome = answers_fit_the_schema(critiques(platform, batch))

    assert not outcome.passed
    assert outcome.description.startswith(f"{row['entry_id']}: The answer misses its schema")


@pytest.mark.slow
def test_answers_that_are_no_longer_kept_are_not_said_to_fit(critiqued):
    platform, batch, _ = critiqued
    rows = platform.rows("judge/critiques", batch)
    gone, asked_again = rows[0]["request_digest"], rows[1]["request_digest"]
    for statement in (
        delete(kept_answers).where(kept_answers.c.request_digest == gone),
        update(kept_answers)
        .where(kept_answers.c.request_digest == asked_again)
        .values(answered_by="another"),
    ):
        platform.store.database.write(lambda connection, one=statement: connection.execute(one))

    outcome = answers_fit_the_schema(critiques(platform, batch))

    assert outcome.passed
    assert outcome.description.startswith("4 kept answers looked at")
    assert outcome.description.endswith("2 more no longer kept")


@pytest.mark.slow
def test_without_the_runs_manifest_the_schema_is_not_known_and_nothing_is_said_to_fit(critiqued):
    platform, batch, result = critiqued
    (platform.store.home.manifests / f"{result.run_id}.json").unlink()

    outcome = answers_fit_the_schema(critiques(platform, batch))

    assert not outcome.passed
    assert not outcome.grave
    assert result.run_id in outcome.description


def test_only_the_files_that_were_read_are_said_to_be_untouched(platform, entries_folder):
    (entries_folder / "Nothing by Member 10.jpg").write_bytes(b"")
    batch = platform.register("judge", entries_folder)
    platform.run("judge", batch, only=["judge/entries"])

    outcome = originals_untouched(Checked.open(platform.settings, JUDGE, "judge/entries", batch))

    assert outcome.passed
    assert outcome.description == (
        "6 files looked at, each with the picture that was read; 1 more without a picture that can be read"
    )
