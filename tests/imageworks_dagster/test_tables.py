import numpy as np
import pytest

from imageworks_dagster.pipelines import PIPELINES
from imageworks_dagster.tables import SHAPES, SIGNALS, Column, TableShape
from photos.signals import measure

SMALL = TableShape(
    "judge/small",
    (
        Column("entry_id", "text", "Names the entry."),
        Column("score", "number", "Mark."),
        Column("words", "texts", "Words."),
        Column("run_id", "text", "Run.", volatile=True),
    ),
)


def test_every_stage_of_every_pipeline_has_a_declared_table():
    assert set(SHAPES) == {stage.asset for pipeline in PIPELINES.values() for stage in pipeline.stages}


@pytest.mark.parametrize("asset", SHAPES)
def test_every_table_names_entry_photo_batch_and_run(asset):
    names = [column.name for column in SHAPES[asset].columns]

    assert {"entry_id", "photo_id", "batch", "run_id", "error_class"} <= set(names)
    assert len(names) == len(set(names))
    assert all(column.description.endswith(".") for column in SHAPES[asset].columns)


@pytest.mark.parametrize(
    "asset", [stage.asset for pipeline in PIPELINES.values() for stage in pipeline.asking]
)
def test_where_a_model_answered_the_row_says_who_and_by_what_prompt(asset):
    names = {column.name for column in SHAPES[asset].columns}

    assert {"answered_by", "profile_id", "stage_hash", "model", "model_revision"} <= names


def test_the_signals_columns_are_the_signals_that_are_measured():
    measured = measure(np.zeros((64, 64, 3), np.uint8)).as_dict()

    assert [column.name for column in SIGNALS] == list(measured)


def test_rows_are_ordered_and_missing_columns_are_null():
    table = SMALL.build([{"entry_id": "b", "score": 2.0}, {"entry_id": "a", "words": ["x"]}])

    assert table.to_pylist() == [
        {"entry_id": "a", "score": None, "words": ["x"], "run_id": None},
        {"entry_id": "b", "score": 2.0, "words": None, "run_id": None},
    ]


def test_an_undeclared_column_is_refused():
    with pytest.raises(KeyError, match="mood"):
        SMALL.build([{"entry_id": "a", "mood": "calm"}])


def test_descriptions_travel_in_the_parquet_schema():
    field = SMALL.arrow_schema().field("score")

    assert field.metadata[b"description"] == b"Mark."


def test_volatile_columns_are_named():
    assert SMALL.volatile == {"run_id"}
