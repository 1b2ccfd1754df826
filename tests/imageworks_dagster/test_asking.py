"""What asking leaves in telemetry, and what a person sees when telemetry fails."""

import asyncio
import errno
import os
import time

import pytest
from vllm_double import VllmDouble

from backends.leases import assembling
from imageworks_dagster.command.terminal import run_lines
from store.home import Home
from store.settings import Settings
from telemetry.catalog import connect

CAPTIONS = "tagger/captions"
WITHIN_S = 30

REGISTRY = """
models:
  near-vlm:
    roles: [caption]
    capabilities:
      chat: {{context_tokens: 8192, max_output_tokens: 2048, structured_output: true}}
      vision: {{max_images: 2, max_long_side: 1024}}
    deployments: [{{name: local, provider: vllm, base_url: "{url}", served_model_id: double-vlm}}]
    revision: "1"
"""


class AnswersOnceSampled(VllmDouble):
    """Lets its first answer wait until some spool of a home holds a sample."""

    spool = None

    def _next_fault(self, asked):
        deadline = time.monotonic() + WITHIN_S
        while self.spool is not None and not self._is_sampled():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return super()._next_fault(asked)

    def _is_sampled(self):
        return any(b'"gpu_sample":' in path.read_bytes() for path in self.spool.glob("*.jsonl"))


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


@pytest.mark.slow
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


def samples_of(platform):
    with connect(Home.of(platform.settings)) as connection:
        query = "SELECT DISTINCT run_id, device FROM gpu_samples WHERE device = 'host'"
        return connection.execute(query).fetchall()


@pytest.fixture
def caption_by_server(platform, shoot_folder):
    """Captions the shoot's photos with a model at a server, under settings."""
    batch = platform.register("tagger", shoot_folder)

    def run(double, **settings):
        platform.settings = Settings(home=platform.settings.home, **settings)
        registry = platform.settings.home / "registry.yaml"
        registry.write_text(REGISTRY.format(url=double.url), encoding="utf-8")
        config = {CAPTIONS: {"model": "near-vlm"}}
        result = platform.run("tagger", batch, only=["tagger/photos", CAPTIONS], config=config)
        assert result.success
        return result

    return run


@pytest.mark.slow
def test_while_a_server_is_asked_the_devices_are_sampled_and_the_samples_name_the_run(
    platform, caption_by_server
):
    with AnswersOnceSampled() as double:
        double.spool = Home.of(platform.settings).spool
        asked = caption_by_server(double)
        recalled = caption_by_server(double)
    assert platform.asked(asked) == {CAPTIONS: 5}
    assert platform.asked(recalled) == {}
    assert samples_of(platform) == [(asked.run_id, "host")]


def test_leases_are_made_beside_the_event_loop(caption_by_server, monkeypatch):
    made, beside = assembling.leasing_for, []

    def leasing_for(*args, **options):
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        beside.append(True)
        return made(*args, **options)

    monkeypatch.setattr(assembling, "leasing_for", leasing_for)
    with VllmDouble() as double:
        caption_by_server(double)
    assert beside == [True]


@pytest.mark.slow
def test_with_sampling_set_to_0_nothing_is_sampled(platform, caption_by_server):
    with VllmDouble() as double:
        caption_by_server(double, gpu_sample_s=0)
    assert samples_of(platform) == []


def test_a_model_by_rule_uses_no_device_and_none_is_sampled(platform, caption):
    caption()
    assert samples_of(platform) == []
