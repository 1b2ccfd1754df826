"""What an address of results names: a batch, its gallery, one of its entries."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast, get_args

from gateway.errors import NotFound
from store.batches import Batch, Pipeline, batch

if TYPE_CHECKING:
    from gateway.console.results.gallery import Card, Gallery
    from gateway.console.visits import Visit


def open_batch(visit: Visit) -> Batch:
    """The batch that an address names.

    Raises:
        NotFound: There is no such pipeline.
        UnknownBatch: Nobody registered it.
    """
    pipeline = visit.step("pipeline")
    if pipeline not in get_args(Pipeline):
        raise NotFound(f"There is no pipeline {pipeline[:80]!r}; there are {', '.join(get_args(Pipeline))}.")
    return batch(visit.parts.database, cast("Pipeline", pipeline), visit.step("batch"))


def open_gallery(visit: Visit) -> tuple[Batch, Gallery]:
    """The batch that an address names, with its tables.

    Raises:
        As `open_batch`, and StoreError: A table cannot be read.
    """
    one = open_batch(visit)
    return one, visit.desk.galleries.open(visit.parts.home, visit.parts.database, one)


def card_of(one: Batch, gallery: Gallery, entry_id: str) -> Card:
    """One entry of a gallery.

    Raises:
        NotFound: No table of the batch has it.
    """
    if entry_id not in gallery.rows:
        raise NotFound(f"No table of {one.name} has an entry {entry_id[:200]!r}.")
    return gallery.card(entry_id)


def address_of(one: Batch) -> str:
    """Where a batch's page is."""
    return f"/console/results/{one.pipeline}/{one.name}"
