"""What rows of tagging say of other photos than their own, taken out when those are forgotten.

In a burst one frame speaks for others that look like it: their rows name it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable

FORGOTTEN = "a photo that was forgotten"


def unmention(asset: str, others: pa.Table, forgotten: pa.Table, /) -> pa.Table:
    """Take the entries of forgotten photos out of a table's other rows.

    A photo that was to carry a forgotten one's answer is asked about itself next time. One that carries it keeps the
    words, which are its own photo's by now, and still says that they were shared.
    """
    gone = (
        set(forgotten["entry_id"].to_pylist())
        if asset.startswith("tagger/") and forgotten.num_rows
        else set()
    )
    if "carries_answer_of" in others.column_names:
        return _without(others, "carries_answer_of", gone, lambda _: None)
    if "shared_from" in others.column_names:
        return _without(others, "shared_from", gone, lambda entry: f"{entry.partition('/')[0]}/{FORGOTTEN}")
    return others


def _without(table: pa.Table, name: str, gone: set[str], instead: Callable[[str], str | None]) -> pa.Table:
    before = table[name].to_pylist()
    after = [instead(entry) if entry in gone else entry for entry in before]
    if after == before:
        return table
    index = table.schema.get_field_index(name)
    kind = table.schema.field(index)
    return table.set_column(index, kind, pa.array(after, kind.type))
