"""A large batch in parts: how entries are divided, and what the steps of a stage tell each other."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imageworks_dagster.parts import (
    MOST_PARTS,
    PartFiles,
    Plan,
    burst_of,
    divided,
    forget_parts,
    not_covered,
    sweep,
)
from imageworks_dagster.stages import Tally
from store.home import Home
from store.pointers import TablePointer

ASSET, RUN = "judge/critiques", "9b2d"


def entries(count, leads=()):
    leads = dict(leads)
    return [
        {
            "entry_id": f"b/{number}",
            "photo_id": f"p{number}",
            "carries_answer_of": f"b/{leads[number]}" if number in leads else None,
        }
        for number in range(count)
    ]


@st.composite
def batches(draw):
    """Batches in which some photos carry the answer of one before them."""
    count = draw(st.integers(0, 300))
    followers = draw(st.sets(st.integers(1, max(1, count - 1)), max_size=count))
    leads, lead = {}, 0
    for number in range(count):
        if number in followers:
            leads[number] = lead
        else:
            lead = number
    return entries(count, leads)


@given(batches(), st.integers(2, 100))
def test_each_entry_is_in_one_part_with_its_burst_and_no_part_is_empty(batch, at_most):
    parts = divided(batch, at_most)

    assert sorted(one for part in parts for one in part) == sorted(one["entry_id"] for one in batch)
    assert all(parts)
    where = {one: number for number, part in enumerate(parts) for one in part}
    assert all(where[one["entry_id"]] == where[burst_of(one)] for one in batch)
    assert len(parts) <= MOST_PARTS


@given(st.integers(0, 5000), st.integers(2, 400))
def test_parts_are_of_one_size_and_no_larger_than_asked_for_unless_they_were_too_many(count, at_most):
    sizes = [len(part) for part in divided(entries(count), at_most)]

    assert max(sizes, default=0) - min(sizes, default=0) <= 1
    assert max(sizes, default=0) <= max(at_most, -(-count // MOST_PARTS))


def test_a_batch_that_is_no_larger_than_a_part_is_one():
    assert len(divided(entries(100), 100)) == 1
    assert len(divided(entries(101), 100)) == 2


def test_what_no_part_covers_is_left_with_its_whole_burst():
    batch = entries(6, {3: 2, 4: 2})
    rows = [one for one in batch if one["entry_id"] not in {"b/0", "b/4"}]

    assert not_covered(batch, rows) == {"b/0", "b/2", "b/3", "b/4"}
    assert not_covered(batch, batch) == frozenset()


def test_an_entry_that_is_another_picture_by_now_is_not_covered():
    batch = entries(2)

    assert not_covered(batch, [{**batch[0], "photo_id": "another"}, batch[1]]) == {"b/0"}


@dg.job
def nothing():
    """Of no steps."""


@pytest.fixture
def home(settings):
    return Home.of(settings).create()


@pytest.fixture
def plan(home):
    before = TablePointer(
        ASSET, "b", "an-earlier-run", 3, "d1", home.assets / ASSET / "b" / "an-earlier-run", datetime.now(UTC)
    )
    return Plan({"1_of_2": frozenset({"b/0"}), "2_of_2": frozenset({"b/1", "b/2"})}, before, 12.5)


def test_steps_of_one_stage_tell_each_other_the_plan_the_rows_and_what_requests_came_to(home, plan):
    table = pa.table({"entry_id": ["b/0"], "score": [7], "texts": [["a", "b"]], "nothing": pa.nulls(1)})
    tally = Tally(asked=3, lease_wait_ms=1.5, deployments={"local"}, model_switches=[{"what": "loaded"}])
    PartFiles(home, RUN, ASSET).keep_plan(plan)
    PartFiles(home, RUN, ASSET).keep("1_of_2", table, tally)

    files = PartFiles(home, RUN, ASSET)
    assert files.plan() == plan
    assert files.read("1_of_2") == (table.to_pylist(), tally)
    assert files.read("2_of_2") is None
    assert PartFiles(home, RUN, "judge/signals").plan() is None
    assert PartFiles(home, "another", ASSET).plan() is None


def test_the_plan_of_a_batch_that_had_no_table_says_so(home):
    first = Plan({"1_of_2": frozenset({"b/0"}), "2_of_2": frozenset({"b/1"})}, None, 1.0)
    PartFiles(home, RUN, ASSET).keep_plan(first)

    assert PartFiles(home, RUN, ASSET).plan() == first


def test_a_part_that_cannot_be_read_counts_as_one_that_is_gone_and_is_told(home, caplog):
    files = PartFiles(home, RUN, ASSET)
    files.keep("1_of_2", pa.table({"entry_id": ["b/0"]}), Tally())
    (path,) = home.parts.rglob("*.parquet")
    path.write_bytes(path.read_bytes()[:40])

    assert files.read("1_of_2") is None
    assert "What came of part 1_of_2 cannot be read." in caplog.text


def test_nothing_is_left_of_a_stage_that_is_published_and_all_of_another(home, plan):
    mine, other = PartFiles(home, RUN, ASSET), PartFiles(home, RUN, "judge/signals")
    mine.keep_plan(plan)
    other.keep_plan(plan)

    mine.remove()
    assert mine.plan() is None
    assert other.plan() == plan

    other.remove()
    assert list(home.parts.iterdir()) == []


def test_what_a_run_left_that_is_over_goes_and_what_belongs_to_one_under_way_stays(home, plan, instance):
    runs = {
        status: instance.create_run_for_job(nothing, status=status).run_id
        for status in (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.FAILURE)
    }
    for run_id in (*runs.values(), "of-another-dagster"):
        PartFiles(home, run_id, ASSET).keep_plan(plan)

    sweep(home, instance)

    assert {path.name for path in home.parts.iterdir()} == {
        runs[dg.DagsterRunStatus.STARTED],
        "of-another-dagster",
    }


def test_forgetting_removes_what_all_runs_have(home, plan, instance):
    PartFiles(home, RUN, ASSET).keep_plan(plan)

    forget_parts(home)

    assert PartFiles(home, RUN, ASSET).plan() is None
    sweep(home, instance)


def test_what_the_requests_of_parts_came_to_is_added_up():
    whole = Tally(asked=1, recalled=2, deployments={"here"}, lease_waiters={"w1"})
    whole.add(
        Tally(
            asked=3,
            input_tokens=5,
            lease_wait_ms=2.5,
            telemetry_failing=True,
            deployments={"there"},
            lease_waiters={"w2"},
            model_switches=[{"what": "loaded"}],
        )
    )

    assert whole == Tally(
        asked=4,
        recalled=2,
        input_tokens=5,
        lease_wait_ms=2.5,
        telemetry_failing=True,
        deployments={"here", "there"},
        lease_waiters={"w1", "w2"},
        model_switches=[{"what": "loaded"}],
    )
