"""A gateway behind uvicorn on the loopback, before the double of a vLLM server."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest
import stamina
from served_gateway import Gateway, registry_of
from vllm_double import VllmDouble

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_backoff() -> Iterator[None]:
    """Retries come at once, and as many as the settings say."""
    with stamina.set_testing(True, attempts=1000, cap=True):
        yield


@pytest.fixture
def double() -> Iterator[VllmDouble]:
    with VllmDouble() as double:
        yield double


@pytest.fixture
def opened(tmp_path: Path, double: VllmDouble):
    """Opens a gateway in a home of its own, with settings of one's choice."""

    @contextmanager
    def open_gateway(**settings) -> Iterator[Gateway]:
        with Gateway(tmp_path / "home", registry_of(double.url), **settings) as gateway:
            yield gateway

    return open_gateway


@pytest.fixture
def gateway(opened) -> Iterator[Gateway]:
    with opened() as gateway:
        yield gateway


@pytest.fixture
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, timeout=30) as client:
        yield client
