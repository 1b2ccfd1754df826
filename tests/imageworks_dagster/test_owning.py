"""A run owns the batch that it works on until it is over, ended or dead; who lost it does not take it back."""

import subprocess
import sys

import dagster as dg
import pytest

from imageworks_dagster.command.forgetting import plan_forgetting
from imageworks_dagster.errors import BatchTaken
from imageworks_dagster.judging import signals
from imageworks_dagster.owning import own, owned, owner_of
from imageworks_dagster.run_process import HOST, PID, process_tags
from store.home import Home

pytestmark = pytest.mark.slow

BATCH = "spring-round"
STARTED = dg.DagsterRunStatus.STARTED


@dg.job
def nothing():
    """Of no steps."""


@pytest.fixture
def home(settings):
    return Home.of(settings).create()


@pytest.fixture
def begin(instance):
    """Begins a run, under way in a process, and gives its id."""
    return lambda tags=None: instance.create_run_for_job(nothing, status=STARTED, tags=tags or {}).run_id


@pytest.fixture
def take(home, instance):
    """Makes a batch the run's own."""
    return lambda run, began=False, batch=BATCH: own(
        home, "judge", batch, run_id=run, began=began, instance=instance
    )


def test_the_run_that_works_on_a_batch_has_it_until_it_has_ended(home, instance, begin, take):
    first, second = begin(process_tags()), begin()
    take(first)

    with pytest.raises(BatchTaken, match=f"{BATCH!r} is being worked on by run {first}"):
        take(second)
    take(first, began=True)
    assert owner_of(home, "judge", BATCH, instance) == first

    instance.report_run_failed(instance.get_run_by_id(first))
    assert owner_of(home, "judge", BATCH, instance) is None
    take(second)
    assert owner_of(home, "judge", BATCH, instance) == second


def test_a_run_that_was_taken_for_ended_does_not_take_its_batch_back(instance, begin, take):
    first, second = begin(), begin()
    take(first)
    instance.report_run_failed(instance.get_run_by_id(first))
    take(second)
    with pytest.raises(BatchTaken, match="being worked on"):
        take(first, began=True)

    instance.report_run_failed(instance.get_run_by_id(second))
    with pytest.raises(BatchTaken, match=f"was worked on by run {second}"):
        take(first, began=True)


def test_a_run_that_has_its_turn_to_the_end_lets_the_batch_go_before_dagster_knows_that_it_has_ended(
    home, instance, begin, take
):
    first, second = begin(), begin()
    with owned(home, "judge", BATCH, run_id=first, began=False, instance=instance), pytest.raises(BatchTaken):
        take(second)
    take(second)
    with pytest.raises(BatchTaken), owned(home, "judge", BATCH, run_id=first, began=True, instance=instance):
        pytest.fail("it is the second's")
    assert owner_of(home, "judge", BATCH, instance) == second


def test_a_run_whose_process_is_gone_has_its_batch_no_longer(home, instance, begin, take):
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    dead = begin({**process_tags(), PID: str(ended.pid)})
    take(dead)
    take(begin())

    elsewhere = begin({**process_tags(), PID: str(ended.pid), HOST: "another-host"})
    take(elsewhere, batch="april")
    assert owner_of(home, "judge", "april", instance) == elsewhere


def test_a_run_that_this_dagster_knows_nothing_of_keeps_nobody_waiting(home, instance, begin, take):
    take("of-a-history-that-was-deleted")
    assert owner_of(home, "judge", BATCH, instance) is None
    take(begin())


def test_batches_are_owned_each_by_itself(home, instance, begin, take):
    take(begin())
    take(begin(), batch="april")
    assert owner_of(home, "tagger", BATCH, instance) is None


@pytest.mark.parametrize("executor", ["in_process", "multiprocess"])
def test_a_run_of_whole_stages_owns_its_batch_and_nothing_is_forgotten_meanwhile(
    platform, entries_folder, executor, monkeypatch
):
    platform.settings = platform.settings.model_copy(update={"executor": executor})
    batch = platform.register("judge", entries_folder)
    photo = entries_folder / "Title 1 by Member 01.jpg"
    measure, seen = signals.measure_entries, []

    def looking(stage):
        with pytest.raises(BatchTaken, match="nothing was removed") as told:
            plan_forgetting(platform.settings, photo).carry_out(platform.instance)
        seen.append((owner_of(stage.store.home, "judge", batch, platform.instance), str(told.value)))
        return measure(stage)

    monkeypatch.setattr(signals, "measure_entries", looking)
    result = platform.run("judge", batch, only=["judge/entries", "judge/compliance", "judge/signals"])

    assert result.success
    ((owner, words),) = seen
    assert owner == result.run_id
    assert f"Batch {batch!r} is being worked on by run {owner}" in words
    assert "1 photo forgotten" in plan_forgetting(platform.settings, photo).carry_out(platform.instance)


@pytest.mark.parametrize("executor", ["in_process", "multiprocess"])
def test_a_run_of_whole_stages_is_told_whose_the_batch_is_and_asks_nothing(
    platform, entries_folder, executor, begin, monkeypatch
):
    platform.settings = platform.settings.model_copy(update={"executor": executor})
    batch = platform.register("judge", entries_folder)
    # Between two of its steps it has no turn that anybody would wait for.
    other = begin()
    own(platform.store.home, "judge", batch, run_id=other, began=False, instance=platform.instance)

    result = platform.run("judge", batch)

    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_key == "judge__entries"
    words = failure.step_failure_data.user_failure_data.description
    assert words.startswith(f"Batch {batch!r} is being worked on by run {other}.")
    assert "terminate that one first" in words
    assert platform.store.tables.current("judge/entries", batch) is None

    platform.instance.report_run_failed(platform.instance.get_run_by_id(other))
    assert platform.run("judge", batch, only=["judge/entries"]).success


def test_a_run_whose_batch_another_has_worked_on_meanwhile_puts_no_tables_of_both_together(
    platform, entries_folder, begin, monkeypatch
):
    platform.settings = platform.settings.model_copy(update={"executor": "multiprocess"})
    batch = platform.register("judge", entries_folder)
    measure, others = signals.measure_entries, []

    def losing(stage):
        outcome = measure(stage)
        # As Dagster does with a run of which nothing is heard any longer; then another begins, and ends.
        (stage.store.home.locks / f"judge-{batch}.run").write_text("", encoding="ascii")
        others.append(begin())
        own(stage.store.home, "judge", batch, run_id=others[0], began=False, instance=platform.instance)
        platform.instance.report_run_failed(platform.instance.get_run_by_id(others[0]))
        return outcome

    monkeypatch.setattr(signals, "measure_entries", losing)
    result = platform.run("judge", batch)

    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_key == "judge__critiques"
    assert f"was worked on by run {others[0]}" in failure.step_failure_data.user_failure_data.description
