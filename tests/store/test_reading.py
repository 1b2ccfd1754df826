"""Who only looks at the state database leaves it as it is."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import insert, select, text

from store.database import StateDatabase
from store.errors import DatabaseNewer, DatabaseOlder, DatabaseUnreachable
from store.reading import reading
from store.tables import measurements

ROW = {"photo_id": "a", "version": "1", "signals": {}}


def everything_in(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_was_committed_is_read_while_others_work(database, any_settings):
    database.write(lambda connection: connection.execute(insert(measurements), [ROW]))
    with reading(any_settings) as connection:
        assert connection.execute(select(measurements.c.photo_id)).scalars().all() == ["a"]


def test_nothing_is_made_or_changed(settings):
    StateDatabase.open(settings).close()
    for folder in settings.home.iterdir():
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    before = everything_in(settings.home)
    with reading(settings) as connection:
        connection.execute(select(measurements)).all()
    assert everything_in(settings.home) == before
    assert not (settings.home / "reports").exists()


def test_a_database_that_is_not_there_is_not_made(settings):
    with pytest.raises(DatabaseUnreachable, match=r"state\.db cannot be used"), reading(settings):
        pass
    assert not settings.home.exists()


def test_nothing_can_be_written(database, any_settings):
    with (
        pytest.raises(Exception, match=r"readonly|read-only"),
        reading(any_settings) as connection,
    ):
        connection.execute(insert(measurements), [ROW])


def test_a_database_of_an_earlier_version_is_left_so_and_told(settings):
    settings.home.mkdir()
    with closing(sqlite3.connect(settings.home / "state.db")) as earlier:
        earlier.execute("CREATE TABLE something (old)")
    before = everything_in(settings.home)
    with pytest.raises(DatabaseOlder, match="imageworks status"), reading(settings):
        pass
    assert everything_in(settings.home) == before


def test_a_database_of_a_later_version_is_told(any_settings):
    with StateDatabase.open(any_settings) as database:
        later = text("UPDATE alembic_version SET version_num = '9999'")
        database.write(lambda connection: connection.execute(later))
    with pytest.raises(DatabaseNewer, match="newer ImageWorks"), reading(any_settings):
        pass
