"""Bring the state database to this version's tables, once, whoever else is starting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from store.errors import DatabaseNewer, DatabaseOlder
from store.migrations import HEAD

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

# Any constant that this program alone uses: "imagewks" as a big-endian 64-bit integer.
_ADVISORY_LOCK = int.from_bytes(b"imagewks", "big")


def migrate(connection: Connection) -> None:
    """Run the scripts that are missing, inside the caller's transaction.

    On SQLite that transaction must hold the write lock already (`BEGIN IMMEDIATE`); on PostgreSQL an
    advisory lock is taken here and released with the transaction.

    Args:
        connection: In a transaction; the caller commits.

    Raises:
        DatabaseNewer: The database is at a revision that this version does not know.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    found = revision(connection)
    if found == HEAD:
        return
    # Costs a third of a second, so only a database that is behind pays for it.
    from alembic.command import upgrade  # noqa: PLC0415 - see above

    config = _scripts()
    _refuse_newer(config, found)
    config.attributes["connection"] = connection
    upgrade(config, "head")


def check_revision(connection: Connection) -> None:
    """Return if the database has this version's tables; change nothing.

    Raises:
        DatabaseOlder: Scripts are missing.
        DatabaseNewer: The database is at a revision that this version does not know.
    """
    found = revision(connection)
    if found == HEAD:
        return
    _refuse_newer(_scripts(), found)
    raise DatabaseOlder(
        f"The state database is at revision {found or 'none'}, and this version reads {HEAD}. Bring it up to date "
        "with `imageworks status`, then look again."
    )


def revision(connection: Connection) -> str | None:
    """The database's revision, or None for one that was never migrated."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def _scripts() -> Config:
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    # A package resource, not a path: the same from a wheel and from the tree, and `%` needs no escape.
    config.set_main_option("script_location", "store:migrations")
    return config


def _refuse_newer(config: Config, found: str | None) -> None:
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - as above

    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise DatabaseNewer(
            f"The state database is at revision {found}, and this version knows none after {HEAD}. "
            "A newer ImageWorks has changed it: use that version, or another IMAGEWORKS_HOME."
        )
