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
    home: Home,
    pipeline: str,
    batch: str,
    *,
    who: str,
    waiting: Callable[[str], object],
    together: bool = False,
    then: str = "This run begins when that one has ended.",
) -> Iterator[None]:
    """Be the only one that works on a batch, for the length of the block.

    A run within the process that has its turn already, as the command's run has, goes on at once.

    Args:
        home: the home.
        pipeline: the batch's pipeline.
        batch: the name of a registered batch.
        who: who takes the turn, for those who have to wait.
        waiting: told in words whose turn it is, if it is somebody else's, before the wait.
        together: work on it with others of whom the same is said: steps that have a part of it each, in processes of
            their own. A process that wanted it alone later would wait for itself.
        then: the sentence that follows whose turn it is: what comes of it.
    """
    path = home.locks / f"{pipeline}-{batch}.lock"
    if path in _held:
        yield
        return

    def tell() -> None:
        holder = path.read_text(encoding="utf-8") or "another run"
        waiting(f"Batch {batch!r} is being worked on by {holder}. {then}")

    if together:
        with locked(path, waiting=tell, shared=True):
            # All who share it are of one run. The words stay when one leaves; nobody reads them when all have left.
            path.write_text(_words(who), encoding="utf-8")
            yield
        return
    with locked(path, waiting=tell):
        path.write_text(_words(who), encoding="utf-8")
        _held.add(path)
        try:
            yield
        finally:
            _held.discard(path)
            path.write_text("", encoding="utf-8")


def _words(who: str) -> str:
    process = this_process()
    return f"{who}, process {process.pid} on {process.host}, since {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
