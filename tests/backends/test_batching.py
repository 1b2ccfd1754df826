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
    await asyncio.wait(futures)
    assert all(future.cancelled() for future in futures)
    assert await batched.add("done") == "done"
    assert batched.leave() == []
