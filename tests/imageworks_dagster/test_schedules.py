"""The nightly schedules: every open batch once a night, and no other."""

from datetime import UTC, datetime

import dagster as dg
import pytest

from store.batches import batch, publish, register

NIGHT = datetime(2026, 4, 2, 2, 0, tzinfo=UTC)


@pytest.fixture
def nightly(platform_on_disk):
    """Evaluates a pipeline's schedule as Dagster's daemon does, at a time."""

    def evaluate(pipeline, at=NIGHT):
        definitions = platform_on_disk.definitions()
        repository = definitions.get_repository_def()
        context = dg.build_schedule_context(
            instance=platform_on_disk.instance, scheduled_execution_time=at, repository_def=repository
        )
        with context:
            return definitions.resolve_schedule_def(f"{pipeline}_nightly").evaluate_tick(context)

    return evaluate


@pytest.fixture
def folder(tmp_path):
    """Makes a folder of this name."""

    def make(name):
        (tmp_path / name).mkdir()
        return tmp_path / name

    return make


def requested(tick):
    return [request.partition_key for request in tick.run_requests]


def test_without_a_batch_the_night_is_skipped_and_says_why(nightly):
    tick = nightly("judge")

    assert requested(tick) == []
    assert tick.skip_message == "there is no open judge batch"


def test_every_open_batch_of_the_pipeline_is_requested(nightly, platform_on_disk, folder):
    for pipeline, name in (("judge", "april"), ("judge", "may"), ("tagger", "harbor")):
        platform_on_disk.register(pipeline, folder(name))

    assert requested(nightly("judge")) == ["april", "may"]
    assert requested(nightly("tagger")) == ["harbor"]


def test_a_published_batch_is_not_requested(nightly, platform_on_disk, folder):
    for name in ("april", "may"):
        platform_on_disk.register("judge", folder(name))
    publish(platform_on_disk.store.database, "judge", "april", by="the organizer")

    assert requested(nightly("judge")) == ["may"]


@pytest.mark.slow
def test_each_night_is_another_run(nightly, platform_on_disk, folder):
    platform_on_disk.register("judge", folder("april"))

    keys = {nightly("judge", at).run_requests[0].run_key for at in (NIGHT, NIGHT, NIGHT.replace(day=3))}

    assert len(keys) == 2


def test_a_batch_that_dagster_has_never_heard_of_does_not_spoil_the_night(nightly, platform_on_disk, folder):
    """A batch that was registered by a command which then found a wrong choice and started no run."""
    register(platform_on_disk.store.database, pipeline="judge", name="april", folder=folder("april"))

    assert requested(nightly("judge")) == ["april"]
    assert platform_on_disk.instance.get_dynamic_partitions("judge_batches") == ["april"]


def test_a_batch_whose_folder_is_gone_is_left_alone_and_named(nightly, platform_on_disk, folder):
    for name in ("april", "may"):
        platform_on_disk.register("judge", folder(name))
    (april := batch(platform_on_disk.store.database, "judge", "april").folder).rmdir()
    assert requested(nightly("judge")) == ["may"]

    publish(platform_on_disk.store.database, "judge", "may", by="the organizer")

    assert nightly("judge").skip_message == (
        f"there is no open judge batch whose folder is there; gone: april ({april})"
    )
