"""Owners: which run works the parts of a batch.

The steps that have a part each share the batch's turn, and between two of them nobody may have it. So a run owns the
batch that it divides until the run is over: meanwhile no other divides it or works a part of it, which would ask
everything twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageworks_dagster.errors import BatchTaken
from imageworks_dagster.run_process import tagged_process
from store.locking import locked

if TYPE_CHECKING:
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
        began: whether the run has divided the batch already; who lost it since then does not take it back.
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
                f"Batch {batch!r} is being worked on by run {owner}, which has divided it. This run asks nothing about "
                "it: start this one again when that one has ended, or terminate that one first."
            )
        if owner and began:
            raise BatchTaken(
                f"Batch {batch!r} was divided anew by run {owner}, while this run was taken for ended. What this one "
                "was answered is kept, and nothing more is asked: materialize again to go on."
            )
        path.write_text(run_id, encoding="ascii")


def owner_of(home: Home, pipeline: str, batch: str, instance: dg.DagsterInstance) -> str | None:
    """The run under way that works the parts of a batch; None where there is none."""
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
    process = tagged_process(run.tags)
    return process is None or not process.is_gone()


def _place(home: Home, pipeline: str, batch: str) -> Path:
    return home.locks / f"{pipeline}-{batch}.run"
