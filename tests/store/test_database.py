"""The state database: committed means kept, one failure is one failure, and trouble is told in words."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError, StatementError
from supervised import wait_until

from store.database import StateDatabase
from store.errors import DatabaseBusy, DatabaseClosed, DatabaseFull, DatabaseUnreachable, HomeError
from store.settings import Settings
from store.tables import inbox_folders, kept_answer_photos, kept_answers, measurements

PROCESSES = Path(__file__).with_name("processes.py")


def measured(photo, signals=None):
    row = {"photo_id": photo, "version": "1", "signals": signals or {"luma": 1.5}}
    return lambda connection: connection.execute(insert(measurements), [row])


def photos(database):
    with database.read() as connection:
        return set(connection.execute(select(measurements.c.photo_id)).scalars())


def test_what_was_written_is_there_for_every_reader(database, any_settings):
    database.write(measured("a"))
    with StateDatabase.open(any_settings) as other:
        assert photos(other) == photos(database) == {"a"}


def test_write_gives_back_what_the_closure_returned(database):
    assert database.write(lambda connection: connection.execute(text("SELECT 41 + 1")).scalar()) == 42


def test_a_closure_that_fails_fails_alone(database):
    # Held back by the first one, the others are committed as one group.
    go = threading.Event()
    first = database.submit(lambda _: go.wait())
    good = [database.submit(measured(f"good-{number}")) for number in range(20)]
    double = database.submit(measured("good-3"))

    def half(connection):
        measured("half")(connection)
        raise ZeroDivisionError

    wrong = database.submit(half)
    late = database.submit(measured("late"))
    go.set()
    assert first.result()
    for future in (*good, late):
        future.result()
    with pytest.raises(IntegrityError):
        double.result()
    with pytest.raises(ZeroDivisionError):
        wrong.result()
    assert photos(database) == {f"good-{number}" for number in range(20)} | {"late"}


def test_a_future_is_done_only_when_another_connection_sees_its_write(database):
    go = threading.Event()
    database.submit(lambda _: go.wait())
    early = database.submit(measured("early"))
    in_the_group = threading.Event()
    hold = threading.Event()
    database.submit(lambda _: (in_the_group.set(), hold.wait()))
    go.set()
    in_the_group.wait()
    assert not early.done()
    assert photos(database) == set()
    hold.set()
    early.result()
    assert photos(database) == {"early"}


def test_a_queued_write_can_be_cancelled(database):
    go = threading.Event()
    taken = threading.Event()
    database.submit(lambda _: (taken.set(), go.wait()))
    taken.wait()
    waiting = database.submit(measured("never"))
    assert waiting.cancel()
    go.set()
    database.write(measured("after"))
    assert photos(database) == {"after"}


def test_async_code_awaits_the_commit_while_its_loop_goes_on(database):
    async def work():
        go = threading.Event()
        held = asyncio.ensure_future(database.commit(lambda _: go.wait()))
        kept = [asyncio.ensure_future(database.commit(measured(f"p{number}"))) for number in range(50)]
        await asyncio.sleep(0)
        assert not any(one.done() for one in kept)
        go.set()
        await asyncio.gather(held, *kept)

    asyncio.run(work())
    assert len(photos(database)) == 50


def test_many_threads_write_at_once(database):
    threads = [
        threading.Thread(
            target=lambda one=one: [database.write(measured(f"{one}-{number}")) for number in range(25)]
        )
        for one in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(photos(database)) == 200


def test_a_reader_sees_one_state_for_the_length_of_its_block(database):
    database.write(measured("before"))
    with database.read() as connection:
        count = text("SELECT count(*) FROM measurements")
        assert connection.execute(count).scalar() == 1
        database.write(measured("meanwhile"))
        assert connection.execute(count).scalar() == 1
    assert photos(database) == {"before", "meanwhile"}


def test_a_reader_cannot_write(database):
    with (
        pytest.raises(Exception, match=r"readonly|read-only"),
        database.read() as connection,
    ):
        measured("x")(connection)


def test_closing_commits_what_was_submitted(any_settings):
    database = StateDatabase.open(any_settings)
    futures = [database.submit(measured(str(number))) for number in range(500)]
    database.close()
    database.close()
    assert all(future.done() for future in futures)
    with StateDatabase.open(any_settings) as other:
        assert len(photos(other)) == 500


def test_a_closed_database_says_so(any_settings):
    database = StateDatabase.open(any_settings)
    database.close()
    with pytest.raises(DatabaseClosed, match="Open it anew"):
        database.write(measured("x"))
    with pytest.raises(DatabaseClosed), database.read():
        pass


def test_a_process_that_ends_without_closing_loses_nothing(settings):
    code = """
import sys
sys.path.insert(0, sys.argv[2])
from processes import *
from store.tables import measurements
database = StateDatabase.open(settings(sys.argv[1]))
for number in range(300):
    row = {"photo_id": str(number), "version": "1", "signals": {}}
    database.submit(lambda connection, row=row: insert_new(connection, measurements, [row]))
