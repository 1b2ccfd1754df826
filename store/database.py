"""The state database: many readers, and one writer thread that commits in groups."""

from __future__ import annotations

import asyncio
import atexit
import queue
import sqlite3
import threading
from concurrent.futures import Future
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Self, TypeVar

from sqlalchemy.exc import DBAPIError

from store.driver_errors import in_words, telling
from store.engines import open_engines
from store.errors import DatabaseClosed
from store.home import Home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from sqlalchemy import Connection

    from store.engines import Engines
    from store.settings import Settings

T = TypeVar("T")

# A commit costs one fsync however many writes it holds; past this, one slow group delays everybody.
_GROUP = 256
_CHECKPOINT_WAIT_S = 1

_Job = tuple["Callable[[Connection], Any]", "Future[Any]"]


class StateDatabase:
    """Connections to the state database, SQLite or PostgreSQL by one code path.

    Use it from any thread; not across a fork. Close it, or use it as a context manager: what was
    submitted before is committed first.

    Attributes:
        home: The home folder that it was opened with.
    """

    def __init__(self, home: Home, engines: Engines) -> None:
        self.home = home
        self._reader = engines.reader
        self._writer = engines.writer
        self._passing = engines.passing
        self._where = engines.where
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
        return cls(home, open_engines(settings, home))

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one committed state for the length of the block, and cannot write.

        Raises:
            DatabaseClosed: The database was closed.
            DatabaseUnreachable: It cannot be reached.
        """
        if self._closed:
            raise self._was_closed()
        with in_words(self._where), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def passing(self) -> Iterator[Connection]:
        """A transaction for what means nothing once this machine has lost its power, such as who waits for what.

        Others see it once the block is over; nobody waits for the disk. What the block raises undoes it. On
        SQLite, no other process writes meanwhile: keep it short.

        Raises:
            DatabaseClosed: The database was closed.
            DatabaseBusy: Another process held the database for too long.
            DatabaseFull: The disk is full.
            DatabaseUnreachable: It cannot be reached.
        """
        if self._closed:
            raise self._was_closed()
        with in_words(self._where), self._passing.begin() as connection:
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

    def checkpoint(self) -> bool:
        """Fold SQLite's log into the database, so that what was deleted is in neither; nothing elsewhere.

        Returns:
            Whether the log is empty now. It is not while another process, or another thread, reads or writes;
            it will be once the last process that has the database open has ended.

        Raises:
            DatabaseUnreachable: The database cannot be reached.
            DatabaseFull: The disk is full.
        """
        if self._writer.dialect.name != "sqlite":
            return True
        # A connection of its own: the writer's would wait as long as a write may.
        with (
            in_words(self._where),
            closing(sqlite3.connect(self.home.state_db, timeout=_CHECKPOINT_WAIT_S)) as connection,
        ):
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy

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
        self._passing.dispose()
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
            with in_words(self._where), self._writer.begin() as connection:
                for work, future in group:
                    result, failure = _alone(connection, work)
                    told = failure and telling(failure, self._where)
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
