"""The state database: many readers, and one writer thread that commits in groups."""

from __future__ import annotations

import asyncio
import atexit
import json
import queue
import sqlite3
import threading
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self, TypeVar

from sqlalchemy import Connection, Engine, NullPool, QueuePool, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError

from store.errors import (
    DatabaseBusy,
    DatabaseClosed,
    DatabaseError,
    DatabaseFull,
    DatabaseUnreachable,
)
from store.home import Home
from store.locking import locked
from store.migrating import migrate
from store.settings import masked_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from store.settings import Settings

T = TypeVar("T")

# A commit costs one fsync however many writes it holds; past this, one slow group delays everybody.
_GROUP = 256
_BUSY_TIMEOUT_S = 30

_Job = tuple["Callable[[Connection], Any]", "Future[Any]"]


class StateDatabase:
    """Connections to the state database, SQLite or PostgreSQL by one code path.

    Use it from any thread; not across a fork. Close it, or use it as a context manager: what was
    submitted before is committed first.

    Attributes:
        home: The home folder that it was opened with.
    """

    def __init__(self, home: Home, reader: Engine, writer: Engine, where: str) -> None:
        self.home = home
        self._reader = reader
        self._writer = writer
        self._where = where
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._gate = threading.Lock()
        self._thread = threading.Thread(target=self._serve, name="state-database-writer", daemon=True)
        self._thread.start()
        # The thread is a daemon so that a forgotten close() cannot hang the interpreter's exit; this keeps
        # what was submitted from being lost there.
        atexit.register(self.close)

    @classmethod
    def open(cls, settings: Settings) -> StateDatabase:
        """Make the home folder, bring the tables up to date, and connect.

        Safe when several processes start at once.

        Raises:
            HomeError: The home folder cannot be made or written.
            DatabaseUnreachable: The database cannot be opened.
            DatabaseNewer: A later version of this program has changed it.
            DatabaseFull: The disk is full.
        """
        home = Home.of(settings).create()
        if settings.state_url is None:
            return cls._open_sqlite(home)
        return cls._open_postgresql(home, settings)

    @classmethod
    def _open_sqlite(cls, home: Home) -> StateDatabase:
        url = "sqlite+pysqlite://"
        where = str(home.state_db)

        def connect() -> sqlite3.Connection:
            # Not through the URL: a home may have any name, UTF-8 or not.
            return sqlite3.connect(
                home.state_db, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )

        def engine(**options: Any) -> Engine:
            return create_engine(url, creator=connect, json_serializer=_json, **options)

        with _in_words(where):
            # Switching to WAL is not covered by the busy timeout, so starting processes take turns.
            with locked(home.root / "state.lock"):
                migrating = engine(poolclass=NullPool)
                _on_connect(migrating, "PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL")
                _begin_with(migrating, "BEGIN IMMEDIATE")
                with migrating.begin() as connection:
                    migrate(connection)
                migrating.dispose()
            writer = engine(poolclass=QueuePool, pool_size=1, max_overflow=0)
            # What is deleted is overwritten: forgetting a photo must not leave it in free pages.
            _on_connect(
                writer, "PRAGMA synchronous=FULL", "PRAGMA foreign_keys=ON", "PRAGMA secure_delete=ON"
            )
            _begin_with(writer, "BEGIN IMMEDIATE")
            reader = engine(poolclass=QueuePool, pool_size=8, max_overflow=-1)
            _on_connect(reader, "PRAGMA query_only=ON")
            _begin_with(reader, "BEGIN")
        return cls(home, reader, writer, where)

    @classmethod
    def _open_postgresql(cls, home: Home, settings: Settings) -> StateDatabase:
        assert settings.state_url is not None  # noqa: S101 - the caller has looked
        secret = settings.state_url.get_secret_value()
        where = masked_url(secret)
        url = make_url(secret).set(drivername="postgresql+psycopg")

        def engine(**options: Any) -> Engine:
            try:
                return create_engine(
                    url,
                    json_serializer=_json,
                    pool_pre_ping=True,
                    connect_args={"connect_timeout": max(1, round(settings.connect_timeout_s))},
                    **options,
                )
            except ModuleNotFoundError as error:
                raise DatabaseUnreachable(
                    "IMAGEWORKS_STATE_URL names PostgreSQL, and its driver is not installed. "
                    "Install the extra: pip install 'imageworks-dagster[postgres]'."
                ) from error

        with _in_words(where):
            writer = engine(pool_size=1, max_overflow=0)
            with writer.begin() as connection:
                migrate(connection)
            # The same promise as SQLite's: a reader sees one state of the whole database.
            reader = engine(
                pool_size=8,
                max_overflow=24,
                isolation_level="REPEATABLE READ",
                execution_options={"postgresql_readonly": True},
            )
        return cls(home, reader, writer, where)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one committed state for the length of the block, and cannot write.

        Raises:
            DatabaseClosed: The database was closed.
            DatabaseUnreachable: It cannot be reached.
        """
        if self._closed:
            raise self._was_closed()
        with _in_words(self._where), self._reader.connect() as connection:
            yield connection

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in the writer thread and wait until what it wrote is committed.

        Args:
            work: Reads and writes on the connection it is given, and nothing else: it does not commit,
                and it may be delayed behind others. What it raises undoes its own writes alone.

        Returns:
            What `work` returned; fetched rows, not an open cursor.

        Raises:
            DatabaseClosed: The database was closed, or this is the writer thread itself.
            DatabaseBusy: Another process held the database for too long.
            DatabaseFull: The disk is full.
            DatabaseUnreachable: It cannot be reached; nothing says whether the commit arrived.
        """
        if threading.current_thread() is self._thread:
            raise DatabaseClosed(
                "A closure in the writer thread asked the writer thread to write, and would wait for itself. "
                "Use the connection that the closure was given."
            )
        return self.submit(work).result()

    def submit(self, work: Callable[[Connection], T]) -> Future[T]:
        """Queue `work` for the writer thread, without waiting.

        Args:
            work: As for `write`.

        Returns:
            A future that is done once the writes are committed, or failed. It can be cancelled until the
            writer takes it up.

        Raises:
            DatabaseClosed: The database was closed.
        """
        future: Future[T] = Future()
        with self._gate:
            if self._closed:
                raise self._was_closed()
            self._jobs.put((work, future))
        return future

    async def commit(self, work: Callable[[Connection], T]) -> T:
        """`write` for async code: the event loop goes on while the writer works."""
        return await asyncio.wrap_future(self.submit(work))

    def checkpoint(self) -> None:
        """Fold SQLite's log into the database, so that what was deleted is in neither; nothing elsewhere.

        Best effort by nature: a reader that is in the middle of a block keeps its view until it is done.
        """
        if self._writer.dialect.name == "sqlite":
            with _in_words(self._where):
                # The driver's connection: SQLAlchemy would begin, and a checkpoint wants no transaction.
                connection = self._writer.raw_connection()
                try:
                    connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
                finally:
                    connection.close()

    def close(self) -> None:
        """Commit what was submitted, then let go of every connection. A second call does nothing."""
        with self._gate:
            if self._closed:
                return
            self._closed = True
            self._jobs.put(None)
        atexit.unregister(self.close)
        self._thread.join()
        self._writer.dispose()
        self._reader.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _was_closed(self) -> DatabaseClosed:
        return DatabaseClosed(f"The state database {self._where} was closed. Open it anew.")

    def _serve(self) -> None:
        last = False
        while not last:
            group, last = self._next_group()
            if group:
                self._commit_group(group)
            # A closure may hold a big answer; it must not stay until the next one comes.
            del group

    def _next_group(self) -> tuple[list[_Job], bool]:
        """Wait for a job, and take what else is queued with it: (jobs, whether they are the last)."""
        group: list[_Job] = []
        job = self._jobs.get()
        while job is not None:
            # A future that was cancelled while it waited is passed over.
            if job[1].set_running_or_notify_cancel():
                group.append(job)
            if len(group) >= _GROUP:
                return group, False
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return group, False
        return group, True

    def _commit_group(self, group: list[_Job]) -> None:
        outcomes: list[tuple[Future[Any], Any, BaseException | None]] = []
        try:
            with _in_words(self._where), self._writer.begin() as connection:
                for work, future in group:
                    result, failure = _alone(connection, work)
                    told = failure and _told(failure, self._where)
                    outcomes.append((future, result, told))
        except BaseException as error:  # noqa: BLE001 - whatever it was, those who wait must hear of it
            for _, future in group:
                future.set_exception(error)
            return
        for future, result, failure in outcomes:
            if failure is None:
                future.set_result(result)
            else:
                future.set_exception(failure)


