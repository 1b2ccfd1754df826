"""A state database as the first version left it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic.command import upgrade
from alembic.config import Config

from store.engines import open_engines
from store.home import Home
from store.tables import metadata

if TYPE_CHECKING:
    from store.settings import Settings


def make_old(settings: Settings) -> None:
    """Make it, where there was none."""
    engines = open_engines(settings, Home.of(settings).create())
    config = Config()
    config.set_main_option("script_location", "store:migrations")
    with engines.writer.begin() as connection:
        metadata.drop_all(connection)
        connection.exec_driver_sql("DELETE FROM alembic_version")
        config.attributes["connection"] = connection
        upgrade(config, "0001")
    for engine in (engines.reader, engines.writer, engines.passing):
        engine.dispose()
