"""What a stage's body works with: its batch, the tables before it, its choice of prompt and model, its progress."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from imageworks_dagster.errors import OutdatedTable
from imageworks_dagster.picturing import PhotoFile
from imageworks_dagster.step_claims import stand
from store.path_text import text_path

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from backends.leases.turning import Told
    from backends.sampling import Sampler
    from imageworks_dagster.assembly import EmbeddedFunction
    from imageworks_dagster.assets.stage import StageResources
    from imageworks_dagster.choices import Choice
    from imageworks_dagster.opened import OpenStore
    from imageworks_dagster.progress import StageProgress
    from imageworks_dagster.runs import Run
    from imageworks_dagster.tables import TableShape
    from photos.discovery import Problem
    from registry.registry import Registry
    from registry.schema import Model
    from store.batches import Batch
    from store.pointers import TablePointer
    from store.settings import Settings

Row = dict[str, Any]


_WAITED: Final = frozenset({"wait", "would_block", "load", "evict"})
_SWITCHED: Final = frozenset({"loaded", "load_failed", "unloaded", "unload_failed"})
_SETS: Final = ("deployments", "lease_waiters")
_SUMMED: Final = (
    "asked",
    "recalled",
    "input_tokens",
    "output_tokens",
    "lease_wait_ms",
    "dropped_events",
    "unsynced_events",
)


@dataclass
class Tally:
    """What a stage's requests came to.

    Attributes:
        lease_waiters: Who of the stage's requests stood in the queue for a lease that was not there at once.
        model_switches: Loadings and unloadings that the stage carried out, in the order in which they ended.
    """

    asked: int = 0
    recalled: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    lease_wait_ms: float = 0.0
    dropped_events: int = 0
    unsynced_events: int = 0
    telemetry_failing: bool = False
    deployments: set[str] = field(default_factory=set)
    lease_waiters: set[str] = field(default_factory=set)
    model_switches: list[Row] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Count what another step's requests came to as well."""
        for name in _SUMMED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.telemetry_failing |= other.telemetry_failing
        self.deployments |= other.deployments
        self.lease_waiters |= other.lease_waiters
        self.model_switches += other.model_switches

    def as_dict(self) -> dict[str, Any]:
        """For JSON; ``of`` reads it back."""
        told = asdict(self)
        return {**told, **{name: sorted(told[name]) for name in _SETS}}

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Tally:
        """The tally that ``as_dict`` told of."""
        return cls(**{**told, **{name: set(told[name]) for name in _SETS}})

    def hear(self, told: Told, seconds: float | None) -> None:
        """Count a decision about the stage's leases; may be called from any thread."""
        if told.kind in _WAITED and told.waiter is not None:
            self.lease_waiters.add(told.waiter.waiter.id)
        if told.kind in _SWITCHED:
            self.model_switches.append(
                {
                    "what": told.kind.replace("_", " "),
                    "model": told.model,
                    "device": told.place.device if told.place else None,
                    "seconds": None if seconds is None else round(seconds, 1),
                }
            )


@dataclass(frozen=True)
class Outcome:
    """What a stage's body made: the rows of its table, and what a person would rather look at.

    Attributes:
        rows: one mapping a row, by the columns of the stage's shape.
        metadata: shown with the materialization in the web UI.
        picture: a small JPEG or PNG, shown there too.
        headline: columns of the small table shown there.
    """

    rows: list[Row]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    picture: bytes | None = None
    headline: tuple[str, ...] = ()


class ByEntry(dict[str, Row]):
    """The rows of an earlier table by entry; one that is missing says what to materialize."""

    def __init__(self, asset: str, rows: Iterable[Row]) -> None:
        super().__init__((row["entry_id"], row) for row in rows)
        self._asset = asset

    def __missing__(self, entry_id: str) -> Row:
        """Raise: the folder changed after that stage ran."""
        raise OutdatedTable(
            f"{self._asset} knows nothing of {entry_id}: the folder has changed since it was made. "
            f"Materialize {self._asset} and what comes after it."
        )


