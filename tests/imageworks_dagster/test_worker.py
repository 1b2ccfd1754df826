"""A worker carries out the steps of any run, however its own host is set to divide batches."""

from __future__ import annotations

import dagster as dg
import judging_run
import pytest
from dagster._core.code_pointer import CodePointer


@pytest.fixture
def worker(monkeypatch, tmp_path):
    monkeypatch.setenv("IMAGEWORKS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("IMAGEWORKS_BROKER_URL", "redis://127.0.0.1:6379/11")
    monkeypatch.setenv("IMAGEWORKS_PART_PHOTOS", "0")
    from imageworks_dagster import worker  # noqa: PLC0415 - reads the broker when it is loaded

    return worker


def location_job():
    """As Dagster's servers name it to a worker."""
    own = dg.reconstructable(judging_run.judge_job)
    servers = CodePointer.from_module("imageworks_dagster.location", "defs", None)
    return own._replace(repository=own.repository._replace(pointer=servers), job_name="judge")


@pytest.mark.parametrize("job", [lambda: dg.reconstructable(judging_run.judge_job), location_job])
def test_its_definitions_divide_a_batch_as_the_run_says_and_not_as_its_own_setting_does(
    worker, monkeypatch, job
):
    monkeypatch.setenv("DAGSTER_HOME", "")
    loaded = job()

    def steps():
        return {str(handle) for handle in loaded.get_definition().graph.iterate_node_handles()}

    worker.divide_as(0)
    assert "judge__critiques.part" not in steps()

    worker.divide_as(2)
    assert "judge__critiques.part" in steps()

    # The next run that it has a step of may be one that was begun with another setting.
    worker.divide_as(0)
    assert "judge__critiques.part" not in steps()
