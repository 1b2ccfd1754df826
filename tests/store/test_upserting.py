"""Inserts that meet rows that are there already."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import func, select

from store.tables import kept_answer_photos, kept_answers, measurements
from store.upserting import insert_new, upsert


def row(photo, luma):
    return {"photo_id": photo, "version": "1", "signals": {"luma": luma}}


def signals(database):
    with database.read() as connection:
        return {one.photo_id: one.signals["luma"] for one in connection.execute(select(measurements))}


def test_new_rows_are_inserted_and_counted_and_others_left_alone(database):
    assert database.write(lambda c: insert_new(c, measurements, [row("a", 1), row("b", 2)])) == 2
    assert database.write(lambda c: insert_new(c, measurements, [row("b", 9), row("c", 3)])) == 1
    assert signals(database) == {"a": 1, "b": 2, "c": 3}


def test_an_upsert_puts_the_new_values_over_the_old(database):
    database.write(lambda c: upsert(c, measurements, [row("a", 1), row("b", 2)]))
    database.write(lambda c: upsert(c, measurements, [row("b", 9), row("c", 3)]))
    assert signals(database) == {"a": 1, "b": 9, "c": 3}


def test_an_upsert_can_leave_a_column_of_the_old_row_alone(database):
    database.write(lambda c: upsert(c, measurements, [row("a", 1)]))
    database.write(lambda c: upsert(c, measurements, [row("a", 9), row("b", 2)], keeping=["signals"]))
    assert signals(database) == {"a": 1, "b": 2}


def test_a_table_that_is_all_key_can_be_upserted(database):
    answer = {
        "request_digest": "d",
        "answered_by": "r",
        "model": "m",
        "model_revision": "1",
        "deployment": "d",
        "provider": "embedded",
        "body": b"x",
        "bytes": 1,
        "kept_at": datetime.now(UTC),
    }
    pair = {"request_digest": "d", "photo_id": "p"}
    database.write(lambda c: upsert(c, kept_answers, [answer]))
    for _ in range(2):
        database.write(lambda c: upsert(c, kept_answer_photos, [pair]))
    with database.read() as connection:
        assert connection.execute(select(kept_answer_photos)).mappings().all() == [pair]


def test_no_rows_are_no_work(database):
    assert database.write(lambda c: insert_new(c, measurements, [])) == 0
    assert database.write(lambda c: upsert(c, measurements, [])) is None


def test_more_rows_than_one_statement_takes_are_inserted(database):
    rows = [row(str(number), number) for number in range(25_000)]
    assert database.write(lambda c: insert_new(c, measurements, rows)) == 25_000
    database.write(lambda c: upsert(c, measurements, rows))
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(measurements)).scalar() == 25_000
