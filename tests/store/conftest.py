"""Stores to test with: a home in a temporary folder, on SQLite and on a PostgreSQL database of its own."""

from __future__ import annotations

import os

import hypothesis
import pytest
from pydantic import SecretStr

from store.artifacts import TableStore
from store.database import StateDatabase
from store.settings import Settings

# Examples are not timed: the machine may be busy.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch):
    for name in list(os.environ):
        if name.startswith("IMAGEWORKS_"):
            monkeypatch.delenv(name)


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def any_settings(request, settings):
    """Settings for each kind of database: what holds for one must hold for the other."""
    if request.param == "sqlite":
        return settings
    url = request.getfixturevalue("postgresql_url")
    return Settings(home=settings.home, state_url=SecretStr(url))


@pytest.fixture
def database(any_settings):
    with StateDatabase.open(any_settings) as database:
        yield database


@pytest.fixture
def tables(database):
    return TableStore(database.home, database)
