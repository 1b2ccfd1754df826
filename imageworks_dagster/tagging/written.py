"""What we wrote into photos: recorded before a file is replaced, told apart from the photographer's own words."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import LargeBinary, delete, func, insert, select, update

from imageworks.personal_tagger.merging import OurTags
from photos.errors import PhotoError
from photos.identity import file_sha256
from photos.metadata.errors import MetadataError
from photos.metadata.sidecars import possible_sidecars, sidecars_of
from photos.metadata.undo import HEADER_BYTES, Standing, facts_of, standing
from store.path_text import path_text, text_path
from store.tables import metadata_writes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from sqlalchemy import RowMapping

    from imageworks_dagster.picturing import PhotoFile
    from photos.discovery import FoundFile
    from photos.metadata.undo import UndoFacts
    from photos.metadata.written import Written
    from store.database import StateDatabase

CHUNK = 500


@dataclass(frozen=True)
class StandingWrite:
    """The last write of ours into a file that was not taken back."""

    write_id: str
    ours: OurTags


@dataclass(frozen=True)
class _KnownWrite:
    """A write of ours into a file where it lay then; whether it is told to have happened."""

    write: StandingWrite
    path: Path
    told: bool
    facts: UndoFacts

    @classmethod
    def of(cls, row: RowMapping) -> _KnownWrite:
        return cls(
            StandingWrite(row["write_id"], _tags(row)),
            text_path(row["path"]),
            row["state"] == "written",
            facts_of(bytes(row["header"])),
        )


@dataclass(frozen=True)
class RecordedWrite:
    """A write of ours, with what takes it back.

    Attributes:
        write_id: names it.
        path: the file, a photo or a sidecar, where it lay then.
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

    @property
    def is_beside(self) -> bool:
        """It went into a sidecar."""
        return self.path.suffix.lower() == ".xmp"


def standing_writes(database: StateDatabase, photos: Iterable[PhotoFile]) -> dict[Path, StandingWrite]:
    """Our writes that stand in these photos, by path: the last ones that were not undone.

    A file is known by its own path first, or by its sidecar's, so that two files with one picture keep their own
    tags. A photo without a write of its own has that of another file with its picture if it is a copy of what we made,
    byte for byte, or if that file is gone: it was moved here then. A copy of the photo as it was before the write, or
    one that somebody else tagged, has none of ours.
    """
    wanted = list(photos)
    by_path: dict[str, _KnownWrite] = {}
    by_picture: defaultdict[str, list[_KnownWrite]] = defaultdict(list)
    ids = sorted({photo.photo_id for photo in wanted})
    one = metadata_writes.c
    header = func.substr(one.undo, 1, HEADER_BYTES, type_=LargeBinary).label("header")
    with database.read() as connection:
        for start in range(0, len(ids), CHUNK):
            statement = (
                select(one.write_id, one.path, one.photo_id, one.fields, one.state, header)
                .where(
                    one.photo_id.in_(ids[start : start + CHUNK]),
                    one.state.in_(("prepared", "written")),
                )
                .order_by(one.at)
            )
            for row in connection.execute(statement).mappings():
                write = by_path[row["path"]] = _KnownWrite.of(row)
                by_picture[row["photo_id"]].insert(0, write)
    known: dict[Path, StandingWrite] = {}
    for photo in wanted:
        found = _own(photo.path, by_path) or _elsewhere(photo.path, by_picture[photo.photo_id])
        if found is not None:
            known[photo.path] = found.write
    return known


def places_of(photo: Path) -> tuple[Path, ...]:
    """Where what we wrote about a photo may stand: in the file itself, or in a sidecar beside it."""
    return photo, *sidecars_of(photo)


def writes_into(database: StateDatabase, photo_id: str) -> list[RecordedWrite]:
    """All our writes into files that hold this picture, or into their sidecars, taken back or not, the newest first."""
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


def as_before_our_writes(
    database: StateDatabase, folder: Path, found: Iterable[FoundFile]
) -> Iterator[FoundFile]:
    """Files as they would be had we never written into them, which changes the size alone.

    Args:
        database: the state database.
        folder: theirs or one above it, as writes are recorded: resolved.
        found: the files.
    """
    ours = written_sizes(database, folder)
    for file in found:
        size = file.size
        for before, after in ours.get(path_text(file.place), ()) if ours else ():
            size = before if size == after else size
        yield file if size == file.size else replace(file, size=size)


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