def _alone(connection: Connection, work: Callable[[Connection], Any]) -> tuple[Any, BaseException | None]:
    """Run one closure in its own savepoint: (result, None), or (None, what it raised)."""
    savepoint = connection.begin_nested()
    try:
        result = work(connection)
        savepoint.commit()
    except BaseException as error:
        # A full disk or a lost connection ends the whole transaction; then the group fails, by this error.
        if isinstance(error, DBAPIError) and _ends_the_transaction(connection, error):
            raise
        savepoint.rollback()
        return None, error
    return result, None


def _ends_the_transaction(connection: Connection, error: DBAPIError) -> bool:
    if error.connection_invalidated:
        return True
    driver = connection.connection.driver_connection
    return isinstance(driver, sqlite3.Connection) and not driver.in_transaction


def _json(value: Any) -> str:
    # NaN is not JSON: PostgreSQL refuses it, so SQLite must not take it either.
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def _on_connect(engine: Engine, *statements: str) -> None:
    def run(connection: sqlite3.Connection, _record: object) -> None:
        for statement in statements:
            connection.execute(statement).close()

    event.listen(engine, "connect", run)


def _begin_with(engine: Engine, statement: str) -> None:
    # The driver's own BEGIN comes late and deferred; with isolation_level=None this one is the only one.
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(statement)

    event.listen(engine, "begin", begin)


