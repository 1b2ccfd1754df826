"""Columns of telemetry's records: what their annotations say, and the JSON values that fit them.

Light on purpose: whoever appends records loads this module, so it imports the standard library alone. The Arrow
schema made from the same facts is in ``telemetry.arrow``, the data dictionary in ``telemetry.dictionary``.
"""

from __future__ import annotations

import socket
from dataclasses import MISSING, dataclass, fields
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin, get_type_hints

from telemetry.errors import RecordFormatError

if TYPE_CHECKING:
    from collections.abc import Callable

HOST: Final = socket.gethostname()
"""The host of this process, as every record names it."""

TEXT_LIMIT: Final = 500
"""Characters that are kept of each text that somebody else writes as they like."""

Kind = Literal["text", "integer", "number", "boolean", "time", "texts", "rows"]

_KINDS: Final[dict[object, Kind]] = {str: "text", int: "integer", float: "number", bool: "boolean"}


@dataclass(frozen=True, slots=True)
class Column:
    """What a field means, carried in its annotation.

    Attributes:
        description: One sentence for the data dictionary.
        unit: Unit of the value, empty where it has none.
        kind: Set where the Python type does not tell (a time is text in Python and a timestamp in Arrow).
        limit: Characters that are kept of a text; all of them if not set.
    """

    description: str
    unit: str = ""
    kind: Kind | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class FieldFacts:
    """One field of a record, as the schema, the checks and the dictionary see it.

    Attributes:
        name: Column name.
        kind: Kind of value.
        nullable: Whether the field may be empty.
        required: Whether it has no default.
        values: The allowed values, empty where any will do.
        column: Description and unit.
        row: Class of the rows inside, of a field of kind ``rows``.
    """

    name: str
    kind: Kind
    nullable: bool
    required: bool
    values: tuple[str, ...]
    column: Column
    row: type | None = None


@cache
def fields_of(owner: type) -> tuple[FieldFacts, ...]:
    """The fields of a dataclass whose annotations carry a ``Column`` each, in order."""
    hints = get_type_hints(owner, include_extras=True)
    return tuple(
        _facts(
            item.name,
            hints[item.name],
            required=item.default is MISSING and item.default_factory is MISSING,
        )
        for item in fields(owner)
    )


def checked(owner: str, facts: tuple[FieldFacts, ...], values: dict[str, Any]) -> dict[str, Any]:
    """Values that JSON gave, as the fields hold them.

    Args:
        owner: What messages call the record.
        facts: Its fields.
        values: By field name.

    Raises:
        RecordFormatError: A field is missing, unknown, or of the wrong type.
    """
    fitting = {}
    for fact in facts:
        if fact.name in values:
            fitting[fact.name] = _value(owner, fact, values[fact.name])
        elif fact.required:
            raise RecordFormatError(f"The {owner}'s field {fact.name!r} is missing.")
    if unknown := values.keys() - {fact.name for fact in facts}:
        raise RecordFormatError(f"The {owner} has unknown fields: {', '.join(sorted(unknown))}.")
    return fitting


def _facts(name: str, hint: object, *, required: bool) -> FieldFacts:
    inner, column = get_args(hint)
    options = [option for option in get_args(inner) if option is not type(None)]
    nullable = type(None) in get_args(inner)
    values: tuple[str, ...] = ()
    row: type | None = None
    kind: Kind
    if column.kind is not None:
        kind = column.kind
        row = options[0] if kind == "rows" else None
    elif get_origin(inner) is tuple:
        kind = "texts"
    elif get_origin(inner) is Literal:
        kind, values = "text", tuple(options)
    else:
        kind = _KINDS[options[0] if nullable else inner]
    return FieldFacts(name, kind, nullable, required, values, column, row)


def _value(owner: str, fact: FieldFacts, value: Any) -> Any:
    if value is None and fact.nullable:
        return None
    try:
        value = _rows(fact.row, value) if fact.row is not None else _READERS[fact.kind](value)
    except (TypeError, ValueError, OverflowError) as error:
        raise RecordFormatError(
            f"The {owner}'s field {fact.name!r} should be of kind {fact.kind}: {error}."
        ) from error
    if fact.values and value not in fact.values:
        raise RecordFormatError(
            f"The {owner}'s field {fact.name!r} is {value!r}; it is one of {', '.join(fact.values)}."
        )
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    # JSON can name a lone surrogate by its escape, which no UTF-8 column can hold.
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def _integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r} is not a whole number")
    if not _INT64_MIN <= value <= _INT64_MAX:
        raise ValueError(f"{value} does not fit 64 bits")
    return value


def _number(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{value!r} is not a number")
    return float(value)


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is neither true nor false")
    return value


def _time(value: Any) -> str:
    moment = datetime.fromisoformat(_text(value))
    if moment.utcoffset() is None:
        raise ValueError(f"{value!r} has no time zone")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is not a list")
    return tuple(_text(item) for item in value)


def _rows(row: type, value: Any) -> tuple[Any, ...]:
    owner = row.__name__.lower()
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise TypeError(f"it is not a list of {owner}s")
    return tuple(row(**checked(owner, fields_of(row), item)) for item in value)


_READERS: Final[dict[Kind, Callable[[Any], Any]]] = {
    "text": _text,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "time": _time,
    "texts": _texts,
}
_INT64_MIN: Final = -(2**63)
_INT64_MAX: Final = 2**63 - 1
