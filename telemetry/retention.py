"""How long telemetry is kept: whole days of compacted records are let go, never a part of one."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from store.locking import locked
from store.publishing import sync_folder
from telemetry.parquet import STAGING
from telemetry.record_kinds import KINDS

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from store.home import Home

_DAY = "date="
_GOING = "going-"


def let_go(home: Home, *, days: int, today: date | None = None) -> int:
    """Let the records of days go that are older.

    Spools are left to compaction, and manifests stay: a run's summary is in them.

    Args:
        home: whose records.
        days: days that are kept besides today; 0 keeps all for ever.
        today: the day, in UTC.

    Returns:
        How many folders of a day were let go, each of one kind of record.

    Raises:
        OSError: one could not be removed; what was removed stays removed.
    """
    if days == 0:
        return 0
    if not home.telemetry.is_dir():
        return 0
    oldest = ((today or datetime.now(UTC).date()) - timedelta(days=days)).isoformat()
    # A backup that is being taken misses no file that it has listed.
    with locked(home.telemetry_lock):
        return sum(_let_go_in(folder, oldest) for folder in (kind.folder(home) for kind in KINDS))


def _let_go_in(folder: Path, oldest: str) -> int:
    gone = 0
    # What a kill left of a removal.
    for place in folder.glob(f"{STAGING}/{_GOING}*"):
        shutil.rmtree(place)
    for place in sorted(folder.glob(f"{_DAY}*")):
        if place.name.removeprefix(_DAY) < oldest:
            _remove(folder, place)
            gone += 1
    return gone


def _remove(folder: Path, place: Path) -> None:
    # Out of readers' sight at once: a query sees a whole day, or none of it.
    staged = folder / STAGING / f"{_GOING}{place.name}"
    staged.parent.mkdir(exist_ok=True)
    place.rename(staged)
    sync_folder(folder)
    shutil.rmtree(staged)
