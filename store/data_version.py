"""What a table says, as one digest: the same for the same rows, however they are stored."""

from __future__ import annotations

import hashlib
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

# Who asked and when says nothing about what the table says.
_OF_THE_RUN = frozenset({"run_id", "answered_by"})


def data_version(
    table: pa.Table, *, volatile: Collection[str] = (), key: Sequence[str] = ("entry_id",)
) -> str:
    """SHA-256 over the rows in the order of `key`, without `run_id`, `answered_by` and `volatile`.

    Two tables that hold the same values have the same version: parts, chunks, order of rows and columns,
    dictionary encoding, widths of integers and floats, bits under nulls and schema metadata do not enter.

    Args:
        table: Rows; numbers, texts, bytes, dates, times, lists, structs, maps and dictionaries of them.
        volatile: Further columns that do not enter, such as times.
        key: Columns that name a row.

    Returns:
        64 hexadecimal digits.
    """
    order = pa.table({name: _plain(table[name]) for name in key})
    table = table.take(pc.sort_indices(order, sort_keys=[(name, "ascending") for name in key]))
    left_out = _OF_THE_RUN | frozenset(volatile)
    digest = hashlib.sha256(b"rows %d" % table.num_rows)
    for name in sorted(set(table.column_names) - left_out):
        column = hashlib.sha256()
        _feed(column, table[name].combine_chunks())
        digest.update(b"\n%s %s" % (name.encode(), column.digest()))
    return digest.hexdigest()


def _plain(values: Any) -> Any:
    return values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values


def _feed(digest: Any, values: pa.Array) -> None:
    """Feed one array in a form that only its values decide."""
    if isinstance(values, pa.ChunkedArray):
        values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], values.type)
    values = _plain(values)
    kind = values.type
    digest.update(b"%d:" % len(values))
    if values.null_count == len(values):
        # A column of nothing says the same whatever its type was guessed to be.
        digest.update(b"null;")
        return
    digest.update(np.packbits(values.is_null().to_numpy(zero_copy_only=False)).tobytes())
    _feed_values(digest, values.drop_null(), kind)


def _feed_values(digest: Any, values: pa.Array, kind: pa.DataType) -> None:
    """Feed an array without nulls, of one value or more."""
    if pa.types.is_nested(kind):
        _feed_nested(digest, values, kind)
    elif pa.types.is_floating(kind):
        numbers = values.cast(pa.float64()).to_numpy(zero_copy_only=False) + 0.0
        # One zero and one NaN, as a reader sees them.
        _feed_numbers(digest, b"float", np.where(np.isnan(numbers), np.nan, numbers))
    elif pa.types.is_integer(kind):
        # Only what is beyond a signed integer needs a kind of its own.
        beyond = pa.types.is_uint64(kind) and pc.max(values).as_py() >= 2**63
        numbers = values.to_numpy() if beyond else values.cast(pa.int64()).to_numpy()
        _feed_numbers(digest, b"uint" if beyond else b"int", numbers)
    elif pa.types.is_boolean(kind):
        _feed_numbers(digest, b"bool", values.cast(pa.uint8()).to_numpy())
    elif pa.types.is_timestamp(kind):
        zone = b"instant" if kind.tz is not None else b"local time"
        # Parquet knows no seconds, and Python no nanoseconds: one instant, whichever unit held it.
        count = values.cast(pa.int64()).to_numpy()
        if kind.unit != "ns" or not (count % 1000).any():
            values = values.cast(pa.timestamp("us", kind.tz))
        _feed_numbers(
            digest, b"%s %s" % (zone, values.type.unit.encode()), values.cast(pa.int64()).to_numpy()
        )
    elif pa.types.is_duration(kind):
        _feed_numbers(digest, str(kind).encode(), values.cast(pa.int64()).to_numpy())
    elif _is_bytes(kind):
        _feed_texts(digest, b"bytes", values.cast(pa.large_binary()))
    else:
        # Text; and dates, times and decimals, whose text is exact.
        name = b"text" if _is_text(kind) else str(kind).encode()
        _feed_texts(digest, name, values.cast(pa.large_string()))


def _feed_nested(digest: Any, values: pa.Array, kind: pa.DataType) -> None:
    if pa.types.is_struct(kind):
        digest.update(b"struct;")
        fields = dict(zip((field.name for field in kind), values.flatten(), strict=True))
        for name in sorted(fields):
            digest.update(b"%d:%s" % (len(name.encode()), name.encode()))
            _feed(digest, fields[name])
        return
    digest.update(b"map;" if pa.types.is_map(kind) else b"list;")
    if pa.types.is_map(kind):
        # Rare and small; a slice's offsets into shared keys are easy to get wrong.
        rows = values.to_pylist()
        _feed_numbers(digest, b"lengths", np.array([len(row) for row in rows], np.int64))
        pairs = list(chain.from_iterable(rows))
        _feed(digest, pa.array([pair[0] for pair in pairs], kind.key_type))
        _feed(digest, pa.array([pair[1] for pair in pairs], kind.item_type))
        return
    _feed_numbers(digest, b"lengths", pc.list_value_length(values).cast(pa.int64()).to_numpy())
    _feed(digest, values.flatten())


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
    )


def _feed_numbers(digest: Any, kind: bytes, numbers: np.ndarray[Any, Any]) -> None:
    digest.update(b"%s;" % kind)
    digest.update(np.ascontiguousarray(numbers, dtype=numbers.dtype.newbyteorder("<")).tobytes())


def _feed_texts(digest: Any, kind: bytes, values: pa.Array) -> None:
    """Feed a large_string or large_binary array without nulls: its lengths, then its bytes end to end."""
    _, offsets, data = values.buffers()
    ends = np.frombuffer(offsets, np.int64)[values.offset : values.offset + len(values) + 1]
    _feed_numbers(digest, kind, np.diff(ends))
    if data is not None:
        # What a slice shares with other arrays does not enter.
        digest.update(memoryview(data)[int(ends[0]) : int(ends[-1])])
