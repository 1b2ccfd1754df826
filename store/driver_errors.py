"""The drivers' errors about a database as a whole, told in words."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from store.errors import DatabaseBusy, DatabaseError, DatabaseFull, DatabaseUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterator


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
_ENDED = (
    DatabaseUnreachable,
    (
        "{where} ended the connection: {cause}. Do this again; if it happens again, see whether this machine is "
        "stopped at times, or too slow."
    ),
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


@contextmanager
def in_words(where: str) -> Iterator[None]:
    """Turn the driver's errors about the database as a whole into ours; leave errors about statements.

    Args:
        where: The database as a person knows it, without secrets.
    """
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        told = telling(error, where)
        if told is error:
            raise
        raise told from error


def telling(error: BaseException, where: str) -> BaseException:
    """Our error for a driver's error about the database as a whole; any other error as it is."""
    if not isinstance(error, DBAPIError | sqlite3.Error):
        return error
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(cause, "sqlite_errorcode", None)
    told = _SQLITE.get(code & 0xFF) if code is not None else _of_server(cause)
    if told is None and isinstance(error, DBAPIError) and error.connection_invalidated:
        # Whatever it says of a statement: such as of a transaction that idled, for its process was stopped.
        told = _ENDED
    if told is None:
        return error
    kind, words = told
    translated = kind(words.format(where=where, cause=str(cause).strip()))
    translated.__cause__ = error
    return translated


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
