"""What a client keeps: about which photos, and what it still had to keep when it closed."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
from contextlib import closing, contextmanager

import pytest
from client_desk import model_at, request_of
from sqlalchemy import select, text
from vllm_double import VllmDouble

from backends.recall import look_up
from store.home import Home
from store.tables import kept_answer_photos

pytestmark = pytest.mark.anyio


async def test_an_answer_about_two_photos_is_forgotten_with_either(desk):
    with VllmDouble() as double:
        model = model_at(double.url)
        async with desk.client() as client:
            await client.complete(request_of(model, labels={"photo_ids": ("one",)}))
            assert (await client.complete(request_of(model, labels={"photo_ids": ("two",)}))).recalled
    with desk.database.read() as connection:
        assert set(connection.execute(select(kept_answer_photos.c.photo_id)).scalars()) == {"one", "two"}


async def test_an_answer_that_two_photos_waited_for_is_forgotten_with_either(desk):
    with VllmDouble(latency_s=0.05) as double:
        model = model_at(double.url)
        async with desk.client() as client:
            await asyncio.gather(
                *(
                    client.complete(request_of(model, labels={"photo_ids": (photo,)}))
                    for photo in ("one", "two")
                )
            )
    assert len(double.history) == 1
    with desk.database.read() as connection:
        assert set(connection.execute(select(kept_answer_photos.c.photo_id)).scalars()) == {"one", "two"}


@contextmanager
def held_by_another(desk):
    """The state database, as while another process writes."""
    with closing(sqlite3.connect(Home.of(desk.settings).state_db, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def settled(database):
    """Return once all that was handed to the database is done."""
    database.write(lambda _: None)


async def answered_and_canceled(desk, url, count, *, then=lambda: None):
    """Ask so many questions, and cancel when all are answered and none can be kept."""
    requests = [request_of(model_at(url), f"Photo {number}") for number in range(count)]
    async with desk.client() as client:

        async def read():
            async for _ in client.map(requests):
                pass

        task = asyncio.create_task(read())
        while len(desk.events()) < count:  # noqa: ASYNC110 - the spool tells nobody
            await asyncio.sleep(0.01)
        then()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def test_answers_that_a_busy_database_could_not_take_are_kept_once_it_can(desk, caplog):
    with VllmDouble() as double, held_by_another(desk):
        asyncio.run(answered_and_canceled(desk, double.url, 30))
    settled(desk.database)
    digests = [event["request_digest"] for event in desk.events() if event["answer_kept"]]
    assert len(digests) == 30
    assert set(look_up(desk.database, digests)) == set(digests)
    assert "30 answers were still to be kept" in caplog.text


def test_answers_whose_events_do_not_come_to_the_disk_are_not_kept_and_it_says_so(desk, caplog, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fill_the_disk():
        monkeypatch.setattr(os, "fdatasync", full)

    # Otherwise all of them would wait for one another, and be synced together.
    monkeypatch.setattr("backends.keeping._KEEP_WITHIN_S", 0.0)
    with VllmDouble() as double, held_by_another(desk):
        asyncio.run(answered_and_canceled(desk, double.url, 30, then=fill_the_disk))
        monkeypatch.undo()
    settled(desk.database)
    # Those that came first were synced, and are in the database's hands.
    assert len(look_up(desk.database, [event["request_digest"] for event in desk.events()])) < 30
    assert "may not be kept" in caplog.text


def test_that_old_answers_could_not_be_let_go_is_told(desk, caplog):
    async def main(url):
        async with desk.client() as client:
            assert (await client.complete(request_of(model_at(url)))).ok
            desk.database.write(lambda connection: connection.execute(text("DROP TABLE kept_answer_photos")))
            desk.database.write(lambda connection: connection.execute(text("DROP TABLE kept_answers")))

    with VllmDouble() as double:
        asyncio.run(main(double.url))
    settled(desk.database)
    assert "could not be let go" in caplog.text
