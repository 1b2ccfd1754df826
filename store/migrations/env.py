"""Alembic's entry: runs the scripts on the connection that `store.database` hands in."""

from __future__ import annotations

from alembic import context

from store.tables import metadata

# The caller owns the transaction: a killed migration leaves nothing, on SQLite and PostgreSQL alike.
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
