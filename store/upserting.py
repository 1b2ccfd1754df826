"""Inserts that meet rows that are there already, the same on SQLite and PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects import postgresql, sqlite

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Table

# SQLite takes 32,766 bound values a statement, PostgreSQL 65,535.
_VALUES_A_STATEMENT = 30_000


def insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert the rows whose primary key is free; leave the others alone.

    Args:
        connection: One handed out by the writer.
        table: Any table of `store.tables`.
        rows: Mappings with the same keys each.

    Returns:
        How many rows were new.
    """
    inserted = 0
    for chunk in _chunks(rows):
        statement = _insert(connection, table).values(chunk).on_conflict_do_nothing()
        inserted += connection.execute(statement).rowcount
    return inserted


def upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows; where the primary key is taken, put the new values over the old ones.

    Args:
        connection: One handed out by the writer.
        table: Any table of `store.tables`.
        rows: Mappings with the same keys each; no primary key twice.
    """
    key = [column.name for column in table.primary_key.columns]
    for chunk in _chunks(rows):
        statement = _insert(connection, table).values(chunk)
        changed = {name: statement.excluded[name] for name in chunk[0] if name not in key}
        if changed:
            connection.execute(statement.on_conflict_do_update(index_elements=key, set_=changed))
        else:
            connection.execute(statement.on_conflict_do_nothing())


def _chunks(rows: Sequence[Mapping[str, Any]]) -> list[list[dict[str, Any]]]:
    if not rows:
        return []
    size = max(1, _VALUES_A_STATEMENT // max(1, len(rows[0])))
    return [[dict(row) for row in rows[start : start + size]] for start in range(0, len(rows), size)]


def _insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)
