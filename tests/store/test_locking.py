"""One holder at a time, and none after its death."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from store.locking import locked


def test_threads_take_turns(tmp_path):
    counted = []

    def work():
        for _ in range(50):
            with locked(tmp_path / "lock"):
                before = len(counted)
                counted.append(before)
                assert len(counted) == before + 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counted == list(range(200))


def test_who_shares_waits_for_nobody_who_does_and_who_wants_it_alone_for_all(tmp_path):
    def busy():
        raise BlockingIOError

    path = tmp_path / "lock"
    with (
        locked(path, shared=True),
        locked(path, shared=True, waiting=busy),
        pytest.raises(BlockingIOError),
        locked(path, waiting=busy),
    ):
        pytest.fail("two share it")
    with locked(path, waiting=busy), pytest.raises(BlockingIOError), locked(path, shared=True, waiting=busy):
        pytest.fail("one has it alone")


def test_the_lock_of_a_process_that_was_killed_is_free(tmp_path):
    code = """
import sys
from pathlib import Path
from store.locking import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "lock"], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"held\n"
        held = threading.Event()

        def wait():
            with locked(tmp_path / "lock"):
                held.set()

        waiter = threading.Thread(target=wait)
        waiter.start()
        assert not held.is_set()
        holder.kill()
    waiter.join()
    assert held.is_set()


def test_an_error_inside_releases_the_lock(tmp_path):
    def fail():
        raise KeyError

    with pytest.raises(KeyError), locked(tmp_path / "lock"):
        fail()
    with locked(tmp_path / "lock"):
        pass


def test_whoever_has_to_wait_is_told_once_and_nobody_else(tmp_path):
    told, waits = [], threading.Event()

    def wait():
        with locked(tmp_path / "lock", waiting=waits.set):
            told.append("held")

    with locked(tmp_path / "lock", waiting=lambda: told.append("wrong")):
        waiter = threading.Thread(target=wait)
        waiter.start()
        assert waits.wait(60)
        assert told == []
    waiter.join()
    assert told == ["held"]


def test_a_signal_whose_handler_raises_ends_the_wait(tmp_path):
    main = threading.main_thread().ident

    def interrupt():
        threading.Thread(target=signal.pthread_kill, args=(main, signal.SIGINT)).start()

    with (
        locked(tmp_path / "lock"),
        pytest.raises(KeyboardInterrupt),
        locked(tmp_path / "lock", waiting=interrupt),
    ):
        pass
