"""Compaction: the spools of processes that ended become Parquet, by day; nothing is lost or doubled.

The order makes it safe to kill anywhere: bad lines go into quarantine, rows into verified Parquet files, then
the spools go. Done again after a kill, rows that are already published are left out, so a replay makes no
doubles.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import json
import os
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from store.errors import PublishFailed
from store.locking import locked
from store.publishing import publish_file, sync_folder
from telemetry.arrow import table_of
from telemetry.errors import CompactionError, NewerRecord
from telemetry.parquet import files_of_date, ids_in, publish_parquet, sweep_staging
from telemetry.record_kinds import DECISIONS, EVENTS, GPU_SAMPLES, KIND_OF, KINDS
from telemetry.spool_reading import BadLine, read_spool, spool_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from store.home import Home
    from telemetry.record_kinds import Record, RecordKind

# Records held in memory at once, an event being about 5 kB as Python objects.
_RECORDS_A_ROUND: Final = 50_000
# Each is an open file while its round lasts.
_SPOOLS_A_ROUND: Final = 200


@dataclass(frozen=True, slots=True)
class CompactionReport:
    """What one compaction did.

    Attributes:
        files: Parquet files that were published.
        events: Events in them.
        decisions: Decisions in them.
        gpu_samples: GPU samples in them.
        known: Records that were published before, by a compaction that was killed before its spools went.
        spools: Spools that were taken in and removed.
        live: Spools that a living process still writes; left alone.
        newer: Spools written by a newer version of this program; left alone.
        bad_lines: Lines that are no record, now in quarantine.
        bad_tails: Ends of spools that a kill cut off, now in quarantine.
        quarantined: Files that hold them.
    """

    files: tuple[Path, ...] = ()
    events: int = 0
    decisions: int = 0
    gpu_samples: int = 0
    known: int = 0
    spools: tuple[Path, ...] = ()
    live: tuple[Path, ...] = ()
    newer: tuple[Path, ...] = ()
    bad_lines: int = 0
    bad_tails: int = 0
    quarantined: tuple[Path, ...] = ()


@dataclass(slots=True)
class _Round:
    """Spools that are taken in together."""

    held: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    spools: list[Path] = field(default_factory=list)
    records: dict[tuple[RecordKind, str], Record] = field(default_factory=dict)
    repeated: int = 0
    bad: dict[Path, list[BadLine]] = field(default_factory=dict)


@dataclass(slots=True)
class _Tally:
    files: list[Path] = field(default_factory=list)
    spools: list[Path] = field(default_factory=list)
    live: list[Path] = field(default_factory=list)
    newer: list[Path] = field(default_factory=list)
    quarantined: list[Path] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


def compact(home: Home) -> CompactionReport:
    """Turn the spools of ended processes into Parquet. One at a time per home; a second one waits.

    Raises:
        CompactionError: Something could not be written or read; all records are still in their spools, in
            Parquet, or in both, and the next compaction goes on from there.
    """
    tally = _Tally()
    try:
        home.spool.mkdir(parents=True, exist_ok=True)
        with locked(home.telemetry_lock):
            for kind in KINDS:
                sweep_staging(home, kind)
            waiting = iter(spool_files(home.spool))
            while gathered := _gather(waiting, tally):
                with gathered.held:
                    _publish(home, gathered, tally)
    except (OSError, PublishFailed) as error:
        raise CompactionError(
            f"The spools in {home.spool} could not be compacted: {error}. None is lost; mend this and run "
            "`python -m telemetry compact` again."
        ) from error
    return CompactionReport(
        files=tuple(tally.files),
        events=tally.counts[EVENTS.view],
        decisions=tally.counts[DECISIONS.view],
        gpu_samples=tally.counts[GPU_SAMPLES.view],
        known=tally.counts["known"],
        spools=tuple(tally.spools),
        live=tuple(tally.live),
        newer=tuple(tally.newer),
        bad_lines=tally.counts["bad_lines"],
        bad_tails=tally.counts["bad_tails"],
        quarantined=tuple(tally.quarantined),
    )


@contextlib.contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Hold the lock of a spool file whose process has ended; False if it lives or the file is gone."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _gather(waiting: Iterator[Path], tally: _Tally) -> _Round | None:
    """Claim and read the next spools; None when there are no more."""
    gathered = _Round()
    try:
        for path in waiting:
            if not gathered.held.enter_context(claimed(path)):
                tally.live.append(path)
                continue
            try:
                _take_in(path, gathered)
            except NewerRecord:
                tally.newer.append(path)
                continue
            gathered.spools.append(path)
            if len(gathered.records) >= _RECORDS_A_ROUND or len(gathered.spools) >= _SPOOLS_A_ROUND:
                break
    except BaseException:
        gathered.held.close()
        raise
    if gathered.spools:
        return gathered
    gathered.held.close()
    return None


def _take_in(path: Path, into: _Round) -> None:
    records: dict[tuple[RecordKind, str], Record] = {}
    repeated = 0
    bad = []
    for item in read_spool(path):
        if isinstance(item, BadLine):
            bad.append(item)
            continue
        kind = KIND_OF[type(item)]
        named = (kind, kind.id_of(item))
        if named in records or named in into.records:
            repeated += 1
        else:
            records[named] = item
    # Only now, so that a file by a newer version leaves no trace.
    into.records.update(records)
    into.repeated += repeated
    if bad:
        into.bad[path] = bad


def _publish(home: Home, gathered: _Round, tally: _Tally) -> None:
    for spool, bad in gathered.bad.items():
        tally.quarantined.append(quarantine(home, spool.name, bad))
        tails = sum(line.is_tail for line in bad)
        tally.counts["bad_tails"] += tails
        tally.counts["bad_lines"] += len(bad) - tails
    tally.counts["known"] += gathered.repeated
    for kind in KINDS:
        by_date: dict[str, list[Record]] = defaultdict(list)
        for (its_kind, _), record in gathered.records.items():
            if its_kind is kind:
                by_date[kind.time_of(record)[:10]].append(record)
        for date, records in sorted(by_date.items()):
            _publish_day(home, kind, date, records, tally)
    for spool in gathered.spools:
        spool.unlink(missing_ok=True)
    sync_folder(home.spool)
    tally.spools.extend(gathered.spools)


def _publish_day(home: Home, kind: RecordKind, date: str, records: list[Record], tally: _Tally) -> None:
    published = {known for path in files_of_date(home, kind, date) for known in ids_in(path, kind)}
    new = [record for record in records if kind.id_of(record) not in published]
    tally.counts["known"] += len(records) - len(new)
    if new:
        new.sort(key=lambda record: (kind.time_of(record), kind.id_of(record)))
        tally.files.append(publish_parquet(home, kind, date, table_of(kind, new)))
        tally.counts[kind.view] += len(new)


def quarantine(home: Home, source: str, bad: list[BadLine]) -> Path:
    """Keep stretches of a file that cannot be read, with place and reason; the same make the same file.

    Raises:
        PublishFailed: They could not be written.
    """
    lines = [
        json.dumps(
            {
                "source": source,
                "offset": line.offset,
                "reason": line.reason,
                "is_tail": line.is_tail,
                "content_base64": base64.b64encode(line.content).decode("ascii"),
            }
        )
        for line in bad
    ]
    content = "".join(f"{line}\n" for line in lines).encode("ascii")
    path = home.quarantine / f"{source}.{hashlib.sha256(content).hexdigest()[:12]}.bad.jsonl"
    publish_file(path, content)
    return path
