"""The state database read as it is: nothing is made, brought up to date or written."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from store.driver_errors import in_words
from store.engines import open_reader
from store.home import Home
from store.migrating import check_revision

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from store.settings import Settings


@contextmanager
def reading(settings: Settings) -> Iterator[Connection]:
    """A connection that sees one committed state for the length of the block, and cannot write.

    For who only looks; who works with the database opens `store.database.StateDatabase`.

    Raises:
        HomeError: The home's path is not UTF-8.
        DatabaseUnreachable: There is no database, or it cannot be reached.
        DatabaseOlder: An earlier version of this program has made it.
        DatabaseNewer: A later version of this program has changed it.
    """
    engine, where = open_reader(settings, Home.of(settings))
    try:
        with in_words(where), engine.connect() as connection:
            check_revision(connection)
            yield connection
    finally:
        engine.dispose()
