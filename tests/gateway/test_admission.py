"""Requests are let in by turns: nobody starves, queues are bounded, and who leaves leaves nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admission import Admission
from gateway.errors import Overloaded, Unavailable

pytestmark = pytest.mark.anyio

KINDS = ("interactive", "batch")


class Crowd:
    """Callers before an admission. Each one that was let in stays until told to go."""

    def __init__(self, *, at_once=1, waiting=100):
        self.admission = Admission(at_once=at_once, waiting=waiting)
        self.let_in = []
        self.refused = []
        self._go = {}
        self._tasks = {}

    async def comes(self, name, caller, kind="interactive"):
        self._go[name] = asyncio.Event()

        async def stay():
            try:
                async with self.admission.admitted(caller, kind):
                    self.let_in.append(name)
                    await self._go[name].wait()
            except Overloaded as error:
                self.refused.append((name, error.retry_after_s))
            except Unavailable:
                self.refused.append((name, None))

        self._tasks[name] = asyncio.create_task(stay())
        await settled()

    async def goes(self, name):
        self._go[name].set()
        await self._tasks[name]
        await settled()

    async def leaves(self, name):
        self._tasks[name].cancel()
        await asyncio.gather(self._tasks[name], return_exceptions=True)
        await settled()

    async def all_go(self):
        """Each goes as soon as it is let in, one after another, until nobody is left."""
        gone = 0
        while gone < len(self.let_in):
            await self.goes(self.let_in[gone])
            gone += 1


async def settled():
    for _ in range(4):
        await asyncio.sleep(0)


def nothing_left(admission):
    return not admission.under_way.total() and not any(
        admission._queues[kind].turns or admission.waiting_of(kind) for kind in KINDS
    )


@given(callers=st.lists(st.sampled_from("abc"), max_size=30), at_once=st.integers(1, 4))
async def test_no_caller_starves_behind_anothers_many(callers, at_once):
    crowd = Crowd(at_once=at_once)
    for number, caller in enumerate(callers):
        await crowd.comes(f"{caller}{number}", caller)
    await crowd.all_go()
    assert len(crowd.let_in) == len(callers)
    waited = [name[0] for name in crowd.let_in[at_once:]]
    # Between two of one caller's turns, every other who waits has at most one more than one turn.
    for caller in set(waited):
        places = [place for place, name in enumerate(waited) if name == caller]
        for before, after in zip([-1, *places], places, strict=False):
            between = Counter(waited[before + 1 : after])
            assert all(count <= 1 for count in between.values())
    # And each caller's own are served in the order in which they came.
    for caller in set(callers):
        own = [int(name[1:]) for name in crowd.let_in if name[0] == caller]
        assert own == sorted(own)
    assert nothing_left(crowd.admission)


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["comes", "goes", "leaves"]), st.sampled_from("abc"), st.sampled_from(KINDS)
        ),
        max_size=40,
    ),
    at_once=st.integers(1, 3),
    waiting=st.integers(0, 4),
)
async def test_whatever_comes_goes_and_leaves_bounds_hold_and_nothing_is_left(steps, at_once, waiting):
    crowd = Crowd(at_once=at_once, waiting=waiting)
    there = []
    for number, (step, caller, kind) in enumerate(steps):
        if step == "comes":
            there.append(f"{number}")
            await crowd.comes(f"{number}", caller, kind)
        elif there:
            name = there.pop(number % len(there))
            if step == "goes" and name in crowd.let_in:
                await crowd.goes(name)
            else:
                await crowd.leaves(name)
        assert crowd.admission.under_way.total() <= at_once
        assert all(crowd.admission.waiting_of(kind) <= waiting for kind in KINDS)
        waits = any(crowd.admission.waiting_of(kind) for kind in KINDS)
        # Nobody waits where there is room.
        assert not waits or crowd.admission.under_way.total() == at_once
    for name in there:
        await crowd.leaves(name)
    assert nothing_left(crowd.admission)


async def test_who_has_the_most_waiting_makes_room():
    crowd = Crowd(waiting=3)
    await crowd.comes("first", "greedy")
    for number in range(3):
        await crowd.comes(f"g{number}", "greedy")
    await crowd.comes("modest", "modest")
    assert [name for name, _ in crowd.refused] == ["g2"]
    assert crowd.refused[0][1] >= 1
    await crowd.comes("g3", "greedy")
    assert [name for name, _ in crowd.refused] == ["g2", "g3"]
    await crowd.all_go()
    assert crowd.let_in == ["first", "g0", "modest", "g1"]


async def test_of_eight_that_are_let_in_one_is_a_batchs_though_others_wait():
    crowd = Crowd()
    await crowd.comes("first", "a")
    for number in range(20):
        await crowd.comes(f"b{number}", "batch", "batch")
    for number in range(40):
        await crowd.comes(f"i{number}", "people")
    await crowd.all_go()
    kinds = "".join(name[0] for name in crowd.let_in[1:41])
    assert kinds == ("i" * 7 + "b") * 5


async def test_a_batch_goes_on_alone_where_nobody_interactive_waits():
    crowd = Crowd()
    for number in range(5):
        await crowd.comes(f"b{number}", "batch", "batch")
    await crowd.all_go()
    assert len(crowd.let_in) == 5


async def test_who_leaves_just_as_they_are_let_in_hands_the_place_on():
    crowd = Crowd()
    for name in ("one", "two", "three"):
        await crowd.comes(name, name)
    crowd._go["one"].set()
    await asyncio.sleep(0)
    # The first has gone; the second's turn is granted, and they have not heard of it.
    crowd._tasks["two"].cancel()
    await settled()
    assert "three" in crowd.let_in
    await crowd.goes("three")
    assert nothing_left(crowd.admission)


async def test_one_that_fails_gives_its_place_back():
    admission = Admission(at_once=1, waiting=0)
    with pytest.raises(ZeroDivisionError):
        async with admission.admitted("a", "batch"):
            raise ZeroDivisionError
    async with AsyncExitStack() as held:
        await held.enter_async_context(admission.admitted("a", "batch"))
    assert nothing_left(admission)


async def test_when_it_closes_those_who_wait_are_told_and_nobody_new_is_let_in():
    crowd = Crowd()
    await crowd.comes("in", "a")
    await crowd.comes("waits", "b")
    crowd.admission.close()
    await settled()
    await crowd.comes("late", "c")
    assert [name for name, _ in crowd.refused] == ["waits", "late"]
    assert crowd.admission.is_closed
    await crowd.goes("in")
    assert nothing_left(crowd.admission)
