"""fsck: reads everything that telemetry keeps, says what is wrong, and mends what can be mended."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.parquet as pq

from store.locking import locked
from store.publishing import make_folder, sync_folder
from telemetry.arrow import arrow_schema
from telemetry.compaction import claimed
from telemetry.errors import CompactionError, DamagedManifest, DamagedParquet, NewerRecord
from telemetry.manifest import manifest_files, mark_crashed, read_manifest
from telemetry.parquet import STAGING, digest_of, ids_in, publish_parquet, rows_in, sweep_staging
from telemetry.record_kinds import DECISIONS, EVENTS, GPU_SAMPLES, KINDS
from telemetry.spool_reading import BadLine, read_spool, spool_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from store.home import Home
    from telemetry.record_kinds import RecordKind

_DATE_FOLDER: Final = re.compile(r"date=(\d{4}-\d{2}-\d{2})")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it should be.

    Attributes:
        path: The file.
        what: What is wrong with it.
        remedy: What mends it.
        mended: Whether this check has mended it.
    """

    path: Path
    what: str
    remedy: str
    mended: bool = False


@dataclass(frozen=True, slots=True)
class FsckReport:
    """What was looked at, and what was found.

    Attributes:
        problems: What is wrong; empty if all is well.
        parquet_files: Parquet files read.
        events: Events in them.
        decisions: Decisions in them.
        gpu_samples: GPU samples in them.
        spools: Spool files read.
        spooled: Records that wait in them.
        quarantined: Files in quarantine, which is no problem in itself.
        manifests: Run manifests read.
    """

    problems: tuple[Problem, ...]
    parquet_files: int
    events: int
    decisions: int
    gpu_samples: int
    spools: int
    spooled: int
    quarantined: int
    manifests: int

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong that was not mended."""
        return all(problem.mended for problem in self.problems)


def fsck(home: Home, *, repair: bool = False) -> FsckReport:
    """Read all Parquet files, spools and manifests; compare them with their names, checksums and each other.

    Args:
        home: The home.
        repair: Move Parquet files that cannot be read into quarantine, rewrite files with doubled records,
            clear the staging folder, and mark runs whose process is gone as crashed. Bad lines of spools are
            left to compaction.

    Raises:
        CompactionError: A repair could not be written.
        OSError: A folder cannot be read.
    """
    home.telemetry.mkdir(parents=True, exist_ok=True)
    compacted = [kind.folder(home) for kind in KINDS]
    for folder in (home.spool, *compacted, home.quarantine, home.manifests):
        _look_into(folder)
    with locked(home.telemetry_lock):
        counts: Counter[str] = Counter()
        problems = [
            *(problem for kind in KINDS for problem in _staging(home, kind, repair=repair)),
            *(problem for kind in KINDS for problem in _parquet(home, kind, counts, repair=repair)),
            *_spools(home, counts),
            *_manifests(home, counts, repair=repair),
        ]
    return FsckReport(
        problems=tuple(problems),
        parquet_files=counts["parquet_files"],
        events=counts[EVENTS.view],
        decisions=counts[DECISIONS.view],
        gpu_samples=counts[GPU_SAMPLES.view],
        spools=counts["spools"],
        spooled=counts["spooled"],
        quarantined=sum(1 for path in home.quarantine.glob("[!.]*") if path.is_file()),
        manifests=counts["manifests"],
    )


def _look_into(folder: Path) -> None:
    """Raise if a folder below cannot be read: looked into by a pattern, it would seem to be empty."""

    def fail(error: OSError) -> None:
        raise error

    if folder.exists():
        for _ in os.walk(folder, onerror=fail):
            pass


def _staging(home: Home, kind: RecordKind, *, repair: bool) -> Iterator[Problem]:
    left = sorted((kind.folder(home) / STAGING).glob("*"))
    if repair:
        sweep_staging(home, kind)
    for path in left:
        yield Problem(
            path, "left by a compaction that was killed", "the next compaction removes it", not path.exists()
        )


def _parquet(home: Home, kind: RecordKind, counts: Counter[str], *, repair: bool) -> Iterator[Problem]:
    seen: dict[str, set[str]] = {}
    for path in sorted(kind.folder(home).rglob("*")):
        if path.is_dir() or path.parent.name == STAGING:
            continue
        day = _DATE_FOLDER.fullmatch(path.parent.name)
        if day is None or path.parent.parent != kind.folder(home) or path.suffix != ".parquet":
            yield Problem(path, f"is no file of {kind.view}", "move it away")
            continue
        counts["parquet_files"] += 1
        try:
            ids = ids_in(path, kind)
            rows = rows_in(path)
        except DamagedParquet as error:
            if repair:
                _into_quarantine(home, path)
            yield Problem(path, str(error), "`fsck --repair` moves it into quarantine", repair)
            continue
        counts[kind.view] += rows
        yield from _content(path, kind, day.group(1), ids)
        known = seen.setdefault(day.group(1), set())
        doubled = known.intersection(ids) or len(set(ids)) != len(ids)
        if doubled:
            if repair:
                _without(home, kind, path, day.group(1), known)
            yield Problem(
                path, f"holds {kind.view} twice", "`fsck --repair` rewrites it without them", repair
            )
        known.update(ids)


def _content(path: Path, kind: RecordKind, day: str, ids: list[str]) -> Iterator[Problem]:
    if path.stem != digest_of(ids):
        yield Problem(
            path, "its name is not the digest of its ids: it was changed", "restore it from a backup"
        )
    schema = pq.read_schema(path)
    expected = arrow_schema(kind)
    for facts in expected:
        if facts.name in schema.names and schema.field(facts.name).type != facts.type:
            yield Problem(
                path,
                f"column {facts.name} is {schema.field(facts.name).type}, not {facts.type}",
                "update the software",
            )
    times = pq.read_table(path, columns=[kind.time_field])[0].to_pylist()
    days = {str(moment.date()) for moment in times}
    if days - {day}:
        yield Problem(path, f"holds {kind.view} of {', '.join(sorted(days - {day}))}", "move it away")


def _without(home: Home, kind: RecordKind, path: Path, day: str, known: set[str]) -> None:
    """Publish the file's records that are not known yet, once each, under their own name; then remove it."""
    table = pq.ParquetFile(path).read()
    keep, met = [], set(known)
    for record_id in table.column(kind.id_field).to_pylist():
        keep.append(record_id not in met)
        met.add(record_id)
    rest = table.filter(pa.array(keep))
    published = publish_parquet(home, kind, day, rest) if rest.num_rows else None
    if published != path:
        path.unlink()
        sync_folder(path.parent)


