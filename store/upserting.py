"""Inserts that meet rows that are there already, the same on SQLite and PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects import postgresql, sqlite

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import Connection, Table


def insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert the rows whose primary key is free; leave the others alone.

    Args:
        connection: One handed out by the writer.
        table: Any table of `store.tables`.
        rows: Mappings with the same keys each.

    Returns:
        How many rows were new.
    """
    if not rows:
        return 0
    statement = _insert(connection, table).on_conflict_do_nothing()
    # Without being asked, SQLAlchemy does not count what PostgreSQL inserted.
    counted = statement.execution_options(preserve_rowcount=True)
    return connection.execute(counted, list(rows)).rowcount


def upsert(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *, keeping: Collection[str] = ()
) -> None:
    """Insert rows; where the primary key is taken, put the new values over the old ones.

    Args:
        connection: One handed out by the writer.
        table: Any table of `store.tables`.
        rows: Mappings with the same keys each; of a primary key given twice, the last one counts.
        keeping: Columns whose old values stay.
    """
    if not rows:
        return
    key = [column.name for column in table.primary_key.columns]
    statement = _insert(connection, table)
    changed = {name: statement.excluded[name] for name in rows[0] if name not in {*key, *keeping}}
    if changed:
        statement = statement.on_conflict_do_update(index_elements=key, set_=changed)
    else:
        statement = statement.on_conflict_do_nothing()
    connection.execute(statement, list(rows))


def _insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)
