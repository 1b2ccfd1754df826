"""Stores to test with: a home in a temporary folder, on SQLite and on a PostgreSQL database of its own."""

from __future__ import annotations

import os
from uuid import uuid4

import hypothesis
import psycopg
import pytest
from pydantic import SecretStr

from store.artifacts import TableStore
from store.database import StateDatabase
from store.settings import Settings

SERVER = os.environ.get("TEST_POSTGRESQL_URL", "postgresql://postgres@127.0.0.1:5432/postgres")

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


@pytest.fixture
def postgresql_url():
    try:
        server = psycopg.connect(SERVER, autocommit=True, connect_timeout=5)
    except psycopg.OperationalError as error:
        pytest.skip(f"no PostgreSQL at TEST_POSTGRESQL_URL: {error}")
    name = f"imageworks_test_{uuid4().hex}"
    with server:
        server.execute(f'CREATE DATABASE "{name}"')
        yield f"{SERVER.rpartition('/')[0]}/{name}"
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


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
