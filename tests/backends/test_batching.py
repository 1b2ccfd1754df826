from __future__ import annotations

import asyncio

import pytest

from backends.batching import Batched

pytestmark = pytest.mark.anyio


async def test_what_comes_while_work_is_under_way_is_done_together():
    groups = []
    gate = asyncio.Event()

    async def work(items):
        groups.append(list(items))
        await gate.wait()
        return [item * 2 for item in items]

    batched = Batched(work, at_most=3)
    futures = [batched.add(1)]
    await asyncio.sleep(0)
    futures += [batched.add(item) for item in (2, 3, 4, 5)]
    gate.set()
    assert await asyncio.gather(*futures) == [2, 4, 6, 8, 10]
    assert groups == [[1], [2, 3, 4], [5]]


async def test_a_failure_reaches_all_of_its_group_and_nobody_else():
    async def work(items):
        if "bad" in items:
            raise OSError("no")
        return items

    batched = Batched(work, at_most=2)
    results = await asyncio.gather(
        *(batched.add(item) for item in ("bad", "a", "b", "c")), return_exceptions=True
    )
    assert [str(result) for result in results] == ["no", "no", "b", "c"]


async def test_work_that_was_begun_is_finished_though_nobody_waits():
    done = []

    async def work(items):
        await asyncio.sleep(0)
        done.extend(items)
        return items

    batched = Batched(work, at_most=9)
    batched.add("a").cancel()
    await batched.drain()
    assert done == ["a"]


async def test_what_is_left_is_what_is_being_worked_on_and_what_waits():
    begun = asyncio.Event()

    async def work(items):
        if "done" not in items:
            begun.set()
            await asyncio.Event().wait()
        return items

    batched = Batched(work, at_most=2)
    await batched.add("done")
    futures = [batched.add(item) for item in ("a", "b", "c")]
    await begun.wait()
    assert batched.leave() == ["a", "b", "c"]
    assert all(future.cancelled() for future in futures)
    assert await batched.add("done") == "done"
    await batched.drain()
    assert batched.leave() == []


async def test_a_group_waits_for_all_that_are_expected():
    groups = []

    async def work(items):
        groups.append(list(items))
        return items

    batched = Batched(work, at_most=9, gather_s=3600, expected=lambda: 3)
    futures = [batched.add(1)]
    await asyncio.sleep(0)
    futures.append(batched.add(2))
    await asyncio.sleep(0)
    assert groups == []
    futures.append(batched.add(3))
    assert await asyncio.gather(*futures) == [1, 2, 3]
    assert groups == [[1, 2, 3]]


async def test_a_full_group_and_one_that_waited_long_enough_wait_for_no_more():
    groups = []

    async def work(items):
        groups.append(list(items))
        return items

    batched = Batched(work, at_most=2, gather_s=0.001, expected=lambda: 99)
    await asyncio.gather(*(batched.add(item) for item in (1, 2, 3)))
    assert groups == [[1, 2], [3]]


async def test_draining_waits_for_nobody_who_is_still_expected():
    async def work(items):
        return items

    batched = Batched(work, at_most=9, gather_s=3600, expected=lambda: 99)
    future = batched.add(1)
    await asyncio.sleep(0)
    await batched.drain()
    assert future.result() == 1