@dataclass
class BatchTables:
    """A batch's current tables and its photos.

    Attributes:
        batch: the batch.
        store: where its tables are.
        part: the entries that are worked on here; None for all. Others are none of this step's business.
    """

    batch: Batch
    store: OpenStore
    part: frozenset[str] | None = field(default=None, init=False)

    def read(self, asset: str) -> list[Row]:
        """The current rows of an earlier stage's table for this batch.

        Raises:
            store.errors.MissingTable: the earlier stage has not run; the message says what to materialize.
        """
        rows: list[Row] = self.store.tables.read(asset, self.batch.name).to_pylist()
        return rows

    def entries(self, asset: str) -> list[Row]:
        """As ``read`` of the table that lists the batch's entries, but only those that are worked on here."""
        rows = self.read(asset)
        return rows if self.part is None else [row for row in rows if row["entry_id"] in self.part]

    def read_by_entry(self, asset: str) -> ByEntry:
        """As ``read``, by ``entry_id``; for tables with one row an entry."""
        return ByEntry(asset, self.read(asset))

    def photo_file(self, entry: Mapping[str, Any]) -> PhotoFile:
        """Where the entry's photo lies."""
        return PhotoFile(photo_id=entry["photo_id"], path=self.path(entry))

    def path(self, entry: Mapping[str, Any]) -> Path:
        """The entry's file."""
        return self.batch.folder / text_path(entry["relative_path"])


@dataclass
class Stage(BatchTables):
    """One stage of one run, at work on one batch. ``sampler`` is there while its body works.

    ``gathered`` are rows that other steps have made of the entries that are not worked on here; empty where this step
    has the whole batch, or a part of its own.
    """

    shape: TableShape
    run: Run
    settings: Settings
    config: Mapping[str, Any]
    choice: Choice | None
    scorer: Model | None
    progress: StageProgress
    log: logging.Logger
    expected: TablePointer | None
    resources: StageResources
    registry: Registry
    embedded: Mapping[str, EmbeddedFunction]
    tally: Tally = field(default_factory=Tally)
    gathered: list[Row] = field(default_factory=list)
    sampler: Sampler = field(init=False)

    @property
    def asset(self) -> str:
        """The stage's asset, such as ``judge/critiques``."""
        return self.shape.asset

    def publish(self, outcome: Outcome) -> TablePointer:
        """Publish the stage's table and move the pointer to it.

        Raises:
            store.errors.PublishConflict: another run of this batch published since this stage began.
        """
        return self.store.tables.publish(
            asset=self.asset,
            batch=self.batch.name,
            run_id=self.run.run_id,
            table=self.shape.build(outcome.rows),
            volatile=self.shape.volatile,
            expected=self.expected,
            key=self.shape.key_of(outcome.rows),
            beside=stand,
        )

    def entry_id(self, relative_path: str) -> str:
        """The entry's id: batch and relative path."""
        return f"{self.batch.name}/{relative_path}"

    def row(self, entry: Mapping[str, Any], **columns: Any) -> Row:
        """A row about an entry, with the columns that every table has."""
        return {
            "entry_id": entry["entry_id"],
            "photo_id": entry["photo_id"],
            "batch": self.batch.name,
            "run_id": self.run.run_id,
            **columns,
        }

    def problem_row(self, problem: Problem) -> Row:
        """A row about a folder or file that could not be looked into."""
        entry = {"entry_id": self.entry_id(problem.path_text), "photo_id": None}
        return self.row(
            entry,
            relative_path=problem.path_text,
            error_class=problem.error_class,
            error_message=problem.message,
        )


def failures_by_class(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How many rows have which ``error_class``."""
    counts: dict[str, int] = {}
    for row in rows:
        if row.get("error_class"):
            counts[row["error_class"]] = counts.get(row["error_class"], 0) + 1
    return dict(sorted(counts.items()))


def usable(rows: Iterable[Row]) -> list[Row]:
    """Rows of entries that have a photo and no error so far."""
    return [row for row in rows if row["photo_id"] and not row["error_class"]]


def inherited_error(row: Mapping[str, Any]) -> dict[str, Any]:
    """An earlier stage's reason, carried on so that every entry is accounted for in every table."""
    return {"error_class": row["error_class"], "error_message": row["error_message"]}


def canonical(value: object) -> str:
    """JSON text for a table's cell, the same for equal values."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
