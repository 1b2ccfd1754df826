"""Processes that keep things until somebody kills them; run as `python processes.py WHAT HOME ...`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pyarrow as pa
from pydantic import SecretStr
from sqlalchemy import Engine, event

from store.artifacts import TableStore
from store.database import StateDatabase
from store.migrating import revision
from store.settings import Settings
from store.tables import kept_answer_photos, kept_answers
from store.upserting import insert_new


def settings(home: str) -> Settings:
    url = os.environ.get("STATE_URL")
    return Settings(home=Path(home), state_url=SecretStr(url) if url else None)


def say(text: str) -> None:
    os.write(1, text.encode() + b"\n")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def answer(digest: str) -> dict[str, object]:
    return {
        "request_digest": digest,
        "answered_by": f"request-{digest}",
        "model": "m",
        "model_revision": "r",
        "deployment": "d",
        "provider": "embedded",
        "body": digest.encode() * 50,
        "bytes": len(digest) * 50,
        "kept_at": datetime.now(UTC),
    }


def keep_answers(home: str) -> None:
    """Keep answers from four threads, each with two photos, and say each one that was acknowledged."""
    database = StateDatabase.open(settings(home))

    def keep(thread: int) -> None:
        for number in count():
            digest = f"{thread}-{number}"

            def work(connection, digest=digest):
                insert_new(connection, kept_answers, [answer(digest)])
                photos = [{"request_digest": digest, "photo_id": f"{digest}-{one}"} for one in "ab"]
                insert_new(connection, kept_answer_photos, photos)

            database.write(work)
            say(digest)

    for thread in range(4):
        threading.Thread(target=keep, args=(thread,)).start()


def rows(run: str, number: int) -> pa.Table:
    return pa.table(
        {
            "entry_id": [f"b/{row}" for row in range(number)],
            "photo_id": [f"photo-{row}" for row in range(number)],
            "made_by": [run] * number,
        }
    )


def publish(home: str) -> None:
    """Publish run after run, and say each one that was acknowledged."""
    with StateDatabase.open(settings(home)) as database:
        tables = TableStore(database.home, database)
        for number in count(1):
            run = f"run-{number}"
            expected = tables.current("judge/critiques", "b")
            tables.publish(
                asset="judge/critiques", batch="b", run_id=run, table=rows(run, 4500), expected=expected
            )
            say(run)


def die_at_each_effect(root: str, what: str) -> None:
    """Do `what` in one forked process after another; the n-th dies at its n-th effect on the disk.

    Each has a home of its own, `root/n`. Ends when one of them gets through; says how many died.
    """
    for number in count(1):
        child = os.fork()
        if not child:
            _kill_at(number)
            {"publish": _publish_new, "forget": _forget}[what](f"{root}/{number}")
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        if not os.WIFSIGNALED(status):
            say(f"{number - 1} {os.waitstatus_to_exitcode(status)}")
            return


def _kill_at(last: int) -> None:
    counted = count(1)

    def tick() -> None:
        if next(counted) == last:
            die()

    def before(name: str) -> None:
        real = getattr(os, name)

        def effect(*arguments, **named):
            tick()
            return real(*arguments, **named)

        setattr(os, name, effect)

    for name in ("fsync", "mkdir", "rename", "replace", "unlink", "rmdir"):
        before(name)
    real_write = StateDatabase.write

    def write(self, work):
        tick()
        result = real_write(self, work)
        tick()
        return result

    StateDatabase.write = write


def _publish_new(home: str) -> None:
    with StateDatabase.open(settings(home)) as database:
        tables = TableStore(database.home, database)
        expected = tables.current("judge/critiques", "b")
        tables.publish(
            asset="judge/critiques", batch="b", run_id="new", table=rows("new", 4500), expected=expected
        )


def _forget(home: str) -> None:
    with StateDatabase.open(settings(home)) as database:
        TableStore(database.home, database).forget(["photo-7"])


def die_at_each_statement(root: str, age: str) -> None:
    """As above for the statements that make the tables of a new database, or bring an old one up to date."""
    for number in count(1):
        if age == "old":
            # Alembic costs others a fifth of a second.
            sys.path.insert(0, str(Path(__file__).parents[1] / "doubles"))
            from old_database import make_old  # noqa: PLC0415 - see above

            make_old(settings(f"{root}/{number}"))
        child = os.fork()
        if not child:
            executed = count(1)

            def tick(*_arguments, executed=executed, number=number):
                if next(executed) == number:
                    die()

            event.listen(Engine, "before_cursor_execute", tick)
            StateDatabase.open(settings(f"{root}/{number}")).close()
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        if not os.WIFSIGNALED(status):
            say(f"{number - 1} {os.waitstatus_to_exitcode(status)}")
            return


def open_together(home: str) -> None:
    """Say ready, wait for a line, open, and say the revision."""
    say("ready")
    sys.stdin.readline()
    with StateDatabase.open(settings(home)) as database, database.read() as connection:
        say(str(revision(connection)))


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
