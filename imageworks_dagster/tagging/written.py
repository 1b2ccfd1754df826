"""What we wrote into photos: recorded before a file is replaced, told apart from the photographer's own words."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import LargeBinary, delete, func, insert, select, update

from imageworks.personal_tagger.merging import OurTags
from photos.metadata.errors import MetadataError
from photos.metadata.undo import HEADER_BYTES, Standing, facts_of, standing
from store.path_text import path_text, text_path
from store.tables import metadata_writes

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sqlalchemy import RowMapping

    from imageworks_dagster.picturing import PhotoFile
    from photos.metadata.writing import Written
    from store.database import StateDatabase

CHUNK = 500


@dataclass(frozen=True)
class StandingWrite:
    """The last write of ours into a file that was not taken back."""

    write_id: str
    ours: OurTags


@dataclass(frozen=True)
class RecordedWrite:
    """A write of ours, with what takes it back.

    Attributes:
        write_id: names it.
        path: the file, where it lay then.
        before_sha256: of the file before it.
        after_sha256: of the file after it.
        undo: the record for `photos.metadata.undo.undo`.
        state: prepared, written or undone.
    """

    write_id: str
    path: Path
    before_sha256: str
    after_sha256: str
    undo: bytes
    state: str


def standing_writes(database: StateDatabase, photos: Iterable[PhotoFile]) -> dict[Path, StandingWrite]:
    """Our writes that stand in these photos, by path: the last ones that were not undone.

    A file is known by its own path first, so that two files with one picture keep their own tags; a photo that was
    moved since is known by its picture.
    """
    wanted = list(photos)
    by_path: dict[str, StandingWrite] = {}
    by_picture: dict[str, StandingWrite] = {}
    ids = sorted({photo.photo_id for photo in wanted})
    one = metadata_writes.c
    with database.read() as connection:
        for start in range(0, len(ids), CHUNK):
            statement = (
                select(one.write_id, one.path, one.photo_id, one.fields)
                .where(
                    one.photo_id.in_(ids[start : start + CHUNK]),
                    one.state.in_(("prepared", "written")),
                )
                .order_by(one.at)
            )
            for row in connection.execute(statement).mappings():
                write = StandingWrite(row["write_id"], _tags(row))
                by_path[row["path"]] = by_picture[row["photo_id"]] = write
    known = {
        photo.path: by_path.get(path_text(photo.path), by_picture.get(photo.photo_id)) for photo in wanted
    }
    return {path: write for path, write in known.items() if write is not None}


def writes_into(database: StateDatabase, photo_id: str) -> list[RecordedWrite]:
    """All our writes into files that hold this picture, taken back or not, the newest first."""
    one = metadata_writes.c
    statement = (
        select(one.write_id, one.path, one.before_sha256, one.after_sha256, one.undo, one.state)
        .where(one.photo_id == photo_id)
        .order_by(one.at.desc())
    )
    with database.read() as connection:
        return [
            RecordedWrite(**{**row, "path": text_path(row["path"])})
            for row in connection.execute(statement).mappings()
        ]


def written_sizes(database: StateDatabase, folder: Path) -> dict[str, list[tuple[int, int]]]:
    """Bytes before and after each write of ours below a folder, by `path_text`, the newest first."""
    one = metadata_writes.c
    header = func.substr(one.undo, 1, HEADER_BYTES, type_=LargeBinary)
    below = one.path.startswith(f"{path_text(folder).rstrip('/')}/", autoescape=True)
    sizes: dict[str, list[tuple[int, int]]] = {}
    with database.read() as connection:
        for path, record in connection.execute(select(one.path, header).where(below).order_by(one.at.desc())):
            facts = facts_of(bytes(record))
            sizes.setdefault(path, []).append((facts.before_size, facts.after_size))
    return sizes


def record_prepared(
    database: StateDatabase, written: Written, *, ours: OurTags, batch: str, run_id: str
) -> str:
    """Record a write that is about to happen, durably, so that it can be undone whatever happens next."""
    write_id = uuid4().hex
    row = {
        "write_id": write_id,
        "path": path_text(written.path),
        "photo_id": written.photo_id,
        "batch": batch,
        "run_id": run_id,
        "fields": asdict(ours),
        "before_sha256": written.before_sha256,
        "after_sha256": written.after_sha256,
        "undo": written.undo,
        "state": "prepared",
        "at": datetime.now(UTC),
    }
    database.write(lambda connection: connection.execute(insert(metadata_writes).values(row)))
    return write_id


def record_state(database: StateDatabase, write_id: str, state: str) -> None:
    """A recorded write has been ``written`` or ``undone``."""
    statement = update(metadata_writes).where(metadata_writes.c.write_id == write_id).values(state=state)
    database.write(lambda connection: connection.execute(statement))


def settle_prepared(database: StateDatabase, batch: str) -> None:
    """Tell of writes that a kill interrupted whether they happened, by looking at the files.

    A file that is not there, cannot be read or was edited since cannot tell: its record, and with it the undo, stays.
    """
    for row in _prepared(database, batch):
        place = text_path(row["path"])
        try:
            stands = standing(place, row["undo"])
        except (OSError, MetadataError):
            continue
        if stands is Standing.AFTER:
            record_state(database, row["write_id"], "written")
        elif stands is Standing.BEFORE:
            _drop(database, row["write_id"])


def _drop(database: StateDatabase, write_id: str) -> None:
    statement = delete(metadata_writes).where(metadata_writes.c.write_id == write_id)
    database.write(lambda connection: connection.execute(statement))


def _prepared(database: StateDatabase, batch: str) -> list[RowMapping]:
    statement = select(metadata_writes).where(
        metadata_writes.c.batch == batch, metadata_writes.c.state == "prepared"
    )
    with database.read() as connection:
        return list(connection.execute(statement).mappings())


def _tags(row: RowMapping) -> OurTags:
    fields = row["fields"]
    return OurTags(fields["caption"], fields["description"], tuple(fields["keywords"]))
