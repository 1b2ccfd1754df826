"""A PostgreSQL database of a test's own."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER = os.environ.get("TEST_POSTGRESQL_URL", "postgresql://postgres@127.0.0.1:5432/postgres")


@contextmanager
def own_database() -> Iterator[str]:
    """The URL of a new, empty database, which is there for the length of the block."""
    try:
        server = psycopg.connect(SERVER, autocommit=True, connect_timeout=5)
    except psycopg.OperationalError as error:
        pytest.skip(f"no PostgreSQL at TEST_POSTGRESQL_URL: {error}")
    name = f"imageworks_test_{uuid4().hex}"
    with server:
        server.execute(f'CREATE DATABASE "{name}"')  # type: ignore[arg-type]
        yield f"{SERVER.rpartition('/')[0]}/{name}"
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')  # type: ignore[arg-type]


@pytest.fixture
def postgresql_url() -> Iterator[str]:
    with own_database() as url:
        yield url