def settle_prepared(database: StateDatabase, batch: str, photos: Iterable[PhotoFile]) -> None:
    """Tell of writes that a kill interrupted whether they happened, by looking at the files.

    A file that was moved since is known by its content at the places of the photos with its picture. One that is
    nowhere, cannot be read or was edited since cannot tell: its record, and with it the undo, stays.

    Args:
        database: the state database.
        batch: whose writes; of another batch's only such are settled as stand in these photos.
        photos: where the batch's photos lie now.
    """
    left = [row for row in _prepared(database) if not _settled_in_place(database, row, batch)]
    if not left:
        return
    lie: defaultdict[str, list[Path]] = defaultdict(list)
    for photo in photos:
        lie[photo.photo_id].append(photo.path)
    for row in left:
        places = [place for photo in lie[row["photo_id"]] for place in places_of(photo)]
        if any(_stands(place, row["undo"]) is Standing.AFTER for place in places):
            record_state(database, row["write_id"], "written")
        elif row["batch"] == batch and _would_lie_beside(row, lie[row["photo_id"]]):
            _drop(database, row["write_id"])


def _settled_in_place(database: StateDatabase, row: RowMapping, batch: str) -> bool:
    """Settle a write by the file that it was into, if that is there, or leave it to another run of its batch."""
    place = text_path(row["path"])
    if _is_gone(place):
        return False
    stands = _stands(place, row["undo"]) if row["batch"] == batch else None
    if stands is Standing.AFTER:
        record_state(database, row["write_id"], "written")
    elif stands is Standing.BEFORE:
        _drop(database, row["write_id"])
    return True


def _stands(place: Path, record: bytes) -> Standing | None:
    """What a file is, seen from a write; None where that cannot be told."""
    try:
        return standing(place, record)
    except (OSError, MetadataError):
        return None


def _would_lie_beside(row: RowMapping, photos: Iterable[Path]) -> bool:
    """Whether a sidecar was to be made beside one of the photos: they lie where they did, so it was not made."""
    sidecar = text_path(row["path"])
    return facts_of(row["undo"]).made and any(sidecar in possible_sidecars(photo) for photo in photos)


def _drop(database: StateDatabase, write_id: str) -> None:
    statement = delete(metadata_writes).where(metadata_writes.c.write_id == write_id)
    database.write(lambda connection: connection.execute(statement))


def _prepared(database: StateDatabase) -> list[RowMapping]:
    statement = select(metadata_writes).where(metadata_writes.c.state == "prepared")
    with database.read() as connection:
        return list(connection.execute(statement).mappings())


def _own(photo: Path, by_path: Mapping[str, _KnownWrite]) -> _KnownWrite | None:
    if not by_path:
        return None
    found = (by_path.get(path_text(place)) for place in places_of(photo))
    return next(filter(None, found), None)


def _elsewhere(photo: Path, writes: list[_KnownWrite]) -> _KnownWrite | None:
    """The write into another file that a photo has, of those into files with its picture, the newest first."""
    places = places_of(photo) if writes else ()
    if len(writes) > 1:  # the one whose bytes are here, before one whose file is merely gone
        writes = sorted(writes, key=lambda write: not any(_is_its(place, write) for place in places))
    return next((write for write in writes if _was_brought(photo, places, write)), None)


def _was_brought(photo: Path, places: tuple[Path, ...], write: _KnownWrite) -> bool:
    if write.told and _is_gone(write.path):
        # Somebody may have edited it since: all but the file as it was before the write.
        beside = write.path.suffix.lower() == ".xmp"
        return any((place != photo) == beside and not _is_as_before(place, write) for place in places)
    return any(_is_its(place, write) for place in places)


def _is_its(place: Path, write: _KnownWrite) -> bool:
    """Whether a file holds what the write made."""
    return _has(place, write.facts.after_size, write.facts.after_sha256)


def _is_as_before(place: Path, write: _KnownWrite) -> bool:
    return not write.facts.made and _has(place, write.facts.before_size, write.facts.before_sha256)


def _has(place: Path, size: int, digest: str) -> bool:
    """Whether a file has these bytes; it is read only if it has the size."""
    try:
        return place.stat().st_size == size and file_sha256(place) == digest
    except (OSError, PhotoError):  # what cannot be read is not known to be ours
        return False


def _is_gone(path: Path) -> bool:
    """Whether nothing is there; where that cannot be told, as in a folder that may not be read, it is not."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _tags(row: RowMapping) -> OurTags:
    fields = row["fields"]
    # Writes of before there were paths have none.
    paths = tuple(fields.get("paths", ()))
    return OurTags(fields["caption"], fields["description"], tuple(fields["keywords"]), paths)
