from __future__ import annotations

import pytest

from backends.leases.policy import plan
from backends.simulation.errors import WorkloadError
from backends.simulation.exhaustive import shortest_makespan
from backends.simulation.figures import figures
from backends.simulation.playing import play
from backends.simulation.workload import Batch, PlayedModel, Workload, parse_devices, read_workload

LARGE = PlayedModel(memory_mib=16_000, load_s=60, slots=4)
QUICK = PlayedModel(memory_mib=14_000, load_s=20, slots=4)
SLOW = PlayedModel(memory_mib=20_000, load_s=120, slots=4)

SMALL_CASES = {
    "two batches, two models": Workload(
        models={"a": LARGE, "b": LARGE},
        batches=(
            Batch(name="one", model="a", requests=60, seconds=10),
            Batch(name="two", model="b", requests=60, seconds=10),
        ),
    ),
    "two stages of two clubs": Workload(
        models={"a": LARGE, "b": QUICK},
        batches=(
            Batch(name="one/first", model="a", requests=50, seconds=8),
            Batch(name="one/then", model="b", requests=40, seconds=8, after="one/first"),
            Batch(name="two/first", model="a", requests=50, seconds=8, arrives_s=90),
            Batch(name="two/then", model="b", requests=40, seconds=8, after="two/first"),
        ),
    ),
    "three models, one comes late": Workload(
        models={"a": LARGE, "b": QUICK, "c": SLOW},
        batches=(
            Batch(name="one", model="a", requests=80, seconds=10),
            Batch(name="two", model="b", requests=80, seconds=10, arrives_s=30),
            Batch(name="three", model="c", requests=80, seconds=10, arrives_s=60),
        ),
    ),
    "one batch goes on for long": Workload(
        models={"a": LARGE, "b": QUICK},
        batches=(
            Batch(name="long", model="a", requests=400, seconds=10),
            Batch(name="short", model="b", requests=20, seconds=10, arrives_s=200),
        ),
    ),
}


@pytest.mark.parametrize("case", SMALL_CASES)
def test_on_one_card_the_makespan_is_within_15_percent_of_the_best_order(case):
    workload, card = SMALL_CASES[case], parse_devices(["24G"])
    best = shortest_makespan(workload, card, turns=4)
    assert figures(play(workload, card, plan)).makespan_s <= 1.15 * best


@pytest.mark.slow
def test_on_two_cards_the_makespan_is_within_15_percent_of_the_best_order():
    workload, cards = SMALL_CASES["three models, one comes late"], parse_devices(["24G", "24G"])
    best = shortest_makespan(workload, cards, turns=2)
    assert figures(play(workload, cards, plan)).makespan_s <= 1.15 * best


def test_the_best_order_of_two_batches_is_one_after_the_other():
    workload, card = SMALL_CASES["two batches, two models"], parse_devices(["24G"])
    # Each: 60 s to load, then 60 requests of about 10 s, four at a time; one switch between them, of 2 s.
    assert shortest_makespan(workload, card, turns=3) == pytest.approx(2 * (60 + 150) + 2, rel=0.05)


def test_too_many_orders_are_refused():
    with pytest.raises(WorkloadError, match="too many to try"):
        shortest_makespan(read_workload("mixed-slices"), parse_devices(["24G", "24G", "24G"]), turns=4)
