"""Which executor carries out the steps, by one setting."""

from __future__ import annotations

import sys

import dagster as dg
import pytest

from imageworks_dagster.definitions import build_definitions
from imageworks_dagster.errors import CannotExecute
from imageworks_dagster.executing import executor_of
from store.settings import Settings


@pytest.mark.parametrize(
    ("chosen", "name"), [({}, "in_process"), ({"executor": "multiprocess"}, "multiprocess")]
)
def test_steps_run_where_the_setting_says(tmp_path, chosen, name):
    definitions = build_definitions(settings=Settings(home=tmp_path, **chosen))
    assert definitions.resolve_job_def("judge").executor_def.name == name
    assert isinstance(definitions.executor, dg.ExecutorDefinition)
    assert definitions.executor.name == name


def test_celery_needs_a_broker_and_writes_its_address_into_no_run(tmp_path, monkeypatch):
    with pytest.raises(CannotExecute, match=r"IMAGEWORKS_BROKER_URL names no broker.*redis://"):
        executor_of(Settings(home=tmp_path, executor="celery"))
    url = "redis://:geheim@127.0.0.1:6379/0"
    monkeypatch.setenv("IMAGEWORKS_BROKER_URL", url)
    settings = Settings(home=tmp_path, executor="celery")
    assert executor_of(settings).name == "celery"
    assert settings.masked()["broker_url"] == "********"
    job = build_definitions(settings=settings).resolve_job_def("judge")
    assert "geheim" not in repr(job.run_config_schema.config_type)


def test_celery_that_is_not_installed_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "dagster_celery", None)
    with pytest.raises(CannotExecute, match=r"pip install 'imageworks-dagster\[celery\]'"):
        executor_of(Settings(home=tmp_path, executor="celery", broker_url="redis://127.0.0.1/0"))
