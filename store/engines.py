"""How SQLite and PostgreSQL are opened, so that one code path serves both."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import NullPool, QueuePool, create_engine, event, make_url

from store.driver_errors import in_words
from store.errors import DatabaseUnreachable
from store.locking import locked
from store.migrating import migrate
from store.state_url import masked_url

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import Connection, Engine

    from store.home import Home
    from store.settings import Settings

_BUSY_TIMEOUT_S = 30
_SILENCE_S = 30
_HELD_S = 15
# How PostgreSQL watches those who are connected. A host that is cut off while it sends a pipeline would keep its locks
# for hours: the limit on idle transactions does not count there. And whoever died while a lock was waited for would be
# given it in turn.
_WATCHED = " ".join(
    f"-c {name}={value}"
    for name, value in {
        "tcp_keepalives_idle": _HELD_S // 3,
        "tcp_keepalives_interval": _HELD_S // 5,
        "tcp_keepalives_count": 3,
        "tcp_user_timeout": _HELD_S * 1000,
        "client_connection_check_interval": _HELD_S * 1000 // 3,
    }.items()
)


@dataclass(frozen=True)
class Engines:
    """The two ways into one database.

    Attributes:
        reader: Its transactions see one state of the whole database and cannot write.
        writer: Has one connection; on SQLite its transactions hold the write lock from their beginning.
        passing: As the writer, with a few connections, and does not wait for the disk.
        where: The database as a person knows it, without secrets.
    """

    reader: Engine
    writer: Engine
    passing: Engine
    where: str


def open_engines(settings: Settings, home: Home) -> Engines:
    """Bring the database that `settings` name up to date, and make its engines.

    Raises:
        DatabaseUnreachable: It cannot be opened, or its driver is not installed.
        DatabaseNewer: A later version of this program has changed it.
        DatabaseFull: The disk is full.
    """
    if settings.state_url is None:
        return _sqlite(home)
    return _postgresql(settings.state_url.get_secret_value(), settings.connect_timeout_s)


def open_reader(settings: Settings, home: Home) -> tuple[Engine, str]:
    """An engine that reads the database that `settings` name, as it is, and makes none; and where it is.

    Raises:
        DatabaseUnreachable: Its driver is not installed.
    """
    if settings.state_url is not None:
        url = settings.state_url.get_secret_value()
        return _postgresql_reader(url, settings.connect_timeout_s, poolclass=NullPool), masked_url(url)
    # A plain connection would make the file.
    there = f"{home.state_db.as_uri()}?mode=rw"
    return _sqlite_reader(lambda: _connect(there, uri=True), poolclass=NullPool), str(home.state_db)


def _sqlite(home: Home) -> Engines:
    where = str(home.state_db)

    def connect() -> sqlite3.Connection:
        # Not through the URL: a home's name may hold what means something there.
        return _connect(home.state_db)

    immediate, durable = "BEGIN IMMEDIATE", "PRAGMA synchronous=FULL"
    # Switching to WAL is not covered by the busy timeout, so processes that start take turns.
    with in_words(where), locked(home.root / "state.lock"):
        migrating = _sqlite_engine(connect, immediate, "PRAGMA journal_mode=WAL", durable, poolclass=NullPool)
        with migrating.begin() as connection:
            migrate(connection)
    writer = _sqlite_engine(
        connect,
        immediate,
        durable,
        "PRAGMA foreign_keys=ON",
        # What is deleted is overwritten: a forgotten photo must not stay in free pages.
        "PRAGMA secure_delete=ON",
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
    )
    reader = _sqlite_reader(connect, poolclass=QueuePool, pool_size=8, max_overflow=-1)
    passing = _sqlite_engine(
        connect,
        immediate,
        # Safe with a write-ahead log: a power cut takes the last commits, whole.
        "PRAGMA synchronous=NORMAL",
        poolclass=QueuePool,
        pool_size=2,
        max_overflow=-1,
    )
    return Engines(reader, writer, passing, where)


def _connect(database: Path | str, *, uri: bool = False) -> sqlite3.Connection:
    return sqlite3.connect(
        database, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, uri=uri
    )


def _sqlite_engine(
    connect: Callable[[], sqlite3.Connection], begin: str, *on_connect: str, **options: Any
) -> Engine:
    made = create_engine("sqlite+pysqlite://", creator=connect, json_serializer=_json, **options)

    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        for statement in on_connect:
            connection.execute(statement).close()

    # The driver's own BEGIN comes late and deferred; with isolation_level=None this is the only one.
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(made, "connect", prepare)
    event.listen(made, "begin", start)
    return made


def _sqlite_reader(connect: Callable[[], sqlite3.Connection], **options: Any) -> Engine:
    return _sqlite_engine(connect, "BEGIN", "PRAGMA query_only=ON", **options)


def _postgresql(secret_url: str, connect_timeout_s: float) -> Engines:
    where = masked_url(secret_url)
    migrating = _postgresql_engine(secret_url, connect_timeout_s, poolclass=NullPool)
    with in_words(where), migrating.begin() as connection:
        migrate(connection)
    # A host that is cut off in the middle of a transaction would keep its locks, and all others waiting.
    held = f"-c idle_in_transaction_session_timeout={_HELD_S * 1000}"
    writer = _postgresql_engine(
        secret_url, connect_timeout_s, held, pool_pre_ping=True, pool_size=1, max_overflow=0
    )
    reader = _postgresql_reader(
        secret_url, connect_timeout_s, pool_pre_ping=True, pool_size=8, max_overflow=24
    )
    passing = _postgresql_engine(
        secret_url, connect_timeout_s, held, pool_pre_ping=True, pool_size=2, max_overflow=8
    )

    def do_not_wait(connection: Connection) -> None:
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")

    event.listen(passing, "begin", do_not_wait)
    return Engines(reader, writer, passing, where)


def _postgresql_engine(
    secret_url: str, connect_timeout_s: float, session: str = "", **options: Any
) -> Engine:
    url = make_url(secret_url).set(drivername="postgresql+psycopg")
    connecting = {
        "connect_timeout": max(1, round(connect_timeout_s)),
        # A network that swallows everything would be waited for a quarter of an hour, an idle one for hours.
        "tcp_user_timeout": _SILENCE_S * 1000,
        "keepalives_idle": _SILENCE_S // 2,
        "keepalives_interval": _SILENCE_S // 6,
        "keepalives_count": 3,
        "options": f"{_WATCHED} {url.query.get('options', '')} {session}".strip(),
    }
    try:
        return create_engine(url, json_serializer=_json, connect_args=connecting, **options)
    except ModuleNotFoundError as error:
        raise DatabaseUnreachable(
            "IMAGEWORKS_STATE_URL names PostgreSQL, and its driver is not installed. "
            "Install the extra: pip install 'imageworks-dagster[postgres]'."
        ) from error


def _postgresql_reader(secret_url: str, connect_timeout_s: float, **options: Any) -> Engine:
    return _postgresql_engine(
        secret_url,
        connect_timeout_s,
        # The same promise as SQLite's: a reader sees one state of the whole database.
        isolation_level="REPEATABLE READ",
        execution_options={"postgresql_readonly": True},
        **options,
    )


def _json(value: Any) -> str:
    # NaN is no JSON: PostgreSQL refuses it, so SQLite must not take it either.
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
