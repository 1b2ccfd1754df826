"""Run pipelines for the benches: an empty home, one batch, the same definitions as everywhere."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from imageworks_dagster.definitions import build_definitions
from imageworks_dagster.opened import open_store
from imageworks_dagster.partitions import PARTITIONS
from imageworks_dagster.pipelines import PIPELINES
from store.batches import register
from store.settings import Settings
from telemetry.manifest import read_manifest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from telemetry.manifest import RunManifest

QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}


@dataclass(frozen=True)
class TimedRun:
    """A run's wall time in seconds, start and checks included, and its manifest."""

    seconds: float
    manifest: RunManifest


class Bench:
    """One home and one batch of the judge pipeline."""

    def __init__(self, home: Path, folder: Path, *, rules: Path | None = None, **settings: Any) -> None:
        self.settings = Settings(home=home, **settings)
        self.instance = dg.DagsterInstance.ephemeral()
        self.store = open_store(self.settings)
        register(self.store.database, pipeline="judge", name="bench", folder=folder, rules=rules)
        self.instance.add_dynamic_partitions(PARTITIONS["judge"].name or "", ["bench"])

    def rows(self, asset: str) -> list[dict[str, Any]]:
        """The rows of the batch's current table."""
        rows: list[dict[str, Any]] = self.store.tables.read(asset, "bench").to_pylist()
        return rows

    def run(
        self, assets: Sequence[str] | None = None, config: Mapping[str, Mapping[str, Any]] | None = None
    ) -> TimedRun:
        """Materialize assets of the batch; all of the pipeline by default."""
        job = build_definitions(settings=self.settings).resolve_job_def("judge")
        ops = {
            PIPELINES["judge"].stage(asset).op_name: {"config": dict(one)}
            for asset, one in (config or {}).items()
        }
        began = time.perf_counter()
        result = job.execute_in_process(
            instance=self.instance,
            partition_key="bench",
            run_config={"ops": ops, "loggers": QUIET},
            asset_selection=[dg.AssetKey(asset.split("/")) for asset in assets] if assets else None,
        )
        return TimedRun(time.perf_counter() - began, read_manifest(self.store.home, result.run_id))
