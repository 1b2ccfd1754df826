"""The files of one table: parts in a folder of their own, written whole and read whole."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, overload
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from store.data_version import data_version
from store.errors import DamagedTable, PublishFailed
from store.object_paths import ObjectPath
from store.path_text import path_text
from store.publishing import sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from store.object_paths import Place

# A part is what a reader must hold to see any of it, and what a retry writes again.
ROWS_A_PART = 2000

STAGING = ".staging-"
# In a folder until the database points at it: tells a dead try from a table that was once published.
UNPUBLISHED = ".unpublished"

_PART = re.compile(r"part-.*\.parquet")
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
        for number, rows in enumerate(parts_in(table)):
            _write_part(staging / part_name(number), rows, publication)
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


def parts_in(table: pa.Table) -> Iterator[pa.Table]:
    """The rows of each part of a table; one without rows has one part."""
    for number in range(part_count(table.num_rows)):
        yield table.slice(number * ROWS_A_PART, ROWS_A_PART)


def part_count(rows: int) -> int:
    """How many parts a table of so many rows has."""
    return max(1, -(-rows // ROWS_A_PART))


def part_name(number: int) -> str:
    """The name of a part by its number, from 0."""
    return f"part-{number:05d}.parquet"


def tables_in(folder: Path) -> Iterable[Path]:
    """The folders of all tables of one asset and batch."""
    return (place for place in folder.iterdir() if place.is_dir() and parts_of(place))


@overload
def parts_of(place: Path) -> tuple[Path, ...]: ...
@overload
def parts_of(place: ObjectPath) -> tuple[ObjectPath, ...]: ...
def parts_of(place: Place) -> tuple[Place, ...]:
    """The Parquet files of a table, in the order of their rows."""
    if isinstance(place, ObjectPath):
        return tuple(one for one in place.children() if _PART.fullmatch(one.name))
    return tuple(sorted(place.glob("part-*.parquet")))


def run_of(place: Place) -> str:
    """The run that made the table in a folder."""
    return place.name.partition("~")[0]


def read_parts(parts: Iterable[Place]) -> pa.Table:
    """All rows of some parts, in their order.

    Raises:
        DamagedTable: A part cannot be read, or they do not fit together.
        OSError: A part is gone, or may not be read.
        ArtifactsUnreachable: The store of objects that they are in does not answer, or refuses.
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
                    f"{place_text(part)} is no readable Parquet file: {error}. Materialize its asset again."
                ) from error
    try:
        return pa.concat_tables(tables)
    except pa.ArrowException as error:
        raise DamagedTable(f"The parts of a table differ in their columns: {error}.") from error


def write_rows(rows: pa.Table, file: IO[bytes]) -> None:
    """Write the rows of one part, each page with its checksum.

    Raises:
        OSError: They could not be written.
    """
    pq.write_table(rows, file, compression="zstd", write_page_checksum=True)


def check_written(part: Place, rows: pa.Table, publication: Publication) -> None:
    """Read a part back.

    Raises:
        OSError: It cannot be read.
        ArtifactsUnreachable: The store of objects that it is in does not answer, or refuses.
        PublishFailed: It reads back as something else.
    """
    try:
        written = data_version(read_parts((part,)), key=publication.key)
    except DamagedTable:
        written = ""
    if written != data_version(rows, key=publication.key):
        raise PublishFailed(f"{place_text(part)} reads back other rows than were written: look at its disk.")


def place_text(place: Place) -> str:
    """A place as text for people."""
    return str(place) if isinstance(place, ObjectPath) else path_text(place)


def _write_part(part: Path, rows: pa.Table, publication: Publication) -> None:
    with part.open("xb") as file:
        write_rows(rows, file)
        file.flush()
        os.fsync(file.fileno())
    check_written(part, rows, publication)


def _names(folder: Path, run_id: str) -> Iterator[Path]:
    yield folder / run_id
    number = 2
    while True:
        yield folder / f"{run_id}~{number}"
        number += 1
