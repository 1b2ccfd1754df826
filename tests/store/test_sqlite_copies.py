"""Copies of databases that somebody is writing into."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from store.errors import DatabaseUnreachable
from store.sqlite_copies import check_sqlite, copy_sqlite, is_sqlite


def test_a_copy_is_one_committed_state_while_another_connection_writes_between_its_steps(tmp_path):
    source, target = tmp_path / "a ?#%.db", tmp_path / "b.db"
    with closing(sqlite3.connect(source, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("CREATE TABLE pairs (a BLOB, b BLOB)")
        writer.execute("BEGIN")
        writer.executemany("INSERT INTO pairs VALUES (?, ?)", [(bytes(3000), bytes(3000))] * 3000)
        writer.execute("COMMIT")
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        steps = []

        def meanwhile(done, pages):
            steps.append((done, pages))
            writer.execute("INSERT INTO pairs VALUES (1, 1)")

        copy_sqlite(source, target, copied=meanwhile)
        with closing(sqlite3.connect(target)) as copy:
            (count,) = copy.execute("SELECT count(*) FROM pairs").fetchone()

    assert count == 3000
    assert 2 <= len(steps) <= 3
    assert steps[-1][0] == steps[-1][1]
    assert not list(tmp_path.glob("b.db-*"))


def test_what_is_no_database_or_a_damaged_one_is_told(tmp_path):
    path = tmp_path / "x.db"
    path.write_bytes(b"SQLite format 3\0" + b"?" * 5000)

    assert is_sqlite(path)
    for look in (check_sqlite, lambda one: copy_sqlite(one, tmp_path / "y.db")):
        with pytest.raises(DatabaseUnreachable, match=r"x\.db"):
            look(path)
