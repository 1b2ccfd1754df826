"""docs/schedules.md: what runs by itself, and when, is as it says."""

from __future__ import annotations

import re
from pathlib import Path

import dagster as dg
import pytest

from imageworks_dagster.inbox import FOLDERS, RULES_FILE
from store.settings import Settings

GUIDE = (Path(__file__).parents[2] / "docs" / "schedules.md").read_text(encoding="utf-8")


@pytest.fixture
def repository(platform):
    return platform.definitions().get_repository_def()


def rows(heading):
    section = GUIDE.partition(f"## {heading}\n")[2].partition("\n##")[0]
    return {
        cells[0].strip("`"): cells[1:]
        for cells in re.findall(r"^\| (`\w+`) \| ([^|]+) \|.*\| ([^|]+) \|$", section, re.MULTILINE)
    }


def test_every_sensor_is_in_the_guide_with_how_often_it_looks(repository):
    told = rows("Sensors")
    assert set(told) == {sensor.name for sensor in repository.sensor_defs}
    for sensor in repository.sensor_defs:
        every, first = told[sensor.name]
        assert every == f"{sensor.minimum_interval_seconds} s"
        runs = sensor.default_status is dg.DefaultSensorStatus.RUNNING
        setting = f"IMAGEWORKS_{sensor.name.removesuffix('_sensor').upper()}"
        assert first == ("runs" if runs else f"runs if `{setting}` is set")


def test_every_schedule_is_in_the_guide_with_its_hour(repository):
    told = rows("Schedules")
    assert {schedule.name: f"`{schedule.cron_schedule}`" for schedule in repository.schedule_defs} == {
        name: when for name, (when, _) in told.items()
    }
    assert {schedule.default_status for schedule in repository.schedule_defs} == {
        dg.DefaultScheduleStatus.STOPPED
    }
    assert {schedule.execution_timezone for schedule in repository.schedule_defs} <= {None, "UTC"}


def test_the_inbox_has_the_folders_rules_and_quiet_time_of_the_guide():
    for folder in FOLDERS:
        assert f"\n  {folder}/" in GUIDE
    assert f"its rules are {RULES_FILE} in it" in GUIDE
    quiet = Settings.model_fields["inbox_quiet_s"].default
    assert f"for {quiet} seconds (`IMAGEWORKS_INBOX_QUIET_S`)" in GUIDE


def test_every_command_in_the_guide_says_why_it_is_not_run():
    blocks = re.findall(r"(.*)\n```console\n", GUIDE)
    assert blocks
    assert all(line.startswith("<!-- not run: ") for line in blocks)
