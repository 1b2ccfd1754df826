"""Parquet files of records that appear whole or not at all, and the ids inside them."""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.parquet as pq

from store.publishing import make_folder, sync_folder
from telemetry.errors import CompactionError, DamagedParquet

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from store.home import Home
    from telemetry.record_kinds import RecordKind

STAGING: Final = "_staging"
"""Folder below a kind's own for unfinished files. Their suffix matches no `*.parquet`."""

_SUFFIX: Final = ".pq.tmp"


def digest_of(ids: Iterable[str]) -> str:
    """The name of a file of records: SHA-256 over their sorted ids, 32 hex digits of it."""
    whole = hashlib.sha256()
    for record_id in sorted(ids):
        whole.update(record_id.encode("utf-8", "surrogatepass") + b"\n")
    return whole.hexdigest()[:32]


def date_folder(home: Home, kind: RecordKind, date: str) -> Path:
    """The folder of one day's files, which readers of Hive layouts know as column `date`."""
    return kind.folder(home) / f"date={date}"


def files_of_date(home: Home, kind: RecordKind, date: str) -> list[Path]:
    """The published files of one day, by name."""
    return sorted(date_folder(home, kind, date).glob("*.parquet"))


def ids_in(path: Path, kind: RecordKind) -> list[str]:
    """The ids of the records in a published file.

    Raises:
        DamagedParquet: It cannot be read.
    """
    try:
        column = pq.ParquetFile(path).read(columns=[kind.id_field]).column(kind.id_field)
    except (pa.ArrowException, OSError, KeyError) as error:
        raise DamagedParquet(
            f"{path} cannot be read: {error}. `python -m telemetry fsck --repair` moves it into quarantine."
        ) from error
    ids: list[str] = column.to_pylist()
    return ids


def publish_parquet(home: Home, kind: RecordKind, date: str, table: pa.Table) -> Path:
    """Write one file of records of a kind into its folder, whole, durable and verified, or not at all.

    Written in a staging folder, synced, read back (row count and ids), renamed, the folders synced.

    Raises:
        CompactionError: It could not be written, or reads back as something else.
    """
    ids = table.column(kind.id_field).to_pylist()
    name = digest_of(ids)
    folder = date_folder(home, kind, date)
    staged = kind.folder(home) / STAGING / f"{date}-{name}{_SUFFIX}"
    try:
        make_folder(staged.parent)
        make_folder(folder)
        try:
            with staged.open("wb") as file:
                pq.write_table(
                    table,
                    file,
                    compression="zstd",
                    compression_level=3,
                    write_page_checksum=True,
                    # Of sixty columns, those that queries narrow down by: the rest would triple a small file.
                    write_statistics=[*kind.narrowed_by, kind.time_field],
                    store_schema=False,
                )
                file.flush()
                os.fsync(file.fileno())
            _verify(staged, kind, name, len(ids))
            staged.replace(folder / f"{name}.parquet")
        except BaseException:
            with contextlib.suppress(OSError):
                staged.unlink(missing_ok=True)
            raise
        sync_folder(folder)
    except (OSError, pa.ArrowException) as error:
        raise CompactionError(
            f"Telemetry could not be written below {kind.folder(home)}: {error}. The spools are untouched; free space "
            "or fix the permissions, then run `python -m telemetry compact`."
        ) from error
    return folder / f"{name}.parquet"


def sweep_staging(home: Home, kind: RecordKind) -> list[Path]:
    """Remove what an interrupted compaction left unfinished; the caller holds the compaction lock."""
    left = sorted((kind.folder(home) / STAGING).glob(f"*{_SUFFIX}"))
    for path in left:
        path.unlink(missing_ok=True)
    return left


def rows_in(path: Path) -> int:
    """How many rows a file has, with every column read and its checksums compared.

    Raises:
        DamagedParquet: It cannot be read.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            return sum(batch.num_rows for batch in file.iter_batches())
    except (pa.ArrowException, OSError) as error:
        raise DamagedParquet(f"{path} cannot be read: {error}.") from error


def _verify(staged: Path, kind: RecordKind, name: str, rows: int) -> None:
    if digest_of(ids_in(staged, kind)) != name or rows_in(staged) != rows:
        raise CompactionError(
            f"{staged} does not hold what was written into it: the disk or the memory is at fault. "
            "The spools are untouched; compact again on sound hardware."
        )
