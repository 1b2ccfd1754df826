"""The rows of tables: what each must have, and which of them are about a photo."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from store.errors import InvalidTable

if TYPE_CHECKING:
    from collections.abc import Sequence

_PHOTO_COLUMN = re.compile(r"photo_ids?(?:_.+)?|.+_photo_ids?")


def completed(table: pa.Table, asset: str, *, batch: str, run_id: str, key: Sequence[str]) -> pa.Table:
    """The table with the columns that every table has.

    Args:
        table: With `entry_id` and `photo_id`; `batch` and `run_id` are added when missing.
        asset: Asset key, for messages.
        batch: The batch's name.
        run_id: The run that made the rows.
        key: Columns that together name a row.

    Raises:
        InvalidTable: A column is missing or of another batch or run, or `key` is null or double somewhere.
    """
    missing = [
        name for name in dict.fromkeys(("entry_id", "photo_id", *key)) if name not in table.column_names
    ]
    if missing:
        raise InvalidTable(
            f"The table {asset} has no column {' and no '.join(missing)}; every table needs them."
        )
    for name, value in (("batch", batch), ("run_id", run_id)):
        if name not in table.column_names:
            table = table.append_column(name, pa.repeat(pa.scalar(value), table.num_rows))
        elif table.num_rows and pc.unique(table[name]).to_pylist() != [value]:
            raise InvalidTable(
                f"The table {asset} is published for {name} {value!r} and holds rows of others."
            )
    for name in key:
        if table[name].null_count:
            raise InvalidTable(f"The table {asset} has {table[name].null_count} rows without {name}.")
    counted = table.group_by(list(key)).aggregate([([], "count_all")])
    if counted.num_rows != table.num_rows:
        double = counted.filter(pc.greater(counted["count_all"], 1)).to_pylist()[0]
        shown = ", ".join(f"{name} {double[name]!r}" for name in key)
        raise InvalidTable(f"The table {asset} has {double['count_all']} rows of {shown}; one is right.")
    return table


def rows_of_photos(table: pa.Table, wanted: pa.Array) -> pa.ChunkedArray | pa.Array:
    """A mask, one bool a row: does any photo column of the row hold a wanted photo?"""
    mask = pa.repeat(pa.scalar(False), table.num_rows)
    for name in table.column_names:
        if _PHOTO_COLUMN.fullmatch(name) is None:
            continue
        column = table[name].combine_chunks()
        if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
            hits = pc.is_in(column.flatten().cast(pa.string()), value_set=wanted)
            rows = pc.list_parent_indices(column).filter(hits)
            mask = pc.or_(mask, pc.is_in(pa.array(range(table.num_rows), rows.type), value_set=rows))
        elif not pa.types.is_null(column.type):
            mask = pc.or_(mask, pc.is_in(column.cast(pa.string()), value_set=wanted))
    return mask
