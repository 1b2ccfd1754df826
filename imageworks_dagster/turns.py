"""Turns: one run at a time works on a batch.

Two at once would ask everything twice, and then one of them could not publish what it made. Dagster's queue lets the
runs of the web UI take turns; the command, and a Dagster without that queue, do so by a lock, which ends with its
process.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from store.locking import locked
from telemetry.processes import this_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from store.home import Home

_held: set[Path] = set()
"""Locks that this process holds."""


@contextmanager
def turn(
    home: Home, pipeline: str, batch: str, *, who: str, waiting: Callable[[str], object]
) -> Iterator[None]:
    """Be the only one that works on a batch, for the length of the block.

    A run within the process that has its turn already, as the command's run has, goes on at once.

    Args:
        home: the home.
        pipeline: the batch's pipeline.
        batch: the name of a registered batch.
        who: who takes the turn, for those who have to wait.
        waiting: told in words whose turn it is, if it is somebody else's, before the wait.
    """
    path = home.locks / f"{pipeline}-{batch}.lock"
    if path in _held:
        yield
        return

    def tell() -> None:
        holder = path.read_text(encoding="utf-8") or "another run"
        waiting(f"Batch {batch!r} is being worked on by {holder}. This run begins when that one has ended.")

    with locked(path, waiting=tell):
        process, now = this_process(), datetime.now(UTC)
        since = f"since {now:%Y-%m-%d %H:%M} UTC"
        path.write_text(f"{who}, process {process.pid} on {process.host}, {since}", encoding="utf-8")
        _held.add(path)
        try:
            yield
        finally:
            _held.discard(path)
            path.write_text("", encoding="utf-8")
