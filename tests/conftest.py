"""What all tests share: test doubles are importable, and asynchronous tests run on asyncio."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import settings

# Tests are imported by path (importmode=importlib), so a folder of shared doubles has to be named.
sys.path.insert(0, str(Path(__file__).parent / "doubles"))

from own_postgresql import postgresql_url
from real_vllm import real_vllm

__all__ = ["postgresql_url", "real_vllm"]


# No test is timed: a loaded machine is no failure.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
