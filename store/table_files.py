"""The files of one table: parts in a folder of their own, written whole and read whole."""

from __future__ import annotations

import errno
import json
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from store.data_version import data_version
from store.errors import DamagedTable, PublishFailed
from store.path_text import path_text
from store.publishing import sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

# A part is what a reader must hold to see any of it, and what a retry writes again.
ROWS_A_PART = 2000

STAGING = ".staging-"
# In a folder until the database points at it: tells a dead try from a table that was once published.
UNPUBLISHED = ".unpublished"

_METADATA = b"imageworks"
# Arrow's own errors about what it reads have no number; a bad sector has.
_DAMAGE = (None, errno.EIO)


@dataclass(frozen=True)
class Publication:
    """What a table must carry so that it can be rewritten: how its data version is made."""

    key: tuple[str, ...]
    volatile: tuple[str, ...]

    @classmethod
    def of(cls, table: pa.Table) -> Publication:
        """What `write_table` put into the table's files.

        Raises:
            DamagedTable: They hold none: they were not written here.
        """
        try:
            said = json.loads((table.schema.metadata or {})[_METADATA])
            return cls(tuple(said["key"]), tuple(said["volatile"]))
        except (KeyError, ValueError, TypeError) as error:
            raise DamagedTable(f"The files do not say how their table was published: {error}.") from error

    def onto(self, table: pa.Table) -> pa.Table:
        """The table with it in its metadata."""
        said = json.dumps({"key": self.key, "volatile": self.volatile}).encode()
        return table.replace_schema_metadata({**(table.schema.metadata or {}), _METADATA: said})


def write_table(folder: Path, run_id: str, table: pa.Table, publication: Publication) -> Path:
    """Write the parts into a hidden folder in `folder`, prove them, and give it its name.

    Returns:
        The table's folder, still marked as unpublished.

    Raises:
        OSError: It could not be written.
        PublishFailed: It reads back as something else.
    """
    table = publication.onto(table)
    staging = folder / f"{STAGING}{uuid4().hex}"
    staging.mkdir()
    try:
        for number, start in enumerate(range(0, max(1, table.num_rows), ROWS_A_PART)):
            _write_part(staging / f"part-{number:05d}.parquet", table.slice(start, ROWS_A_PART), publication)
        (staging / UNPUBLISHED).touch()
        sync_folder(staging)
        # Immutable: a run's first table has its plain name, a further try of the run a number.
        place = next(place for place in _names(folder, run_id) if not place.exists())
        staging.rename(place)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    sync_folder(folder)
    return place


def tables_in(folder: Path) -> Iterable[Path]:
    """The folders of all tables of one asset and batch."""
    return (place for place in folder.iterdir() if place.is_dir() and parts_of(place))


def parts_of(place: Path) -> tuple[Path, ...]:
    """The Parquet files of a table, in the order of their rows."""
    return tuple(sorted(place.glob("part-*.parquet")))


def run_of(place: Path) -> str:
    """The run that made the table in a folder."""
    return place.name.partition("~")[0]


def read_parts(parts: Iterable[Path]) -> pa.Table:
    """All rows of some parts, in their order.

    Raises:
        DamagedTable: A part cannot be read, or they do not fit together.
        OSError: A part is gone, or may not be read.
    """
    tables = []
    for part in parts:
        with part.open("rb") as file:
            try:
                tables.append(pq.ParquetFile(file, page_checksum_verification=True).read())
            except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
                if isinstance(error, OSError) and error.errno not in _DAMAGE:
                    raise
                raise DamagedTable(
                    f"{path_text(part)} is no readable Parquet file: {error}. Materialize its asset again."
                ) from error
    try:
        return pa.concat_tables(tables)
    except pa.ArrowException as error:
        raise DamagedTable(f"The parts of a table differ in their columns: {error}.") from error


def _write_part(part: Path, rows: pa.Table, publication: Publication) -> None:
    with part.open("xb") as file:
        pq.write_table(rows, file, compression="zstd", write_page_checksum=True)
        file.flush()
        os.fsync(file.fileno())
    try:
        written = data_version(read_parts((part,)), key=publication.key)
    except DamagedTable:
        written = ""
    if written != data_version(rows, key=publication.key):
        raise PublishFailed(f"{path_text(part)} reads back other rows than were written: look at its disk.")


def _names(folder: Path, run_id: str) -> Iterator[Path]:
    yield folder / run_id
    number = 2
    while True:
        yield folder / f"{run_id}~{number}"
        number += 1
