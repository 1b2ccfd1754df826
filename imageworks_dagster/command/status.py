"""What there is and what needs looking at, in one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from imageworks_dagster.opened import open_store
from imageworks_dagster.pipelines import PIPELINES
from store.batches import batches
from telemetry.manifest import manifests

if TYPE_CHECKING:
    from rich.console import Console

    from store.settings import Settings
    from telemetry.manifest import RunManifest


def print_status(settings: Settings, console: Console) -> None:
    """Print batches with their last runs, and what needs looking at."""
    store = open_store(settings)
    latest: dict[tuple[str, str | None], RunManifest] = {}
    for manifest in manifests(store.home):
        latest.setdefault((manifest.pipeline, manifest.batch), manifest)
    known = batches(store.database)
    if not known:
        console.print("No batch yet. Begin with: imageworks demo")
        return
    table = Table("pipeline", "batch", "state", "folder", "last run", "ended", "rows", "without result")
    for batch in known:
        last = latest.get((batch.pipeline, batch.name))
        last_stage = PIPELINES[batch.pipeline].stages[-1].asset
        pointer = store.tables.current(last_stage, batch.name)
        failed = sum(sum(stage.failed.values()) for stage in last.stages.values()) if last else 0
        table.add_row(
            batch.pipeline,
            batch.name,
            batch.state,
            str(batch.folder),
            _word(last),
            (last.ended_at or "")[:16].replace("T", " ") if last else "",
            str(pointer.rows) if pointer else "",
            str(failed) if last else "",
        )
    console.print(table)
    for manifest in latest.values():
        if manifest.has_crashed():
            command = "judge" if manifest.pipeline == "judge" else "tag"
            console.print(
                f"Run {manifest.run_id} of {manifest.batch} ended without saying so; what it had answered is kept. "
                f"Go on with: imageworks {command} FOLDER --batch {manifest.batch}",
                style="yellow",
            )


def _word(manifest: RunManifest | None) -> str:
    if manifest is None:
        return "never"
    return "crashed" if manifest.has_crashed() else manifest.status
