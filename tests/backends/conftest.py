"""A store, a spool, a registry and a client around the double of a vLLM server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import stamina
from client_desk import Desk
from nvml_stand_in import NvmlStandIn, build_library

from registry.registry import Registry
from store.database import StateDatabase
from store.home import Home
from store.settings import Settings
from telemetry.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    settings = Settings(
        home=tmp_path / "home", connect_timeout_s=2, first_byte_timeout_s=10, request_timeout_s=20
    )
    registry = Registry.load(None, environ={})
    with StateDatabase.open(settings) as database, Spool(Home.of(settings).spool) as spool:
        yield Desk(settings, database, spool, registry)


@pytest.fixture(scope="session")
def nvml_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_library(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def nvml(nvml_library: Path, tmp_path: Path) -> NvmlStandIn:
    """A host with no cards yet; processes with its environment find those that are put in."""
    return NvmlStandIn(nvml_library, tmp_path)


@pytest.fixture(autouse=True)
def _no_backoff() -> Iterator[None]:
    """Retries come at once, and as many as the settings say."""
    with stamina.set_testing(True, attempts=1000, cap=True):
        yield
