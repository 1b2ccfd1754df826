"""One committed state of the state database, held for as long as it is read and copied."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import NullPool, create_engine, make_url, text

from imageworks_dagster.backup.contents import DUMP, STATE
from imageworks_dagster.errors import BackupFailed
from store.engines import open_reader
from store.sqlite_copies import copy_sqlite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy import Connection

    from store.home import Home
    from store.settings import Settings


@contextmanager
def snapshot(
    settings: Settings, home: Home, folder: Path, copied: Callable[[int, int], None]
) -> Iterator[tuple[Path, Connection]]:
    """A file that holds the state, and a connection that sees just that state.

    Args:
        settings: Which name the database.
        home: The home.
        folder: For the file.
        copied: Told of parts copied, and of all.

    Raises:
        DatabaseUnreachable: It cannot be read.
        BackupFailed: PostgreSQL's `pg_dump` is not there, or failed.
    """
    if settings.state_url is None:
        file = folder / STATE
        file.unlink(missing_ok=True)
        copy_sqlite(home.state_db, file, copied=copied)
        with reading_copy(file) as connection:
            yield file, connection
        return
    program = shutil.which("pg_dump")
    if program is None:
        raise BackupFailed(
            "The state database is PostgreSQL, and pg_dump is not installed here. Install PostgreSQL's client; or take "
            "the database with pg_dump where it is, and the rest of the home with `--without-database`, in this order."
        )
    engine, _ = open_reader(settings, home)
    try:
        with engine.connect() as connection:
            # It idles while pg_dump works, and holds what that reads: a server may end who does so for long.
            connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            held = str(connection.execute(text("SELECT pg_export_snapshot()")).scalar_one())
            yield _dumped(program, settings.state_url.get_secret_value(), held, folder / DUMP), connection
    finally:
        engine.dispose()


@contextmanager
def reading_copy(file: Path) -> Iterator[Connection]:
    """A connection to a copy of a SQLite state database."""
    # Not through the URL: a folder's name may hold what means something there.
    engine = create_engine(
        "sqlite+pysqlite://",
        creator=lambda: sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True),
        poolclass=NullPool,
    )
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _dumped(program: str, url: str, held: str, file: Path) -> Path:
    parts = make_url(url).set(drivername="postgresql")
    # The password goes by the environment: other users of the machine see a program's arguments.
    plain = parts._replace(password=None)
    environ = {**os.environ, **({"PGPASSWORD": str(parts.password)} if parts.password else {})}
    command = [
        program,
        "--format=custom",
        "--no-owner",
        f"--snapshot={held}",
        f"--file={file}",
        f"--dbname={plain.render_as_string(hide_password=False)}",
    ]
    done = subprocess.run(  # noqa: S603 - a program that was looked up, and the operator's own database
        command, env=environ, capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    if done.returncode:
        raise BackupFailed(f"pg_dump failed: {done.stderr.strip()[-500:]}")
    return file
