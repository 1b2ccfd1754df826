"""The opened store of one set of settings, shared by all that runs in this process."""

from __future__ import annotations

import atexit
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from store.artifacts import TableStore
from store.database import StateDatabase
from store.home import Home
from store.path_text import path_text

if TYPE_CHECKING:
    from store.settings import Settings


@dataclass(frozen=True)
class OpenStore:
    """The home folder, its state database and its tables, ready for use."""

    home: Home
    database: StateDatabase
    tables: TableStore


_open: dict[tuple[str, str, str], OpenStore] = {}
_lock = threading.Lock()


def open_store(settings: Settings) -> OpenStore:
    """Open, or return the already opened, store of these settings.

    One writer thread owns a state database in a process, so every stage of a run shares this one.
    """
    url = settings.state_url.get_secret_value() if settings.state_url else ""
    key = (str(settings.home), url, settings.artifacts_url or "")
    with _lock:
        if key not in _open:
            database = StateDatabase.open(settings)
            home = Home.of(settings)
            _open[key] = OpenStore(home=home, database=database, tables=TableStore(home, database))
        return _open[key]


def has_home(settings: Settings) -> bool:
    """Whether anything was ever kept in the home of these settings; nothing is made."""
    return settings.state_url is not None or Home.of(settings).state_db.exists()


def which_home(settings: Settings) -> str:
    """Which home is meant, and how to name another."""
    return (
        f"The home is {path_text(Home.of(settings).root.absolute())}; name another in IMAGEWORKS_HOME, such as the "
        ".imageworks of the folder that you gave the command in before."
    )


@atexit.register
def close_stores() -> None:
    """Close every opened store: at the end of the process, and between tests."""
    with _lock:
        while _open:
            _open.popitem()[1].database.close()
