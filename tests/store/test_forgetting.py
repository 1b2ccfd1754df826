"""Forgetting photos: from every table and every answer, and from the bytes on the disk."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import zlib
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import func, insert, select

from store.artifacts import ForgottenRows, RemovedTable, TableStore
from store.data_version import data_version
from store.database import StateDatabase
from store.errors import DamagedTable, MissingTable, PublishConflict
from store.forgetting import forget_photos
from store.settings import Settings
from store.tables import (
    alike_photos,
    compared_photos,
    kept_answer_photos,
    kept_answers,
    measurements,
    metadata,
    metadata_writes,
    overrides,
    photo_identities,
)

PROCESSES = Path(__file__).with_name("processes.py")
NOW = datetime(2026, 3, 4, tzinfo=UTC)


def answer(digest):
    return {
        "request_digest": digest,
        "answered_by": "r",
        "model": "m",
        "model_revision": "1",
        "deployment": "d",
        "provider": "embedded",
        "body": zlib.compress(b"{}"),
        "bytes": 10,
        "kept_at": NOW,
    }


def fill(connection):
    """Two photos everywhere, and an answer about both."""
    connection.execute(insert(kept_answers), [answer("of-a"), answer("of-b"), answer("of-both")])
    pairs = [("of-a", "a"), ("of-b", "b"), ("of-both", "a"), ("of-both", "b")]
    rows = [{"request_digest": digest, "photo_id": photo} for digest, photo in pairs]
    connection.execute(insert(kept_answer_photos), rows)
    of_pair = {"batch": "b", "version": "1", "found": {}}
    for first, second in ("ab", "ba"):
        connection.execute(insert(alike_photos), [{"first": first, "second": second, **of_pair}])
    for photo in "ab":
        connection.execute(insert(measurements), [{"photo_id": photo, "version": "1", "signals": {}}])
        seen = {"size": 1, "mtime_ns": 2**62, "file_sha256": "f", "facts": {}, "seen_at": NOW}
        connection.execute(insert(photo_identities), [{"path": f"/{photo}", "photo_id": photo, **seen}])
        said = {
            "pipeline": "judge",
            "batch": "b",
            "entry_id": photo,
            "column": "score",
            "value": 1,
            "reason": "r",
        }
        connection.execute(insert(overrides), [{"photo_id": photo, "who": "w", "made_at": NOW, **said}])
        connection.execute(insert(compared_photos), [{"batch": "b", "photo_id": photo, "version": "1"}])
        wrote = {"batch": "b", "run_id": "r", "fields": {}, "before_sha256": "1", "after_sha256": "2"}
        wrote |= {"undo": b"u", "state": "written", "at": NOW, "path": f"/{photo}"}
        connection.execute(insert(metadata_writes), [{"write_id": photo, "photo_id": photo, **wrote}])


def rows(*photos, **more):
    return pa.table({"entry_id": [f"b/{photo}" for photo in photos], "photo_id": photos, **more})


def publish(tables, run, table, expected=None, **more):
    return tables.publish(
        asset="judge/critiques", batch="b", run_id=run, table=table, expected=expected, **more
    )


def test_a_forgotten_photo_is_in_no_table_and_others_stay(database, tables):
    database.write(fill)
    publish(tables, "r1", rows("a", "b"))
    forgotten = forget_photos(database, tables, ["a"])
    assert forgotten.counts == {
        "table_rows": 1,
        "kept_answers": 2,
        "measurements": 1,
        "photo_identities": 1,
        "overrides": 1,
        "metadata_writes": 1,
        "compared_photos": 1,
        "alike_photos": 2,
    }
    assert forgotten.total == 10
    with database.read() as connection:
        for table in metadata.tables.values():
            if "photo_id" in table.c:
                found = set(connection.execute(select(table.c.photo_id)).scalars())
                assert found == {"b"}, table.name
        assert not connection.execute(select(alike_photos)).all()
        assert list(connection.execute(select(kept_answers.c.request_digest)).scalars()) == ["of-b"]


def test_forgetting_again_removes_nothing_more(database, tables):
    database.write(fill)
    forget_photos(database, tables, ["a", "unknown"])
    assert forget_photos(database, tables, ["a"]).total == 0
    assert forget_photos(database, tables, []).total == 0


def test_more_photos_than_one_statement_takes_are_forgotten(database, tables):
    many = [{"photo_id": f"p{number}", "version": "1", "signals": {}} for number in range(1200)]
    database.write(lambda connection: connection.execute(insert(measurements), many))
    assert forget_photos(database, tables, [row["photo_id"] for row in many]).counts["measurements"] == 1200
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(measurements)).scalar() == 0


def test_older_tables_are_rewritten_too_and_the_old_files_are_gone(tables):
    first = publish(tables, "r1", rows("a", "b"))
    second = publish(tables, "r2", rows("a", "c"), expected=first)
    assert tables.forget({"a"}).count == 2
    assert not first.path.exists()
    assert not second.path.exists()
    assert tables.read("judge/critiques", "b")["photo_id"].to_pylist() == ["c"]
    assert tables.read("judge/critiques", "b", "r1")["photo_id"].to_pylist() == ["b"]
    now = tables.current("judge/critiques", "b")
    assert (now.run_id, now.rows, now.moved_at) == ("r2", 1, second.moved_at)


def test_a_rewritten_table_has_the_data_version_of_one_that_never_had_the_photo(tables):
    publish(tables, "r1", rows("a", "b", seconds=[1, 2]), volatile=["seconds"])
    tables.forget({"a"})
    other = tables.publish(
        asset="judge/results",
        batch="b",
        run_id="r2",
        table=rows("b", seconds=[9]),
        expected=None,
        volatile=["seconds"],
    )
    assert tables.current("judge/critiques", "b").data_version == other.data_version


def test_a_table_without_the_photo_is_left_as_it_is(tables):
    pointer = publish(tables, "r1", rows("a"))
    assert tables.forget({"z"}).count == 0
    assert tables.current("judge/critiques", "b") == pointer


def test_a_table_of_nothing_but_the_photo_becomes_an_empty_one(tables):
    publish(tables, "r1", rows("a"))
    assert tables.forget({"a"}).count == 1
    assert tables.read("judge/critiques", "b").num_rows == 0


@pytest.mark.parametrize(
    "column",
    [
        {"photo_id_b": ["x", "a", None]},
        {"winner_photo_id": ["x", "a", "y"]},
        {"photo_ids": [["x", "y"], ["y", "a"], []]},
        {"photo_ids": [None, ["a"], None]},
        {"photo_id_b": pa.array(["x", "a", "y"]).dictionary_encode()},
    ],
)
def test_a_row_that_names_the_photo_in_another_column_goes_as_well(tables, column):
    publish(tables, "r1", rows("p", "q", "r", **column))
    assert tables.forget({"a"}).count == 1
    assert tables.read("judge/critiques", "b")["photo_id"].to_pylist() == ["p", "r"]


def test_a_column_of_nothing_is_no_reason_to_fail(tables):
    publish(tables, "r1", rows("p", "a", photo_id_b=[None, None]))
    assert tables.forget({"a"}).count == 1


def junk(part):
    part.write_bytes(b"junk")


def cut_off(part):
    part.write_bytes(part.read_bytes()[:-20])


def flip_data(part):
    column = pq.read_metadata(part).row_group(0).column(0)
    content = bytearray(part.read_bytes())
    start = column.dictionary_page_offset or column.data_page_offset
    for at in range(start, start + column.total_compressed_size):
        content[at] ^= 0xFF
    part.write_bytes(content)


def forget_its_key(part):
    table = pq.read_table(part, partitioning=None)
    pq.write_table(table.replace_schema_metadata(None), part)


@pytest.mark.parametrize("damage", [junk, cut_off, flip_data, forget_its_key])
def test_a_damaged_table_is_removed_and_told_and_all_others_are_rewritten(tables, damage):
    first = publish(tables, "r1", rows("a", "b"))
    publish(tables, "r2", rows("a", "c"), expected=first)
    later = tables.publish(asset="judge/results", batch="b", run_id="r3", table=rows("a", "d"), expected=None)
    damage(first.parts[0])

    forgotten = tables.forget({"a"})

    assert forgotten.count == 2
    assert forgotten.unreadable == (RemovedTable("judge/critiques", "b", "r1", was_current=False),)
    assert not first.path.exists()
    assert not later.path.exists()
    assert tables.read("judge/critiques", "b")["photo_id"].to_pylist() == ["c"]
    assert tables.read("judge/results", "b")["photo_id"].to_pylist() == ["d"]
    with pytest.raises(MissingTable):
        tables.read("judge/critiques", "b", "r1")
    assert tables.forget({"a"}) == ForgottenRows(0, ())


def test_a_damaged_current_table_is_removed_too_and_can_be_made_anew(tables):
    pointer = publish(tables, "r1", rows("a", "b"))
    junk(pointer.parts[0])
    assert tables.forget({"z"}).unreadable == (RemovedTable("judge/critiques", "b", "r1", was_current=True),)
    with pytest.raises(MissingTable, match="Materialize judge/critiques"):
        tables.read("judge/critiques", "b")
    publish(tables, "r2", rows("b"))
    assert tables.read("judge/critiques", "b")["photo_id"].to_pylist() == ["b"]


def test_a_run_that_was_built_on_a_removed_table_conflicts_and_is_told_why(tables):
    expected = publish(tables, "r1", rows("a", "b"))
    junk(expected.parts[0])
    tables.forget({"a"})
    with pytest.raises(PublishConflict, match="it was damaged when photos were forgotten") as caught:
        publish(tables, "r2", rows("a", "b"), expected=expected)
    assert caught.value.winner is None


def test_a_part_that_was_lost_stays_missing_when_the_others_are_rewritten(tables):
    pointer = publish(tables, "r1", rows(*[f"photo-{row}" for row in range(2500)]))
    pointer.parts[1].unlink()
    assert tables.forget({"photo-7"}).count == 1
    with pytest.raises(DamagedTable, match=r"has 1999 rows .* published with 2499"):
        tables.read("judge/critiques", "b")


def test_a_table_of_somebody_else_without_the_photo_is_left_alone(tables):
    strange = publish(tables, "r1", rows("b")).path.with_name("notes") / "part-0.parquet"
    strange.parent.mkdir()
    pq.write_table(pa.table({"note": ["n"]}), strange)
    assert tables.forget({"a"}) == ForgottenRows(0, ())
    assert strange.exists()


def test_a_run_that_began_before_the_forgetting_cannot_bring_the_photo_back(tables):
    expected = publish(tables, "r1", rows("a", "b"))
    tables.forget({"a"})
    with pytest.raises(PublishConflict):
        publish(tables, "r2", rows("a", "b"), expected=expected)


def test_nothing_of_the_photo_stays_in_the_files(settings):
    secret = "f00dfacecafebeef" * 4
    with StateDatabase.open(settings) as database:
        tables = TableStore(database.home, database)
        row = {"photo_id": secret, "version": "1", "signals": {"note": secret}}
        database.write(lambda connection: connection.execute(insert(measurements), [row]))
        publish(tables, "r1", rows(secret, "b"))
        forget_photos(database, tables, [secret])
        for path in database.home.root.rglob("*"):
            assert not path.is_file() or secret.encode() not in path.read_bytes(), path


def test_while_another_process_reads_it_is_told_that_the_log_has_copies_until_all_have_ended(settings):
    secret = "f00dfacecafebeef" * 4
    row = {"photo_id": secret, "version": "1", "signals": {}}
    with StateDatabase.open(settings) as database:
        database.write(lambda connection: connection.execute(insert(measurements), [row]))
        with closing(sqlite3.connect(database.home.state_db, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            assert reader.execute("SELECT count(*) FROM measurements").fetchone() == (1,)
            forgotten = forget_photos(database, TableStore(database.home, database), [secret])
            assert forgotten.counts["measurements"] == 1
            assert not forgotten.log_emptied
    for path in settings.home.glob("state.db*"):
        assert secret.encode() not in path.read_bytes(), path


@pytest.mark.slow
def test_a_kill_at_any_effect_of_forgetting_can_be_finished_later(tmp_path):
    homes = 60
    made_by = ["old"] * 4500
    for number in range(1, homes + 1):
        with StateDatabase.open(Settings(home=tmp_path / str(number))) as database:
            table = rows(*[f"photo-{row}" for row in range(4500)], made_by=made_by)
            publish(TableStore(database.home, database), "old", table)
    arguments = [sys.executable, PROCESSES, "die_at_each_effect", tmp_path, "forget"]
    died, code = map(
        int, subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.split()
    )
    assert code == 0
    assert 8 < died < homes
    for number in range(1, died + 1):
        with StateDatabase.open(Settings(home=tmp_path / str(number))) as database:
            tables = TableStore(database.home, database)
            before = tables.read("judge/critiques", "b")
            assert before.num_rows in {4500, 4499}
            assert data_version(before) == tables.current("judge/critiques", "b").data_version
            tables.forget(["photo-7"])
            assert "photo-7" not in tables.read("judge/critiques", "b")["photo_id"].to_pylist()
            for part in (database.home.assets).rglob("*.parquet"):
                assert "photo-7" not in pq.read_table(part)["photo_id"].to_pylist()
