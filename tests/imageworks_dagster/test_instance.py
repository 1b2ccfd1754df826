"""The folder of Dagster's instance, as the command and the web server find or make it."""

from __future__ import annotations

import os
from importlib.resources import files

import pytest

from imageworks_dagster.instance import prepare_dagster_home
from store.home import Home


@pytest.fixture
def home(monkeypatch, tmp_path):
    # Put back afterwards what is set here.
    monkeypatch.setenv("DAGSTER_HOME", "")
    return Home(tmp_path / "home").create()


def test_a_new_home_gets_the_shipped_configuration_and_one_that_was_edited_stays(home):
    config = home.dagster / "dagster.yaml"
    assert prepare_dagster_home(home) == os.environ["DAGSTER_HOME"] == str(home.dagster)
    assert config.read_bytes() == files("imageworks_dagster").joinpath("dagster.yaml").read_bytes()

    config.write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    os.environ["DAGSTER_HOME"] = ""
    prepare_dagster_home(home)
    assert config.read_text(encoding="utf-8") == "telemetry: {enabled: false}\n"


def test_a_configuration_that_is_cut_off_on_its_way_is_not_left(home, monkeypatch):
    def cut_off(_descriptor):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", cut_off)
        with pytest.raises(KeyboardInterrupt):
            prepare_dagster_home(home)
    assert not (home.dagster / "dagster.yaml").exists()
