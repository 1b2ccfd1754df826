"""Owners: which run works on a batch.

Where each step has a process of its own, nobody has the batch's turn between two of them, and those that have a part
each share it. So a run owns its batch from its first stage until it is over: meanwhile no other works on it, which
would ask everything twice, and put tables of two runs together.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from imageworks_dagster.errors import BatchTaken
from imageworks_dagster.run_process import process_of
from store.locking import locked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import dagster as dg

    from store.home import Home


def own(
    home: Home, pipeline: str, batch: str, *, run_id: str, began: bool, instance: dg.DagsterInstance
) -> None:
    """Make the batch the run's own, unless it is another's that is under way.

    Args:
        home: the home.
        pipeline: the batch's pipeline.
        batch: the name of a registered batch.
        run_id: the run.
        began: whether the run has worked on the batch before; who lost it since then does not take it back.
        instance: where Dagster keeps what became of runs.

    Raises:
        BatchTaken: it is another run's.
    """
    path = _place(home, pipeline, batch)
    with locked(path):
        owner = path.read_text(encoding="ascii")
        if owner == run_id:
            return
        if owner and is_under_way(owner, instance):
            raise BatchTaken(
                f"Batch {batch!r} is being worked on by run {owner}. This run asks nothing about it: start this one "
                "again when that one has ended, or terminate that one first."
            )
        if owner and began:
            raise BatchTaken(
                f"Batch {batch!r} was worked on by run {owner}, while this run was taken for ended. What this one was "
                "answered is kept, and nothing more is asked: materialize again to go on."
            )
        path.write_text(run_id, encoding="ascii")


@contextmanager
def owned(
    home: Home, pipeline: str, batch: str, *, run_id: str, began: bool, instance: dg.DagsterInstance
) -> Iterator[None]:
    """As `own`, and let go of the batch at the end of the block.

    For a run that has its turn to the end: the next has the turn before Dagster knows that this one has ended.
    """
    own(home, pipeline, batch, run_id=run_id, began=began, instance=instance)
    try:
        yield
    finally:
        path = _place(home, pipeline, batch)
        with locked(path):
            if path.read_text(encoding="ascii") == run_id:
                path.write_text("", encoding="ascii")


def owner_of(home: Home, pipeline: str, batch: str, instance: dg.DagsterInstance) -> str | None:
    """The run under way that works on a batch; None where there is none."""
    try:
        owner = _place(home, pipeline, batch).read_text(encoding="ascii")
    except FileNotFoundError:
        return None
    return owner if owner and is_under_way(owner, instance) else None


def is_under_way(run_id: str, instance: dg.DagsterInstance) -> bool:
    """Whether a run has not ended. One whose process is gone has, and so has one that Dagster knows nothing of."""
    run = instance.get_run_by_id(run_id)
    if run is None or run.is_finished:
        return False
    process = process_of(run, instance)
    return process is None or not process.is_gone()


def _place(home: Home, pipeline: str, batch: str) -> Path:
    return home.locks / f"{pipeline}-{batch}.run"
