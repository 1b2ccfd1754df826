"""The Arrow schemas of telemetry's records, made from their classes, and tables of records."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from telemetry.columns import fields_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from telemetry.columns import FieldFacts, Kind
    from telemetry.record_kinds import Record, RecordKind


def arrow_schema(kind: RecordKind) -> pa.Schema:
    """The columns of a kind's Parquet files.

    A time is a timestamp in microseconds without zone, in UTC: every reader shows the same clock, whatever the
    zone of its session.
    """
    version = {f"imageworks.{kind.word}_schema_version": str(kind.version)}
    return pa.schema([_field(facts) for facts in kind.fields], metadata=version)


def table_of(kind: RecordKind, records: Sequence[Record]) -> pa.Table:
    """A table with one row a record, in the order given."""
    schema = arrow_schema(kind)
    columns = [
        pa.array(
            [_READ[facts.kind](getattr(record, facts.name)) for record in records],
            schema.field(facts.name).type,
        )
        for facts in kind.fields
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _field(facts: FieldFacts) -> pa.Field:
    if facts.row is None:
        return pa.field(facts.name, _TYPES[facts.kind], nullable=facts.nullable)
    row = pa.struct([_field(inner) for inner in fields_of(facts.row)])
    return pa.field(facts.name, pa.list_(row), nullable=facts.nullable)


def _as_it_is(value: Any) -> Any:
    return value


def _instant(value: str) -> datetime:
    return datetime.fromisoformat(value).astimezone(UTC).replace(tzinfo=None)


def _dicts(rows: Sequence[object]) -> list[dict[str, Any]]:
    if not rows:
        return []
    owner: type = type(rows[0])
    return [{facts.name: getattr(row, facts.name) for facts in fields_of(owner)} for row in rows]


_TYPES: Final[dict[Kind, pa.DataType]] = {
    "text": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "time": pa.timestamp("us"),
    "texts": pa.list_(pa.string()),
}
_READ: Final[defaultdict[Kind, Callable[[Any], Any]]] = defaultdict(
    lambda: _as_it_is, {"time": _instant, "rows": _dicts}
)
