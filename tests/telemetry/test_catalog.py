"""The catalog: what an analyst sees, and what a stranger's query cannot do."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import duckdb
import pytest

import telemetry
from store.errors import DatabaseOlder
from store.home import Home
from telemetry.catalog import connect, select, view_name
from telemetry.compaction import compact
from telemetry.errors import DamagedParquet, QueryRefused
from telemetry.fsck import fsck
from telemetry.spool import Spool


def _ids(connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT event_id FROM events ORDER BY 1").fetchall()]


def test_an_empty_home_has_empty_views(home):
    with connect(home) as connection:
        for view in ("events", "attempts", "runs", "run_stages", "catalog_problems"):
            assert connection.execute(f"SELECT * FROM {view}").fetchall() == []


def test_a_home_that_is_not_there_is_not_made(tmp_path):
    with connect(Home(tmp_path / "none")) as connection:
        assert _ids(connection) == []
    assert not (tmp_path / "none").exists()


def test_a_home_is_left_as_it_was(made_home):
    home, database = made_home
    database.close()
    for folder in (home.reports, home.prompts, home.dagster):
        folder.rmdir()
    before = {path: path.is_file() and path.read_bytes() for path in home.root.rglob("*")}
    with connect(home) as connection:
        assert connection.execute("SELECT count(*) FROM judge_critiques").fetchone() == (6,)
    assert {path: path.is_file() and path.read_bytes() for path in home.root.rglob("*")} == before


def test_a_state_database_of_an_earlier_version_is_not_brought_up_to_date_but_told(home):
    with closing(sqlite3.connect(home.state_db)) as earlier:
        earlier.execute("CREATE TABLE something (old)")
    before = home.state_db.read_bytes()
    with pytest.raises(DatabaseOlder, match="imageworks status"):
        connect(home)
    assert home.state_db.read_bytes() == before


def test_files_that_appear_later_are_seen_by_later_queries(home, make_event):
    with connect(home) as connection:
        for number in range(2):
            with Spool(home.spool) as spool:
                spool.append(make_event(enqueued_at=f"2026-03-0{1 + number}T10:00:00+00:00"))
            compact(home)
            assert len(_ids(connection)) == number + 1


def test_events_show_from_the_moment_they_are_written(home, make_event):
    with Spool(home.spool) as spool:
        spool.append(make_event())
        with connect(home) as connection:
            assert _ids(connection) == ["event-00000"]


def test_an_event_shows_once_before_during_and_after_compaction(home, make_event):
    with Spool(home.spool) as spool:
        for _ in range(3):
            spool.append(make_event())
    compact(home)
    with Spool(home.spool) as spool:
        spool.append(make_event())
    with Spool(home.spool) as spool:
        spool.append(make_event())
        with connect(home) as connection:
            assert len(_ids(connection)) == 5
            compact(home)
            assert len(_ids(connection)) == 5
            assert len(set(_ids(connection))) == 5


def test_files_without_a_column_that_came_later_show_it_empty(home, make_event):
    with Spool(home.spool) as spool:
        spool.append(make_event(score=3.0))
    (path,) = compact(home).files
    duckdb.sql(
        f"COPY (SELECT * EXCLUDE (score, date) FROM read_parquet('{path}', hive_partitioning = true)) "
        f"TO '{path}' (FORMAT parquet)"
    )
    with connect(home) as connection:
        assert connection.execute("SELECT event_id, score FROM events").fetchall() == [("event-00000", None)]


def test_the_day_is_a_column(home, make_event):
    with Spool(home.spool) as spool:
        spool.append(make_event())
    query = "SELECT DISTINCT typeof(date), date::VARCHAR FROM events"
    with connect(home) as connection:
        fresh = connection.execute(query).fetchall()
    compact(home)
    with connect(home) as connection:
        assert connection.execute(query).fetchall() == fresh == [("DATE", "2026-03-01")]


def test_a_recalled_row_joins_the_event_of_the_run_that_asked(made_home):
    home, database = made_home
    with telemetry.connect(home, database) as connection:
        rows = connection.execute(
            """
            SELECT c.entry_id, c.score, e.profile_id, e.model, e.total_ms > 0, e.run_id, c.run_id
            FROM judge_critiques AS c JOIN events AS e ON e.event_id = c.answered_by ORDER BY 1
            """
        ).fetchall()
    assert len(rows) == 6
    assert rows[0] == ("spring/0.jpg", 10.0, "club-judge", "qwen2.5-vl-7b", True, "run-1", "run-2")
    assert rows[4][5:] == ("run-2", "run-2")


def test_the_state_database_of_the_home_is_found_without_being_given(made_home):
    home, _ = made_home
    with connect(home) as connection:
        assert connection.execute("SELECT count(*) FROM judge_critiques").fetchone() == (6,)


def test_a_crashed_run_is_visible_before_anybody_marked_it(made_home):
    home, database = made_home
    with connect(home, database) as connection:
        assert connection.execute("SELECT run_id, status FROM runs ORDER BY 1").fetchall() == [
            ("run-1", "ok"),
            ("run-2", "ok"),
            ("run-3", "crashed"),
        ]
    assert [problem.mended for problem in fsck(home, repair=True).problems] == [True]


def test_a_run_shows_its_pins_and_counts(made_home):
    home, database = made_home
    with connect(home, database) as connection:
        row = connection.execute(
            "SELECT stage, asked, recalled, failed, profile_id, model FROM run_stages WHERE run_id = 'run-2'"
        ).fetchone()
        manifest = connection.execute(
            "SELECT manifest ->> '$.models.\"judge/critiques\".model' FROM runs WHERE run_id = 'run-2'"
        ).fetchone()
    assert row == ("judge/critiques", 2, 4, 1, "club-judge", "qwen2.5-vl-7b")
    assert manifest == ("qwen2.5-vl-7b",)


def test_a_table_that_is_gone_is_a_problem_with_a_name(made_home):
    home, database = made_home
    for part in home.assets.rglob("part-*.parquet"):
        part.unlink()
    with connect(home, database) as connection:
        ((path, problem),) = connection.execute("FROM catalog_problems").fetchall()
    assert "judge/critiques" in path + problem


def test_a_damaged_file_of_events_is_refused_by_name(home, make_event):
    with Spool(home.spool) as spool:
        spool.append(make_event())
    (path,) = compact(home).files
    path.write_bytes(b"no parquet")
    with pytest.raises(DamagedParquet, match=path.name):
        connect(home)


@pytest.mark.parametrize("folder", ["it's", "a*b", "[x]", "ä ö"])
def test_any_name_of_a_home_will_do(tmp_path, make_event, folder):
    home = Home(tmp_path / folder).create()
    with Spool(home.spool) as spool:
        spool.append(make_event())
    compact(home)
    with connect(home, locked=True) as connection:
        assert len(_ids(connection)) == 1


def test_a_view_is_named_after_its_asset():
    assert view_name("judge/critiques") == "judge_critiques"


@pytest.mark.parametrize(
    "query",
    [
        "COPY (SELECT 1) TO 'x.csv'",
        "SELECT 1; SELECT 2",
        "SELECT 1; COPY (SELECT 1) TO 'x.csv'",
        "CREATE TABLE x AS SELECT 1",
        "ATTACH 'x.db'",
        "SET threads = 1",
        "INSTALL httpfs",
        "PRAGMA database_list",
        "EXPLAIN ANALYZE SELECT 1",
        "",
    ],
)
def test_anything_but_one_select_is_refused(home, query):
    with connect(home, locked=True) as connection, pytest.raises(QueryRefused):
        select(connection, query)


@pytest.mark.parametrize(
    "query", ["SELECT 1", "FROM events", "WITH x AS (SELECT 1) SELECT * FROM x", "SHOW TABLES"]
)
def test_every_form_of_a_select_is_answered(home, query):
    with connect(home, locked=True) as connection:
        select(connection, query).fetchall()


def test_a_locked_catalog_reads_nothing_outside_the_home(home, make_event, tmp_path):
    (tmp_path / "secret.csv").write_text("a\n1\n", encoding="utf-8")
    with Spool(home.spool) as spool:
        spool.append(make_event())
    compact(home)
    hidden = make_event()
    with connect(home, locked=True) as connection:
        assert len(_ids(connection)) == 1
        for query in (
            f"SELECT * FROM read_csv('{tmp_path}/secret.csv')",
            f"SELECT * FROM '{tmp_path}/secret.csv'",
            f"SELECT * FROM read_text('{home.events}/../../../secret.csv')",
            "SELECT * FROM read_csv('https://example.org/x.csv')",
            "SELECT * FROM hidden",
        ):
            with pytest.raises(duckdb.Error):
                select(connection, query).fetchall()
        with pytest.raises(duckdb.Error):
            connection.execute("SET enable_external_access = true")
    assert hidden.event_id
