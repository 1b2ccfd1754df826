"""The two sets of batches, as Dagster's dynamic partitions."""

from __future__ import annotations

import dagster as dg

JUDGE_BATCHES = dg.DynamicPartitionsDefinition(name="judge_batches")
TAGGER_BATCHES = dg.DynamicPartitionsDefinition(name="tagger_batches")

PARTITIONS = {"judge": JUDGE_BATCHES, "tagger": TAGGER_BATCHES}
"""Partition set by pipeline."""
