"""What all tests share: test doubles are importable, Ctrl-C interrupts, and asynchronous tests run on asyncio."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# A test runs on each core already: more threads for small matrices only wait for one another.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Tests are imported by path (importmode=importlib), so a folder of shared doubles has to be named.
sys.path.insert(0, str(Path(__file__).parent / "doubles"))

import soak
from own_postgresql import postgresql_url
from real_vllm import real_vllm

__all__ = ["postgresql_url", "real_vllm"]


# A shell starts what it puts in the background with SIGINT ignored, where no test could be interrupted.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No test is timed: a loaded machine is no failure.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--soak",
        action="store_true",
        help="try at random, and in great numbers, as often as it was ever held: an hour instead of minutes",
    )


def pytest_configure(config: pytest.Config) -> None:
    soak.FULL = config.getoption("soak")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
