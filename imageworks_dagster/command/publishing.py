"""What is looked at before a batch is published."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageworks_dagster.command.commands import run_command
from imageworks_dagster.errors import NothingToPublish
from imageworks_dagster.pipelines import PIPELINES
from store.batches import batch as registered_batch

if TYPE_CHECKING:
    from imageworks_dagster.opened import OpenStore
    from imageworks_dagster.pipelines import PipelineName


def check_publishable(store: OpenStore, pipeline: PipelineName, name: str) -> None:
    """See that the batch has something to announce; one whose folder is gone may be closed without.

    Raises:
        NothingToPublish: it has never come to a result.
        store.errors.UnknownBatch: nobody registered it.
    """
    batch = registered_batch(store.database, pipeline, name)
    final = PIPELINES[pipeline].stages[-1].asset
    if batch.has_folder and store.tables.current(final, name) is None:
        again = run_command(pipeline, batch.folder, name)
        raise NothingToPublish(
            f"The {pipeline} batch {name!r} has no result yet, so it was not published. Run it first: {again}"
        )
