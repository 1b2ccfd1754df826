"""The platform's code location, except that the stage named in the file ``HOME/hold`` stops in its middle.

Stages that ask no model are over in milliseconds; held, they are under way for as long as a test needs. The stage
stops where a slow disk would stop it: in a system call, reading from the pipe ``HOME/release``, until somebody
opens that for writing or an interrupt comes. ``HOME/held`` says that it got there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageworks_dagster.definitions import assemble, definitions_of
from store.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


class HoldingProgress:
    """Holds a stage as soon as it has handled one entry."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def started(self, stage: str, total: int) -> None:
        """Go on."""

    def advanced(self, stage: str, done: int, failed: int) -> None:
        """Stop, if this is the stage."""
        hold = self._home / "hold"
        if hold.exists() and hold.read_text(encoding="utf-8") == stage:
            (self._home / "held").touch()
            (self._home / "release").open("rb").close()

    def finished(self, stage: str) -> None:
        """Go on."""

    def stopped(self, stage: str) -> None:
        """Go on."""


_settings = Settings()
defs = definitions_of(assemble(_settings, {"progress": HoldingProgress(_settings.home)}))
