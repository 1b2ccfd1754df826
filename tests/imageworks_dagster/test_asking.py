"""What asking leaves in telemetry, and what a person sees when telemetry fails."""

import errno
import os

import pytest

from imageworks_dagster.command.terminal import run_lines
from store.home import Home
from telemetry.catalog import connect

CAPTIONS = "tagger/captions"


@pytest.fixture
def caption(platform, shoot_folder):
    """Captions the shoot's five photos; gives the run's result."""
    batch = platform.register("tagger", shoot_folder)
    return lambda: platform.run("tagger", batch, only=["tagger/photos", CAPTIONS])


def metadata_of(result, asset):
    (event,) = [
        event
        for event in result.get_asset_materialization_events()
        if event.asset_key.to_user_string() == asset
    ]
    return {name: value.value for name, value in event.materialization.metadata.items()}


def no_sync(_descriptor):
    raise OSError(errno.EIO, "Input/output error")


def test_every_event_of_a_run_has_the_trace_id_of_the_run(platform, caption):
    result = caption()

    with connect(Home.of(platform.settings)) as connection:
        asked = connection.execute("SELECT run_id, trace_id, count(*) FROM events GROUP BY ALL").fetchall()
    assert asked == [(result.run_id, result.run_id.replace("-", ""), 5)]


def test_events_that_cannot_be_written_are_told_everywhere_and_fail_nothing(platform, caption):
    spool = Home.of(platform.settings).create().spool
    spool.rmdir()
    spool.touch()

    result = caption()

    assert result.success
    manifest = platform.manifest(result)
    summary = manifest.stages[CAPTIONS]
    assert (summary.ok, summary.dropped_events, summary.telemetry_failing) == (5, 5, True)
    shown = metadata_of(result, CAPTIONS)
    assert (shown["dropped_events"], shown["telemetry_failing"]) == (5, True)
    lines = "\n".join(run_lines(manifest))
    assert "5 telemetry events could not be written: look at the disk" in lines
    assert "telemetry is failing" in lines


def test_events_that_a_power_cut_may_take_are_told_everywhere(platform, caption, monkeypatch):
    monkeypatch.setattr(os, "fdatasync", no_sync)

    result = caption()

    assert result.success
    manifest = platform.manifest(result)
    assert manifest.stages[CAPTIONS].unsynced_events == 5
    assert metadata_of(result, CAPTIONS)["unsynced_events"] == 5
    assert "5 telemetry events may not outlive a power cut" in "\n".join(run_lines(manifest))
    with connect(Home.of(platform.settings)) as connection:
        query = f"SELECT unsynced_events, telemetry_failing FROM run_stages WHERE stage = '{CAPTIONS}'"
        assert connection.execute(query).fetchall() == [(5, True)]


def test_of_telemetry_that_works_nothing_is_said(platform, caption):
    result = caption()

    assert "telemetry" not in "\n".join(run_lines(platform.manifest(result)))
    assert "telemetry_failing" not in metadata_of(result, CAPTIONS)
