"""The two sets of batches, as Dagster's dynamic partitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from collections.abc import Iterable

_SETS = {"judge": "judge_batches", "tagger": "tagger_batches"}

PARTITIONS = {pipeline: dg.DynamicPartitionsDefinition(name=name) for pipeline, name in _SETS.items()}
"""Partition set by pipeline."""


def add_batches(instance: dg.DagsterInstance, pipeline: str, batches: Iterable[str]) -> None:
    """Make batches known to Dagster as partitions; those that it knows stay as they are."""
    instance.add_dynamic_partitions(_SETS[pipeline], list(batches))
