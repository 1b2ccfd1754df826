"""The last decisions about leases, out of telemetry: as a table for people, and as JSON for programs."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import duckdb
from rich.table import Table

from backends.showing import cell, duration
from telemetry.catalog import connect
from telemetry.decisions import DECISION_FIELDS
from telemetry.errors import DamagedParquet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from store.home import Home

_COLUMNS: Final = tuple(field.name for field in DECISION_FIELDS)
_QUERY: Final = f"""
SELECT {", ".join(_COLUMNS)} FROM decisions
WHERE ($model IS NULL OR model = $model) AND ($kind IS NULL OR kind = $kind)
ORDER BY decided_at DESC, host, pid, seq DESC LIMIT $last
"""  # noqa: S608 - names of this program


def last_decisions(
    home: Home, *, last: int, model: str | None = None, kind: str | None = None
) -> list[dict[str, Any]]:
    """The last rows of the view `decisions`, the newest last.

    Args:
        home: Whose telemetry.
        last: How many.
        model: Those about this model only.
        kind: Those of this kind only.

    Raises:
        StoreError, TelemetryError: Telemetry cannot be read.
    """
    with connect(home) as connection:
        try:
            rows = connection.execute(_QUERY, {"last": last, "model": model, "kind": kind}).fetchall()
        except duckdb.Error as error:
            raise DamagedParquet(
                f"The decisions cannot be read: {error}. `python -m telemetry fsck` names the file."
            ) from error
    return [dict(zip(_COLUMNS, row, strict=True)) for row in reversed(rows)]


def decisions_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """One row a decision, with its reason in words."""
    table = Table("decided at (UTC)", "decision", "model", "where", "for whom", "why", "took")
    for row in rows:
        where = " on ".join(filter(None, (row["deployment"], row["device"])))
        waited = "" if row["waited_ms"] is None else f", waited {duration(row['waited_ms'] / 1000)}"
        whom = f"{row['priority']} of {row['holder']}{waited}" if row["priority"] else row["holder"]
        kind = row["kind"].replace("_", " ")
        table.add_row(
            cell(f"{row['decided_at']:%Y-%m-%d %H:%M:%S}"),
            cell(kind if row["mode"] == "enforce" else f"{kind} (observed)"),
            cell(row["model"]),
            cell(where),
            cell(whom),
            cell(row["reason"]),
            cell(None if row["duration_ms"] is None else duration(row["duration_ms"] / 1000)),
        )
    return table


def decisions_json(rows: Iterable[Mapping[str, Any]]) -> str:
    """Every field of each decision; times are UTC."""
    return json.dumps([{name: _plain(value) for name, value in row.items()} for row in rows], indent=2)


def _plain(value: Any) -> Any:
    return f"{value.isoformat()}Z" if isinstance(value, datetime) else value
