"""Parts of a large batch: how its entries are divided, and what each part came to until the whole is published.

A part's rows lie in the home, which all hosts share, until the stage's last step has gathered them. They are no table:
nobody reads them but that step, and where they are gone it asks again, which recalls what was answered.
"""

from __future__ import annotations

import io
import json
import logging
import shutil
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from imageworks_dagster.stages import Tally
from store.pointers import TablePointer, stored_path
from store.publishing import publish_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import dagster as dg

    from imageworks_dagster.stages import Row
    from store.home import Home
    from store.object_paths import Place

log = logging.getLogger(__name__)

MOST_PARTS: Final = 32
"""However large a batch is: each part is a step, which costs a second, and 79 events are a run's already."""

_PLAN: Final = "plan.json"
_TALLY: Final = b"tally"
_UNKNOWN_S: Final = 2 * 86_400
"""Age from which parts of a run that this Dagster knows nothing of are left over: no run goes on for so long."""


def divided(entries: Sequence[Row], at_most: int) -> list[frozenset[str]]:
    """The entries in parts of about one size, in their order; a burst, which shares an answer, stays together.

    Args:
        entries: rows of the table that lists them, with ``entry_id`` and, in bursts, ``carries_answer_of``.
        at_most: entries that a part should have at most, unless that made more than `MOST_PARTS` of them.

    Returns:
        The ids of each part, none empty; a single part, or none, for a batch that is no larger than a part.
    """
    count = min(MOST_PARTS, -(-len(entries) // at_most))
    bursts: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        bursts[burst_of(entry)].append(entry["entry_id"])
    parts: list[list[str]] = [[] for _ in range(count)]
    done = 0
    for burst in bursts.values():
        parts[done * count // len(entries)] += burst
        done += len(burst)
    return [frozenset(part) for part in parts if part]


def burst_of(entry: Mapping[str, Any]) -> str:
    """The entry that is asked about for this one: itself, mostly."""
    own: str = entry["entry_id"]
    return entry.get("carries_answer_of") or own


@dataclass(frozen=True)
class Plan:
    """How a stage of a run divided its batch.

    Attributes:
        parts: by name, the ids of the entries.
        before: the table that was current then; None where there was none.
        began_at: when, in seconds on the state database's clock.
    """

    parts: Mapping[str, frozenset[str]]
    before: TablePointer | None
    began_at: float


class PartFiles:
    """What the steps of one stage of one run tell each other, in the home."""

    def __init__(self, home: Home, run_id: str, asset: str) -> None:
        self._assets = home.assets
        self._folder = home.parts / run_id / asset
        self._above = (self._folder.parent, home.parts / run_id)

    def keep_plan(self, plan: Plan) -> None:
        """Tell how the batch is divided.

        Raises:
            store.errors.PublishFailed: it could not be written.
        """
        told = {
            "parts": {name: sorted(ids) for name, ids in plan.parts.items()},
            "before": None if plan.before is None else _told(plan.before, self._assets),
            "began_at": plan.began_at,
        }
        publish_file(self._folder / _PLAN, json.dumps(told).encode())

    def plan(self) -> Plan | None:
        """How the batch is divided; None where it is not, or what was told of it is gone."""
        try:
            told = json.loads((self._folder / _PLAN).read_bytes())
        except FileNotFoundError:
            return None
        parts = {name: frozenset(ids) for name, ids in told["parts"].items()}
        before = None if told["before"] is None else _pointer(told["before"], self._assets)
        return Plan(parts, before, told["began_at"])

    def keep(self, name: str, table: pa.Table, tally: Tally) -> None:
        """Tell what came of a part.

        Raises:
            store.errors.PublishFailed: it could not be written.
        """
        told = {**(table.schema.metadata or {}), _TALLY: json.dumps(tally.as_dict()).encode()}
        buffer = io.BytesIO()
        pq.write_table(table.replace_schema_metadata(told), buffer)
        publish_file(self._folder / f"{name}.parquet", buffer.getvalue())

    def read(self, name: str) -> tuple[list[Row], Tally] | None:
        """What came of a part; None where that is gone, or cannot be read, which is told."""
        path = self._folder / f"{name}.parquet"
        try:
            table = pq.read_table(io.BytesIO(path.read_bytes()))
            return table.to_pylist(), Tally.of(json.loads(table.schema.metadata[_TALLY]))
        except FileNotFoundError:
            return None
        except (pa.ArrowException, OSError):
            log.exception("What came of part %s cannot be read.", name)
            return None

    def remove(self) -> None:
        """Remove all of it: the stage's table is published."""
        shutil.rmtree(self._folder, ignore_errors=True)
        for above in self._above:
            # Another stage of the run, or another run, has something there.
            with suppress(OSError):
                above.rmdir()


def not_covered(entries: Sequence[Row], rows: Iterable[Row]) -> frozenset[str]:
    """The entries that no row is about, each with its burst.

    Args:
        entries: the batch's, as they are now.
        rows: what the parts came to; an entry that is another picture by now has none.
    """
    covered = {(row["entry_id"], row["photo_id"]) for row in rows}
    open_bursts = {
        burst_of(entry) for entry in entries if (entry["entry_id"], entry["photo_id"]) not in covered
    }
    return frozenset(entry["entry_id"] for entry in entries if burst_of(entry) in open_bursts)


def sweep(home: Home, instance: dg.DagsterInstance) -> None:
    """Remove what runs left that ended before their stage was published."""
    if not home.parts.is_dir():
        return
    for folder in home.parts.iterdir():
        if _is_left_over(folder, instance):
            shutil.rmtree(folder, ignore_errors=True)


def forget_parts(home: Home) -> None:
    """Remove what came of parts, of runs under way too: their last step asks again, and recalls what may be."""
    shutil.rmtree(home.parts, ignore_errors=True)


def _told(pointer: TablePointer, assets: Place) -> dict[str, Any]:
    return {
        "asset": pointer.asset,
        "batch": pointer.batch,
        "run_id": pointer.run_id,
        "rows": pointer.rows,
        "data_version": pointer.data_version,
        "path": stored_path(assets, pointer.path),
        "moved_at": pointer.moved_at.isoformat(),
    }


def _pointer(told: Mapping[str, Any], assets: Place) -> TablePointer:
    path, moved_at = assets / told["path"], datetime.fromisoformat(told["moved_at"])
    return TablePointer(**{**told, "path": path, "moved_at": moved_at})


def _is_left_over(folder: Path, instance: dg.DagsterInstance) -> bool:
    run = instance.get_run_by_id(folder.name)
    if run is not None:
        return run.is_finished
    try:
        return time.time() - folder.stat().st_mtime > _UNKNOWN_S
    except FileNotFoundError:
        return False
