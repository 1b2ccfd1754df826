import asyncio
import signal
import threading

import pytest

from imageworks_dagster.interruption import _Work, run_interruptible


def test_the_coroutines_result_comes_back():
    async def main():
        await asyncio.sleep(0)
        return 42

    assert run_interruptible(main) == 42


def test_what_the_coroutine_raises_is_raised_here():
    async def main():
        raise ValueError("no such photo")

    with pytest.raises(ValueError, match="no such photo"):
        run_interruptible(main)


def test_a_timeout_of_the_coroutines_own_is_no_timeout_of_the_wait():
    async def main():
        raise TimeoutError

    with pytest.raises(TimeoutError):
        run_interruptible(main, every_s=0.01)


def test_the_loop_runs_in_another_thread():
    async def main():
        return threading.current_thread()

    assert run_interruptible(main) is not threading.main_thread()


def test_waiting_ticks_in_the_calling_thread():
    ticked = threading.Event()
    threads = set()

    def tick():
        threads.add(threading.current_thread())
        ticked.set()

    async def main():
        await asyncio.to_thread(ticked.wait)

    run_interruptible(main, every_s=0.01, tick=tick)

    assert threads == {threading.main_thread()}


def test_an_interrupt_cancels_the_coroutine_and_lets_it_clean_up():
    history = []

    async def main():
        try:
            history.append("started")
            signal.raise_signal(signal.SIGINT)
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            history.append("cleaned up")
            raise

    with pytest.raises(KeyboardInterrupt):
        run_interruptible(main, every_s=0.01)

    assert history == ["started", "cleaned up"]


def test_tasks_that_gather_swallowed_exceptions_still_end_on_an_interrupt():
    ended = []

    async def one(number):
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)

    async def main():
        asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
        await asyncio.gather(*(one(number) for number in range(7)), return_exceptions=True)
        return "swallowed"

    with pytest.raises(KeyboardInterrupt):
        run_interruptible(main, every_s=0.01)

    assert sorted(ended) == list(range(7))


def test_clean_up_that_never_ends_does_not_hold_the_interrupt_back():
    release = threading.Event()

    async def main():
        try:
            signal.raise_signal(signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            await asyncio.to_thread(release.wait)

    try:
        with pytest.raises(KeyboardInterrupt):
            run_interruptible(main, every_s=0.01, grace_s=0.05)
    finally:
        release.set()


def test_an_interrupt_before_the_coroutine_begins_lets_it_not_begin(monkeypatch):
    begun = []

    def interrupted_start(self):
        raise KeyboardInterrupt

    async def main():
        begun.append(True)

    work = _Work(main)
    work.cancel()
    work.run()
    monkeypatch.setattr(threading.Thread, "start", interrupted_start)
    with pytest.raises(KeyboardInterrupt):
        run_interruptible(main)

    assert isinstance(work.finished.exception(), asyncio.CancelledError)
    assert begun == []


def test_cancelling_what_is_just_over_is_no_error_of_its_own():
    async def main():
        return 42

    work = _Work(main)
    work.run()
    work.cancel()

    assert work.finished.result() == 42
