"""The process that asks telemetry: `python -m gateway.queries.child`, one query after another.

It reads frames from its standard input and writes one for each to its standard output: four bytes of length, and JSON.
The first says whose telemetry it is; each other is a query. It ends with whoever started it, or when a query takes
longer than it may.
"""

from __future__ import annotations

import math
import resource
import signal
import sys
import time
from datetime import date, datetime
from datetime import time as clock_time
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import duckdb
import orjson

from gateway.queries.statement import known_functions, refuse_statement
from store.errors import StoreError
from store.home import Home
from store.settings import Settings
from telemetry.catalog import connect
from telemetry.errors import QueryRefused, TelemetryError

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD_BYTES: Final = 4

FRESH_S: Final = 2.0
"""Seconds after which what a catalog holds in memory, such as spools, is read anew."""

MOST_BYTES: Final = 8 << 20
"""Bytes of the rows of one answer."""

_MEMORY_BYTES: Final = 3 << 30
_BOUNDS: Final[dict[str, str | int]] = {
    "memory_limit": "512MB",
    "threads": 2,
    # Nothing is written beside memory.
    "temp_directory": "",
    "max_temp_directory_size": "0B",
}
_AT_ONCE: Final = 256
_LARGEST: Final = 2**53
_VIEWS: Final = "SELECT lower(table_name) FROM information_schema.tables WHERE table_schema = 'main'"


class Catalog:
    """Telemetry's views, read anew from time to time."""

    def __init__(self, home: Home, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Make it; nothing is read before something is asked."""
        self._home = home
        self._clock = clock
        self._read_at = -math.inf
        self._connection: duckdb.DuckDBPyConnection | None = None
        # It alone parses: a locked connection is left to what was found good.
        self._parser = duckdb.connect(":memory:")
        self._functions = known_functions(self._parser)

    def ask(self, text: str, limit: int) -> dict[str, Any]:
        """Columns and rows of a query, at most so many.

        Raises:
            QueryRefused: It may not be asked.
            duckdb.Error: It is wrong.
            StoreError, TelemetryError: Telemetry cannot be read.
        """
        connection = self._fresh()
        views = frozenset(name for (name,) in connection.execute(_VIEWS).fetchall())
        refuse_statement(self._parser, text, views=views, functions=self._functions)
        result = connection.execute(text)
        columns = [{"name": str(one[0]), "type": str(one[1])} for one in result.description or ()]
        rows, truncated = _rows(result, limit)
        return {"columns": columns, "rows": rows, "truncated": truncated}

    def _fresh(self) -> duckdb.DuckDBPyConnection:
        now = self._clock()
        if self._connection is None or now - self._read_at >= FRESH_S:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            self._connection = connect(self._home, locked=True, bounds=_BOUNDS)
            self._read_at = now
        return self._connection


def _rows(result: duckdb.DuckDBPyConnection, limit: int) -> tuple[list[Any], bool]:
    """Rows as JSON has them, until there are too many or they are too large; and whether there were more."""
    rows: list[Any] = []
    size = 0
    while found := result.fetchmany(_AT_ONCE):
        for row in found:
            values = [_plain(value) for value in row]
            size += len(orjson.dumps(values))
            if len(rows) == limit or size > MOST_BYTES:
                return rows, True
            rows.append(values)
    return rows, False


def _plain(value: Any) -> Any:
    """A value as JSON has it: times as ISO 8601, what has no form of its own as text."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    return _plain_leaf(value)


def _plain_leaf(value: Any) -> Any:
    match value:
        case float() if not math.isfinite(value):
            return None
        case int() if abs(value) > _LARGEST:
            return str(value)
        case None | bool() | str() | float() | int():
            return value
        case datetime() | date() | clock_time():
            return value.isoformat()
        case bytes():
            return value.hex()
        case _:
            return str(value)


def answer_of(catalog: Catalog, asked: dict[str, Any]) -> dict[str, Any]:
    """What a query is answered: its rows, or what is wrong with it and whether that is the asker's doing."""
    try:
        return catalog.ask(asked["sql"], asked["limit"])
    except QueryRefused as error:
        return {"refused": str(error), "code": "query_refused"}
    except (duckdb.OutOfMemoryException, MemoryError) as error:
        return {"refused": f"The query takes more memory than it may: {error}", "code": "query_too_large"}
    except duckdb.Error as error:
        return {"refused": str(error), "code": "query_wrong"}
    except (StoreError, TelemetryError) as error:
        return {"failed": str(error)}


def main() -> None:
    """Serve until the other end is closed."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    begun = _read(source)
    if begun is None:
        return
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    catalog = Catalog(Home.of(Settings(**begun["settings"])))
    while (asked := _read(source)) is not None:
        # Whoever waits ends it first; where nobody is left to, it ends itself.
        signal.alarm(asked["seconds"])
        answer = orjson.dumps(answer_of(catalog, asked))
        signal.alarm(0)
        sink.write(len(answer).to_bytes(HEAD_BYTES) + answer)
        sink.flush()


def _read(source: BinaryIO) -> dict[str, Any] | None:
    head = source.read(HEAD_BYTES)
    if len(head) < HEAD_BYTES:
        return None
    read: dict[str, Any] = orjson.loads(source.read(int.from_bytes(head)))
    return read


if __name__ == "__main__":
    main()
