from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.bytes_in_flight import ByteBudget

pytestmark = pytest.mark.anyio


@given(sizes=st.lists(st.integers(0, 300), max_size=30), canceled=st.sets(st.integers(0, 29)))
def test_the_bound_holds_and_all_is_given_back(sizes, canceled):
    async def main():
        budget = ByteBudget(200)

        async def hold(size):
            reservation = await budget.take(size)
            with reservation:
                assert budget.in_flight <= 200
                await asyncio.sleep(0)

        tasks = [asyncio.create_task(hold(size)) for size in sizes]
        await asyncio.sleep(0)
        for number in canceled:
            if number < len(tasks):
                tasks[number].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert budget.in_flight == 0

    asyncio.run(main())


async def test_a_large_body_is_not_overtaken_for_ever():
    budget = ByteBudget(100)
    first = await budget.take(60)
    large = asyncio.create_task(budget.take(90))
    await asyncio.sleep(0)
    small = asyncio.create_task(budget.take(10))
    await asyncio.sleep(0)
    assert not small.done()
    with first:
        pass
    await large
    await small
    assert budget.in_flight == 100


async def test_a_canceled_wait_lets_those_behind_it_pass():
    budget = ByteBudget(100)
    await budget.take(60)
    large = asyncio.create_task(budget.take(90))
    small = asyncio.create_task(budget.take(10))
    await asyncio.sleep(0)
    large.cancel()
    await small
    assert budget.in_flight == 70
