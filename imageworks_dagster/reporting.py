"""What the reports of both pipelines share: the run's facts, and publishing a report only when it would differ."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from imageworks.run_facts import RunFacts, StageFacts
from store.publishing import make_folder, publish_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from imageworks_dagster.pipelines import Pipeline
    from imageworks_dagster.stages import Row, Stage

REPORT_PICTURES = 600
"""Thumbnails in one report: it is a single file that has to open on a phone."""

REPORT = "report.html"
KEY_FILE = ".made-from"


def report_folder(stage: Stage) -> Path:
    """Where the reports of the stage's batch lie."""
    return stage.store.home.reports / stage.asset.split("/", maxsplit=1)[0] / stage.batch.name


def made_from(stage: Stage, assets: Iterable[str], *more: object) -> str:
    """Digest of what a report is made from: data versions of tables, the switches, and values that JSON can hold."""
    versions = {}
    for asset in assets:
        pointer = stage.store.tables.current(asset, stage.batch.name)
        versions[asset] = pointer.data_version if pointer else None
    text = json.dumps([versions, stage.run.manifest.switches, *more], sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def publish_unless_same(folder: Path, key: str, make: Callable[[], Mapping[str, bytes]]) -> bool:
    """Publish the files that ``make`` gives into ``folder``, unless those there were made from the same.

    Returns:
        Whether anything was made.
    """
    mark = folder / KEY_FILE
    there = (folder / REPORT).exists()
    if there and mark.exists() and mark.read_text(encoding="ascii") == key:
        return False
    make_folder(folder)
    for name, data in make().items():
        publish_file(folder / name, data)
    publish_file(mark, key.encode("ascii"))
    return True


def run_facts(stage: Stage, pipeline: Pipeline, tables: Mapping[str, Sequence[Row]]) -> RunFacts:
    """The facts of the run for a report, from the tables of the stages that asked.

    Args:
        stage: the stage that makes the report.
        pipeline: its pipeline.
        tables: rows of each asking stage.
    """
    manifest = stage.run.manifest
    pinned = manifest.profiles.values()
    hashes = {one.profile_hash for one in pinned} | {
        share.profile_hash for one in pinned for share in one.shares
    }
    switches = ", ".join(f"{name} {words}" for name, words in manifest.switches.items())
    more = [
        ("host", manifest.host),
        ("code", (manifest.git_sha or "unknown")[:12]),
        *([("switches", switches)] if switches else []),
    ]
    return RunFacts(
        batch=stage.batch.name,
        run_id=stage.run.run_id,
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        profile_hash=next(iter(hashes)) if len(hashes) == 1 else "",
        stages=tuple(
            facts
            for declaration in pipeline.asking
            for facts in _stage_facts(declaration.asset, tables[declaration.asset])
        ),
        more=tuple(more),
    )


def _stage_facts(asset: str, rows: Sequence[Row]) -> Iterator[StageFacts]:
    """One for each prompt and model that answered: where photos are split, or judges are several, there are several."""
    prompts: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        if row["answered_by"]:
            prompts.setdefault((row["model"], row["profile_id"], row["stage_hash"]), []).append(row)
    for (_, profile_id, stage_hash), answered in prompts.items():
        first = answered[0]
        deployments = sorted({row["deployment"] for row in answered if row["deployment"]})
        yield StageFacts(
            stage=asset,
            model=first["model"],
            model_revision=first["model_revision"],
            deployment=", ".join(deployments),
            profile_id=profile_id,
            stage_hash=stage_hash,
            asked=sum(1 for row in answered if not row["recalled"]),
            recalled=sum(1 for row in answered if row["recalled"]),
            failed=sum(1 for row in answered if row["error_class"]),
        )
