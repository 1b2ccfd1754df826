"""Calls that block beside the event loop: waited for like any, and joined by nobody."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from backends.leases.aside import aside

WAITS_FOREVER = """
import asyncio, threading
from backends.leases.aside import aside

async def main():
    task = asyncio.create_task(aside(threading.Event().wait))
    await asyncio.sleep(0)
    task.cancel()

asyncio.run(main())
"""


@pytest.mark.anyio
async def test_it_gives_what_the_call_gives_and_raises_what_it_raises():
    assert await aside(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await aside(divmod, 7, 0)


def test_a_loop_that_ends_does_not_wait_for_it_and_what_comes_late_disturbs_nobody():
    answered, over = threading.Event(), threading.Event()

    def slow():
        answered.wait()
        over.set()

    async def main():
        task = asyncio.create_task(aside(slow))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(main())
    assert not over.is_set()
    answered.set()
    assert over.wait(10.0)


def test_a_process_that_ends_does_not_wait_for_it():
    subprocess.run([sys.executable, "-c", WAITS_FOREVER], check=True, timeout=60)
