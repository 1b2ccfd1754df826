"""Records as JSON: what the spool writes of them, and what it reads."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from numbers import Real
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

import orjson

from telemetry.columns import checked
from telemetry.errors import NewerRecord, RecordFormatError
from telemetry.record_kinds import KINDS

if TYPE_CHECKING:
    from telemetry.record_kinds import Record, RecordKind

# What is no plain value is refused by orjson, and then written in words. A NaN is written as nothing.
_PLAIN_ONLY: Final = (
    orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS
)

# There is one empty tuple in CPython, and this is asked for each field of each event. Where there were two, the field
# would be written as an empty list, which is read the same.
_NO_ITEMS: Final = ()


def to_json(record: Record) -> bytes:
    """A record as one line of JSON in UTF-8, without a newline and without empty fields.

    Never raises for a value of the wrong type: what JSON cannot hold is replaced (a NaN by nothing, another
    object by its text), so that a strange value cannot cost a record. Texts that others write are cut, so that
    they cannot make a line that is too long for a reader.
    """
    names, read, limits, rows = _WRITTEN[type(record)]
    values = {
        name: value
        for name, value in zip(names, read(record), strict=False)
        if value is not None and value is not _NO_ITEMS
    }
    for name, limit in limits:
        if name in values:
            values[name] = _shortened(str(values[name]), limit)
    for name, row_names, read_row in rows:
        if name in values:
            values[name] = [dict(zip(row_names, read_row(row), strict=False)) for row in values[name]]
    try:
        return orjson.dumps(values, option=_PLAIN_ONLY)
    except orjson.JSONEncodeError:
        return json.dumps(_plain(values), separators=(",", ":")).encode()


def from_json(kind: RecordKind, line: bytes | str, *, seq: int | None = None) -> Record:
    """The record that ``to_json`` wrote.

    Args:
        kind: Which kind it is of.
        line: JSON of one record.
        seq: Number of the record in its spool, which stands beside it there.

    Raises:
        NewerRecord: The record has a higher ``schema_version`` than this code.
        RecordFormatError: It is not JSON, a field is missing, unknown, or of the wrong type.
    """
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RecordFormatError(f"This {kind.word} is not JSON: {error}.") from error
    if not isinstance(values, dict):
        raise RecordFormatError(f"This {kind.word} is a JSON {type(values).__name__}, and no object.")
    version = values.get("schema_version")
    if isinstance(version, int) and version > kind.version:
        raise NewerRecord(
            f"This {kind.word} has schema version {version}; this code knows {kind.version}. Update the software."
        )
    if seq is not None:
        values["seq"] = seq
    return kind.record(**checked(kind.word, kind.fields, values))


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Real):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_plain(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return _plain(str(value))


_Names = tuple[str, ...]
_Read = Callable[[Any], tuple[Any, ...]]


def _reading(owner: type) -> tuple[_Names, _Read]:
    names = tuple(item.name for item in fields(owner))
    return names, attrgetter(*names)


def _written(
    kind: RecordKind,
) -> tuple[_Names, _Read, list[tuple[str, int]], list[tuple[str, _Names, _Read]]]:
    """What ``to_json`` needs of a kind: its fields, how to read them, which to cut, which hold rows."""
    limits = [(fact.name, fact.column.limit) for fact in kind.fields if fact.column.limit is not None]
    rows = [(fact.name, *_reading(fact.row)) for fact in kind.fields if fact.row is not None]
    return (*_reading(kind.record), limits, rows)


_WRITTEN: Final = {kind.record: _written(kind) for kind in KINDS}
