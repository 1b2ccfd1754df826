"""What happened: an event a request, decisions, GPU samples, crash-safe, down to Parquet and DuckDB; run manifests."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

    from store.database import StateDatabase
    from store.home import Home


def connect(home: Home | None = None, database: StateDatabase | None = None) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection in memory over everything kept; see `telemetry.catalog.connect`."""
    # Here and not at the top: whoever appends events must not pay for DuckDB and Arrow.
    from telemetry.catalog import connect as connect_catalog  # noqa: PLC0415 - see above

    return connect_catalog(home, database)
