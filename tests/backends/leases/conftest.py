"""Ledgers to test with: on SQLite, and on a PostgreSQL database of a test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.database import StateDatabase
from store.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StateDatabase]:
    """The state database, of either kind."""
    url = None if request.param == "sqlite" else request.getfixturevalue("postgresql_url")
    with StateDatabase.open(Settings(home=tmp_path / "home", state_url=url)) as database:
        yield database
