"""Bring the state database to this version's tables, once, whoever else is starting.

A database that is behind goes through the scripts. A new one of SQLite, as each home has, is made as the scripts
would leave it, from `store.tables`: that takes a tenth of the time, and a test holds the two ways to one outcome.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Column, MetaData, PrimaryKeyConstraint, String, Table, insert, inspect, text

from store.errors import DatabaseNewer, DatabaseOlder
from store.migrations import HEAD
from store.tables import FIRST_ROWS, metadata

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

# Any constant that this program alone uses: "imagewks" as a big-endian 64-bit integer.
_ADVISORY_LOCK = int.from_bytes(b"imagewks", "big")

# Alembic's own, where it keeps the revision; as it makes it.
_VERSION = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def migrate(connection: Connection) -> None:
    """Run the scripts that are missing, or make the tables of a new database, inside the caller's transaction.

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
    if found is None and connection.dialect.name == "sqlite" and not inspect(connection).get_table_names():
        _make(connection)
        return
    # Costs a third of a second, so only a database that is behind pays for it.
    from alembic.command import upgrade  # noqa: PLC0415 - see above

    config = _scripts()
    _refuse_newer(config, found)
    config.attributes["connection"] = connection
    upgrade(config, "head")


def _make(connection: Connection) -> None:
    metadata.create_all(connection, checkfirst=False)
    for table, row in FIRST_ROWS:
        connection.execute(insert(table).values(row))
    _VERSION.create(connection, checkfirst=False)
    connection.execute(insert(_VERSION).values(version_num=HEAD))


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
