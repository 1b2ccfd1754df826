"""What is kept of prompts, on SQLite and on a PostgreSQL database of a test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from prompt_hub.revisions.store import PromptStore
from store.database import StateDatabase
from store.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StateDatabase]:
    url = None if request.param == "sqlite" else request.getfixturevalue("postgresql_url")
    with StateDatabase.open(Settings(home=tmp_path / "home", state_url=url)) as opened:
        yield opened


@pytest.fixture
def store(database: StateDatabase) -> PromptStore:
    return PromptStore.over(database)


@pytest.fixture
def kept(store, profile_of):
    """Keeps a profile with this text, and gives its revision."""

    def keep(user="<title>{{ title }}</title>", **how):
        profile = profile_of(user=user)
        store.revisions.keep(profile, **{"author": "ann", "message": "", **how})
        return store.revisions.get(profile.id, profile.hash)

    return keep