def _into_quarantine(home: Home, path: Path) -> None:
    try:
        make_folder(home.quarantine)
        path.replace(home.quarantine / f"{path.parent.name}-{path.name}.bad")
        sync_folder(home.quarantine)
        sync_folder(path.parent)
    except OSError as error:
        raise CompactionError(f"{path} could not be moved into {home.quarantine}: {error}.") from error


def _spools(home: Home, counts: Counter[str]) -> Iterator[Problem]:
    for path in spool_files(home.spool):
        counts["spools"] += 1
        bad: list[BadLine] = []
        with claimed(path) as is_dead:
            try:
                for item in read_spool(path):
                    if isinstance(item, BadLine):
                        bad.append(item)
                    else:
                        counts["spooled"] += 1
            except NewerRecord as error:
                yield Problem(path, str(error), "update the software, then compact")
            except FileNotFoundError:
                continue
        for line in bad:
            if line.is_tail and not is_dead:
                # A living process may be in the middle of this very line.
                continue
            yield Problem(
                path,
                f"at byte {line.offset}: {line.reason}",
                "`compact` quarantines it once its process ended",
            )


def _manifests(home: Home, counts: Counter[str], *, repair: bool) -> Iterator[Problem]:
    crashed = []
    for path in manifest_files(home):
        counts["manifests"] += 1
        try:
            manifest = read_manifest(home, path.stem)
        except DamagedManifest as error:
            yield Problem(path, str(error), "move it away")
            continue
        if manifest.status == "open" and manifest.has_crashed():
            crashed.append(path)
    marked = {manifest.run_id for manifest in mark_crashed(home).runs} if repair and crashed else set()
    for path in crashed:
        yield Problem(
            path,
            "its run is open, but its process is gone",
            "`fsck --repair` marks it as crashed",
            path.stem in marked,
        )