"""
    folder = str(PROCESSES.parent)
    subprocess.run([sys.executable, "-c", code, str(settings.home), folder], check=True)
    with StateDatabase.open(settings) as database:
        assert len(photos(database)) == 300


def test_a_closure_that_waits_for_its_own_thread_is_an_error_not_a_hang(database):
    with pytest.raises(DatabaseClosed, match="would wait for itself"):
        database.write(lambda _: database.write(measured("x")))


def test_a_number_that_is_no_json_is_refused(database):
    with pytest.raises((ValueError, StatementError), match="JSON"):
        database.write(measured("x", {"luma": float("nan")}))


def test_an_instant_keeps_its_zone_and_one_without_is_refused(database):
    instant = datetime(2026, 3, 4, 5, 6, 7, 891011, UTC)
    row = {"pipeline": "judge", "name": "x", "fingerprint": "f", "quiet_since": instant}
    database.write(lambda connection: connection.execute(insert(inbox_folders), [row]))
    with database.read() as connection:
        assert connection.execute(select(inbox_folders.c.quiet_since)).scalar_one() == instant
    naive = row | {"name": "y", "quiet_since": instant.replace(tzinfo=None)}
    with pytest.raises(StatementError, match="no time zone"):
        database.write(lambda connection: connection.execute(insert(inbox_folders), [naive]))


def test_a_photo_of_an_answer_that_is_not_kept_is_refused(database):
    row = {"request_digest": "nowhere", "photo_id": "p"}
    with pytest.raises(IntegrityError):
        database.write(lambda connection: connection.execute(insert(kept_answer_photos), [row]))


def test_sqlite_is_set_up_to_survive_a_power_loss(settings):
    asked = ("journal_mode", "synchronous", "busy_timeout", "foreign_keys", "secure_delete")
    with StateDatabase.open(settings) as database:
        found = database.write(
            lambda connection: [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in asked]
        )
    assert found == ["wal", 2, 30_000, 1, 1]


def test_a_checkpoint_empties_the_log_unless_somebody_still_reads_it(settings):
    with StateDatabase.open(settings) as database:
        database.write(measured("a"))
        with database.read() as connection:
            connection.execute(select(measurements)).all()
            database.write(measured("b"))
            assert not database.checkpoint()
        assert database.checkpoint()
        assert (settings.home / "state.db-wal").stat().st_size == 0


@pytest.mark.real
def test_a_server_has_no_log_of_ours(settings, postgresql_url):
    with StateDatabase.open(Settings(home=settings.home, state_url=SecretStr(postgresql_url))) as database:
        assert database.checkpoint()


def test_a_full_disk_is_told_and_what_was_kept_stays(settings):
    with StateDatabase.open(settings) as database:
        database.write(measured("kept"))
        database.write(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count=80").scalar())
        with pytest.raises(DatabaseFull, match="Free space"):
            database.write(measured("big", {"x": "y" * 1_000_000}))
        assert photos(database) == {"kept"}
        database.write(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count=8000").scalar())
        database.write(measured("later"))
        assert photos(database) == {"kept", "later"}


def test_a_database_that_another_process_holds_is_told(settings):
    with StateDatabase.open(settings) as database:
        database.write(lambda connection: connection.exec_driver_sql("PRAGMA busy_timeout=1").scalar())
        holder = sqlite3.connect(database.home.state_db, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseBusy, match="PostgreSQL"):
            database.write(measured("x"))
        holder.execute("ROLLBACK")
        holder.close()
        database.write(measured("y"))
        assert photos(database) == {"y"}


def test_a_state_file_that_is_no_database_is_an_error(settings):
    settings.home.mkdir()
    (settings.home / "state.db").write_bytes(b"holiday pictures" * 1000)
    with pytest.raises(DatabaseUnreachable, match=r"state\.db is no database"):
        StateDatabase.open(settings)


def test_a_home_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(HomeError):
        StateDatabase.open(Settings(home=tmp_path / "file" / "home"))


def test_a_server_that_is_not_there_is_named_without_its_password(tmp_path):
    url = SecretStr("postgresql://me:hunter2@127.0.0.1:1/x")
    with pytest.raises(DatabaseUnreachable) as caught:
        StateDatabase.open(Settings(home=tmp_path, state_url=url))
    assert "127.0.0.1:1/x" in str(caught.value)
    assert "IMAGEWORKS_STATE_URL" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.real
def test_a_database_that_the_server_does_not_have_is_named(settings, postgresql_url):
    url = SecretStr(f"{postgresql_url}_gone")
    with pytest.raises(DatabaseUnreachable, match=r"_gone.* does not exist.*IMAGEWORKS_STATE_URL"):
        StateDatabase.open(Settings(home=settings.home, state_url=url))


@pytest.mark.real
def test_a_connection_that_the_server_dropped_is_made_anew(settings, postgresql_url):
    with StateDatabase.open(Settings(home=settings.home, state_url=SecretStr(postgresql_url))) as database:
        own = text("SELECT pg_backend_pid()")
        backend = database.write(lambda connection: connection.execute(own).scalar())

        def end(connection):
            connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": backend})

        with pytest.raises(DatabaseUnreachable):
            database.write(end)
        database.write(measured("after"))
        assert photos(database) == {"after"}


def killed_while_keeping(settings, rounds):
    """Kill a process that keeps answers, several times; what it acknowledged, all in all."""
    acknowledged = set()
    for _ in range(rounds):
        home = settings.home
        environ = {"STATE_URL": settings.state_url.get_secret_value()} if settings.state_url else {}
        process = subprocess.Popen(
            [sys.executable, PROCESSES, "keep_answers", home], stdout=subprocess.PIPE, env=environ
        )
        for _ in range(random.randint(1, 400)):
            acknowledged.add(process.stdout.readline().strip().decode())
        process.send_signal(signal.SIGKILL)
        # What it said between the last line read and its death counts as well; a torn line does not.
        acknowledged |= {line[:-1].decode() for line in process.stdout if line.endswith(b"\n")}
        process.stdout.close()
        assert process.wait() == -signal.SIGKILL
    return acknowledged - {""}


@pytest.mark.parametrize("rounds", [2, pytest.param(17, marks=pytest.mark.slow)])
def test_after_a_kill_all_that_was_acknowledged_is_there_and_nothing_is_half_there(any_settings, rounds):
    acknowledged = killed_while_keeping(any_settings, rounds)
    assert acknowledged
    with StateDatabase.open(any_settings) as database, database.read() as connection:
        kept = {row.request_digest: row for row in connection.execute(select(kept_answers))}
        pairs = connection.execute(select(kept_answer_photos)).all()
        if connection.dialect.name == "sqlite":
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    assert acknowledged <= set(kept)
    assert all(row.body == digest.encode() * 50 for digest, row in kept.items())
    assert {tuple(pair) for pair in pairs} == {(digest, f"{digest}-{one}") for digest in kept for one in "ab"}


def test_a_json_column_holds_what_photos_say(database):
    said = {"title": "a\u0000b\ud83d", "deep": [1, {"x": None}]}
    database.write(measured("odd", said))
    with database.read() as connection:
        assert connection.execute(select(measurements.c.signals)).scalar_one() == said
    assert json.loads(json.dumps(said)) == said


def passing(database, work):
    with database.passing() as connection:
        work(connection)


def reading(database, work):
    with database.read() as connection:
        work(connection)


WAYS = {"write": StateDatabase.write, "passing": passing, "read": reading}


@pytest.mark.real
@pytest.mark.parametrize("way", WAYS)
def test_who_was_stopped_in_a_transaction_for_too_long_hears_it_in_words(settings, postgresql_url, way):
    def idle(connection):
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 1"))
        backend = connection.execute(text("SELECT pg_backend_pid()")).scalar()
        with psycopg.connect(postgresql_url, autocommit=True) as other:
            there = "SELECT 1 FROM pg_stat_activity WHERE pid = %s"
            wait_until(lambda: other.execute(there, [backend]).fetchone() is None)
        connection.execute(text("SELECT 1"))

    with StateDatabase.open(Settings(home=settings.home, state_url=SecretStr(postgresql_url))) as database:
        with pytest.raises(DatabaseUnreachable, match=r"ended the connection|cannot be reached"):
            WAYS[way](database, idle)
        database.write(measured("a"))
        assert photos(database) == {"a"}


@pytest.mark.real
def test_postgresql_ends_what_a_host_that_is_cut_off_has_begun(tmp_path, postgresql_url):
    watched = {
        "idle_in_transaction_session_timeout": "15s",
        # While a pipeline is sent no transaction counts as idle.
        "tcp_keepalives_idle": "5",
        "tcp_keepalives_interval": "3",
        "tcp_keepalives_count": "3",
        "tcp_user_timeout": "15000",
        "client_connection_check_interval": "5s",
    }

    def said(connection):
        return {name: connection.execute(text(f"SHOW {name}")).scalar_one() for name in watched}

    with StateDatabase.open(Settings(home=tmp_path, state_url=postgresql_url)) as database:
        assert database.write(said) == watched
        with database.passing() as connection:
            assert said(connection) == watched


@pytest.mark.real
def test_who_dies_while_waiting_for_a_lock_is_not_given_it(tmp_path, postgresql_url):
    settings = Settings(home=tmp_path, state_url=SecretStr(postgresql_url))
    with StateDatabase.open(settings) as database, database.passing() as connection:
        connection.execute(text("LOCK TABLE kept_answers IN EXCLUSIVE MODE"))
        ours = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        waiting = text("SELECT count(*) FROM pg_stat_activity WHERE :pid = ANY (pg_blocking_pids(pid))")

        def waiters():
            # A transaction sees the same activity for all its length, so each look is one of its own.
            with database.read() as looking:
                return looking.execute(waiting, {"pid": ours}).scalar_one()

        with subprocess.Popen(
            [sys.executable, PROCESSES, "keep_answers", settings.home],
            stdout=subprocess.DEVNULL,
            env={"STATE_URL": postgresql_url},
        ) as process:
            wait_until(lambda: waiters() == 1, "it waits for the table")
            process.kill()
        wait_until(lambda: waiters() == 0, "it is no longer waited for")