@contextmanager
def _in_words(where: str) -> Iterator[None]:
    """Turn the driver's errors about the database as a whole into ours; leave errors about statements."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        told = _told(error, where)
        if told is error:
            raise
        raise told from error


def _told(error: BaseException, where: str) -> BaseException:
    """Our error for a driver's error about the database as a whole; any other error as it is."""
    if not isinstance(error, DBAPIError | sqlite3.Error):
        return error
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(cause, "sqlite_errorcode", None)
    told = _SQLITE.get(code & 0xFF) if code is not None else _of_server(cause)
    if told is None:
        return error
    kind, words = told
    translated = kind(words.format(where=where, cause=str(cause).strip()))
    translated.__cause__ = error
    return translated


_BUSY = (
    DatabaseBusy,
    (
        "Another process held {where} for too long: {cause}. Wait for it or end it, then do this again; "
        "several machines need PostgreSQL (IMAGEWORKS_STATE_URL)."
    ),
)
_FULL = (DatabaseFull, "The disk under {where} is full. Free space; nothing of this write was kept.")
_UNUSABLE = (
    DatabaseUnreachable,
    (
        "{where} cannot be used: {cause}. Look at its disk and permissions, or name another folder in "
        "IMAGEWORKS_HOME."
    ),
)
_DAMAGED = (
    DatabaseUnreachable,
    (
        "{where} is no database, or is damaged: {cause}. Put a backup in its place, or move it away to "
        "begin anew."
    ),
)
_AWAY = (
    DatabaseUnreachable,
    "{where} cannot be reached: {cause}. Start the server, or correct IMAGEWORKS_STATE_URL.",
)
_Told = tuple[type[DatabaseError], str]
_SQLITE: dict[int, _Told] = {
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_CANTOPEN: _UNUSABLE,
    sqlite3.SQLITE_IOERR: _UNUSABLE,
    sqlite3.SQLITE_PERM: _UNUSABLE,
    sqlite3.SQLITE_READONLY: _UNUSABLE,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
}


def _of_server(cause: BaseException | None) -> _Told | None:
    """PostgreSQL's classes of errors: 08 connection, 53 resources, 55P03 lock, 57P server going down."""
    state = getattr(cause, "sqlstate", None)
    if state is None:
        # The driver's own: it never got as far as a server's word.
        return _AWAY if type(cause).__name__ == "OperationalError" else None
    if state == "53100":
        return _FULL
    if state == "55P03":
        return _BUSY
    return _AWAY if state[:2] in {"08", "28", "53"} or state[:3] == "57P" or state == "3D000" else None
