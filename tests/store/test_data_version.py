"""The digest of what a table says: the same for the same values, another for any other."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.data_version import data_version

texts = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
numbers = st.one_of(st.none(), st.floats(allow_nan=True))
rows = st.lists(
    st.fixed_dictionaries(
        {
            "photo_id": texts,
            "score": st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
            "sharpness": numbers,
            "ok": st.one_of(st.none(), st.booleans()),
            "keywords": st.one_of(st.none(), st.lists(texts, max_size=3)),
            "signals": st.one_of(st.none(), st.fixed_dictionaries({"a": numbers, "b": texts})),
        }
    ),
    max_size=12,
).map(lambda made: [{"entry_id": f"b/{number}", **row} for number, row in enumerate(made)])

SCHEMA = pa.schema(
    [
        ("entry_id", pa.string()),
        ("photo_id", pa.string()),
        ("score", pa.int64()),
        ("sharpness", pa.float64()),
        ("ok", pa.bool_()),
        ("keywords", pa.list_(pa.string())),
        ("signals", pa.struct([("a", pa.float64()), ("b", pa.string())])),
    ]
)


def built(some):
    return pa.Table.from_pylist(some, schema=SCHEMA)


@given(rows, st.randoms(), st.integers(1, 5))
def test_order_of_rows_and_columns_and_chunks_do_not_enter(some, random, size):
    table = built(some)
    shuffled = random.sample(some, len(some))
    columns = random.sample(SCHEMA.names, len(SCHEMA.names))
    chunked = pa.concat_tables(
        [built(shuffled[start : start + size]) for start in range(0, len(some), size)] or [table]
    )
    assert data_version(chunked.select(columns)) == data_version(table)


@given(rows)
def test_a_way_through_parquet_does_not_enter(some):
    table = built(some)
    file = io.BytesIO()
    pq.write_table(table, file, use_dictionary=["photo_id"], row_group_size=3)
    assert data_version(pq.read_table(file)) == data_version(table)


@given(rows, st.integers(0, 4), st.integers(0, 4))
def test_a_slice_is_worth_its_own_rows(some, before, after):
    kept = some[before : len(some) - after]
    sliced = built(some).slice(before, len(kept))
    assert data_version(sliced) == data_version(built(kept))


@given(rows, rows)
def test_two_tables_have_one_version_only_if_they_say_the_same(one, other):
    first, second = built(one), built(other)
    # Read back, so that the order in which a row's names were drawn does not enter.
    said = [repr(table.to_pylist()).replace("-0.0", "0.0") for table in (first, second)]
    assert (data_version(first) == data_version(second)) == (said[0] == said[1])


def test_widths_and_encodings_do_not_enter():
    wide = pa.table(
        {"entry_id": ["a", "b"], "n": [1, None], "x": [0.5, 2.0], "t": ["u", None], "k": [["v"], []]}
    )
    narrow = pa.table(
        {
            "entry_id": pa.array(["a", "b"]).dictionary_encode(),
            "n": pa.array([1, None], pa.uint8()),
            "x": pa.array([0.5, 2.0], pa.float32()),
            "t": pa.array(["u", None], pa.large_string()),
            "k": pa.array([["v"], []], pa.large_list(pa.large_string())),
        }
    )
    assert data_version(narrow) == data_version(wide)


def test_a_column_of_nothing_says_the_same_whatever_its_type():
    versions = {
        data_version(pa.table({"entry_id": ["a"], "error_class": pa.array([None], kind)}))
        for kind in (pa.null(), pa.string(), pa.int64(), pa.list_(pa.string()))
    }
    assert len(versions) == 1


def test_schema_metadata_does_not_enter():
    table = pa.table({"entry_id": ["a"]})
    assert data_version(table.replace_schema_metadata({"pandas": "{}"})) == data_version(table)


def test_the_run_and_what_is_volatile_do_not_enter():
    def table(run, request, seconds, score):
        return pa.table(
            {
                "entry_id": ["a"],
                "run_id": [run],
                "answered_by": [request],
                "seconds": [seconds],
                "score": [score],
            }
        )

    first = data_version(table("r1", "q1", 1.0, 18), volatile=["seconds"])
    assert data_version(table("r2", "q2", 2.0, 18), volatile=["seconds"]) == first
    assert data_version(table("r1", "q1", 1.0, 19), volatile=["seconds"]) != first
    assert data_version(table("r1", "q1", 1.0, 18)) != first


def test_where_a_text_ends_does_enter():
    def table(*values):
        return pa.table({"entry_id": ["1", "2"], "t": pa.array(values)})

    assert data_version(table("ab", "c")) != data_version(table("a", "bc"))
    assert data_version(table("", "x")) != data_version(table(None, "x"))
    assert data_version(table(["a", "b"], [])) != data_version(table(["a"], ["b"]))


def test_a_text_and_a_number_that_look_alike_differ():
    alike = ([1, 2], [1.0, 2.0], ["1", "2"], [b"1", b"2"], [True, False])
    versions = {data_version(pa.table({"entry_id": ["a", "b"], "x": pa.array(values)})) for values in alike}
    assert len(versions) == len(alike)


def test_an_instant_is_one_in_any_unit():
    noon = datetime(2026, 3, 4, 12, 0, 0, tzinfo=UTC)

    def version(unit):
        return data_version(pa.table({"entry_id": ["a"], "at": pa.array([noon], pa.timestamp(unit, "UTC"))}))

    assert len({version(unit) for unit in ("s", "ms", "us", "ns")}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (date(2026, 1, 1), date(2026, 1, 2)),
        (Decimal("1.10"), Decimal("1.11")),
        (timedelta(seconds=1), timedelta(seconds=2)),
        (datetime(2026, 1, 1, 0, 0, 0, 1), datetime(2026, 1, 1, 0, 0, 0, 2)),  # noqa: DTZ001 - a local time
    ],
)
def test_rarer_types_enter_by_their_values(one, other):
    def version(value):
        return data_version(pa.table({"entry_id": ["a", "b"], "x": pa.array([value, None])}))

    assert version(one) == version(one)
    assert version(one) != version(other)


def test_numbers_beyond_a_signed_integer_enter_exactly():
    def version(*values):
        return data_version(pa.table({"entry_id": ["a", "b"], "x": pa.array(values, pa.uint64())}))

    assert len({version(2**64 - 1, 0), version(2**64 - 2, 0), version(2**63 - 1, 0)}) == 3


def test_maps_enter_by_their_pairs():
    def version(*rows):
        kind = pa.map_(pa.string(), pa.int64())
        return data_version(pa.table({"entry_id": ["a", "b"], "x": pa.array(rows, kind)}))

    assert version([("k", 1)], None) == version([("k", 1)], None)
    assert version([("k", 1)], None) != version([("k", 2)], None)
    assert version([("k", 1), ("l", 2)], []) != version([("k", 1)], [("l", 2)])


def test_nan_is_nan_and_zero_is_zero_whatever_their_bits():
    def version(*values):
        return data_version(pa.table({"entry_id": ["a", "b"], "x": pa.array(values, pa.float64())}))

    assert version(float("nan"), 0.0) == version(-float("nan"), -0.0)
    assert version(float("nan"), 0.0) != version(None, 0.0)


def test_rows_may_be_named_by_several_columns():
    table = pa.table({"entry_id": ["a", "a"], "round": [1, 2], "won": [True, False]})
    turned = table.take([1, 0])
    assert data_version(turned, key=("entry_id", "round")) == data_version(table, key=("entry_id", "round"))
