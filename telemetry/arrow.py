"""The Arrow schema of events, made from the `Event` class, and tables of events."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from telemetry.events import ATTEMPT_FIELDS, EVENT_FIELDS, SCHEMA_VERSION, Attempt, Event, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SCHEMA_VERSION_KEY: Final = b"imageworks.event_schema_version"


def arrow_schema() -> pa.Schema:
    """The columns of the events' Parquet files.

    `enqueued_at` is a timestamp in microseconds without zone, in UTC: every reader shows the same clock,
    whatever the zone of its session.
    """
    return pa.schema(
        [pa.field(facts.name, _TYPES[facts.kind], nullable=facts.nullable) for facts in EVENT_FIELDS],
        metadata={SCHEMA_VERSION_KEY: str(SCHEMA_VERSION).encode("ascii")},
    )


def table_of(events: Sequence[Event]) -> pa.Table:
    """A table with one row an event, in the order given."""
    schema = arrow_schema()
    columns = [
        pa.array(
            [_READ[facts.kind](getattr(event, facts.name)) for event in events], schema.field(facts.name).type
        )
        for facts in EVENT_FIELDS
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _as_it_is(value: Any) -> Any:
    return value


def _instant(value: str) -> datetime:
    return datetime.fromisoformat(value).astimezone(UTC).replace(tzinfo=None)


def _dicts(attempts: Sequence[Attempt]) -> list[dict[str, Any]]:
    return [{facts.name: getattr(attempt, facts.name) for facts in ATTEMPT_FIELDS} for attempt in attempts]


_SIMPLE: Final[dict[Kind, pa.DataType]] = {
    "text": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "time": pa.timestamp("us"),
    "texts": pa.list_(pa.string()),
}
_TYPES: Final[dict[Kind, pa.DataType]] = {
    **_SIMPLE,
    "attempts": pa.list_(
        pa.struct(
            [pa.field(item.name, _SIMPLE[item.kind], nullable=item.nullable) for item in ATTEMPT_FIELDS]
        )
    ),
}
_READ: Final[defaultdict[Kind, Callable[[Any], Any]]] = defaultdict(
    lambda: _as_it_is, {"time": _instant, "attempts": _dicts}
)
