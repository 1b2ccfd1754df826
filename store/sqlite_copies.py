"""A copy of a SQLite database that others go on writing: one committed state of it, by SQLite's online backup."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

from store.errors import DatabaseUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_HEADER: Final = b"SQLite format 3\0"
_PAGES_A_STEP: Final = 4096
_WAIT_S: Final = 30


def is_sqlite(path: Path) -> bool:
    """Whether a file begins as SQLite's do."""
    with path.open("rb") as file:
        return file.read(len(_HEADER)) == _HEADER


def copy_sqlite(
    source: Path, target: Path, *, copied: Callable[[int, int], None] = lambda _done, _all: None
) -> None:
    """Write the state that `source` has now to `target`, a file that needs no log beside it.

    Args:
        source: A database; whoever writes into it meanwhile is not kept waiting where it has a write-ahead log.
        target: A file that is not there yet.
        copied: Told of pages copied, and of all, from time to time.

    Raises:
        DatabaseUnreachable: The source cannot be read, or is damaged, or the target cannot be written.
    """

    def told(_status: int, left: int, pages: int) -> None:
        copied(pages - left, pages)

    try:
        with (
            closing(
                sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True, timeout=_WAIT_S)
            ) as one,
            closing(sqlite3.connect(target)) as other,
        ):
            one.isolation_level = None
            # A transaction that is open keeps what is copied one state; without, every write would begin it anew.
            one.execute("BEGIN")
            one.execute("SELECT count(*) FROM sqlite_master").fetchone()
            one.backup(other, pages=_PAGES_A_STEP, progress=told)
            other.execute("PRAGMA journal_mode=DELETE")
            check_sqlite(target)
    except sqlite3.Error as error:
        raise DatabaseUnreachable(f"{source} could not be copied: {error}.") from error


def check_sqlite(path: Path) -> None:
    """Read the whole database.

    Raises:
        DatabaseUnreachable: It is damaged, or none.
    """
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_WAIT_S)
        ) as connection:
            connection.execute("PRAGMA trusted_schema=OFF")
            (first, *_rest) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as error:
        raise DatabaseUnreachable(f"{path} is no database that can be read: {error}.") from error
    if first != "ok":
        raise DatabaseUnreachable(f"{path} is damaged: {str(first)[:200]}. Restore it from a backup.")
