"""What a write did to one file, and the way there: told to whoever records it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from photos.metadata.errors import FileChanged, InvalidFields, MetadataUnreadable, ToolFailed, WriteFailed
from photos.metadata.replacing import Original, put_in_place
from photos.metadata.temporary import explaining, sync_file
from photos.metadata.undo import UndoFacts, make_record, rebuilds
from store.path_text import path_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from photos.metadata.fields import MetadataFields, PhotoMetadata
    from photos.metadata.replacing import Vacancy

    Wanted = MetadataFields | Callable[[PhotoMetadata], MetadataFields]


@dataclass(frozen=True)
class Written:
    """What a write did, or is about to do when the hook sees it.

    Attributes:
        path: the file that is replaced, the photo itself or its sidecar; a link's target.
        photo_id: of the picture, the same before and after.
        changed: False when the file already said all of it; then nothing was written, and both digests are
            equal.
        before_sha256: of the file before; of no bytes where there was none.
        after_sha256: of the file after.
        undo: the record for `undo.undo`; empty when nothing changed.
        fields: what was asked for.
        before: what the photo said.
        after: what it says now.
    """

    path: Path
    photo_id: str
    changed: bool
    before_sha256: str
    after_sha256: str
    undo: bytes = field(repr=False)
    fields: MetadataFields
    before: PhotoMetadata
    after: PhotoMetadata


@dataclass(frozen=True)
class Order:
    """What is to be written about one photo.

    Attributes:
        wanted: the fields, or a function that makes them from what the photo says.
        before_replace: called when the new version is ready and synced, and before it takes its place.
        expected_photo_id: refuse when the picture is another one by now.
    """

    wanted: Wanted
    before_replace: Callable[[Written], None] | None = None
    expected_photo_id: str | None = None

    def fields(self, said: Callable[[], PhotoMetadata]) -> MetadataFields:
        """The fields; ``said`` is called only when they are made from it."""
        return self.wanted(said()) if callable(self.wanted) else self.wanted

    def check_picture(self, photo: Path, identity: str) -> None:
        """Make sure that it is the picture that was tagged.

        Raises:
            FileChanged: it is another.
        """
        if self.expected_photo_id not in {None, identity}:
            raise FileChanged(f"{path_text(photo)}: it is not the picture that was tagged; tag it anew")


def undo_record(
    place: Original | Vacancy, copy: Path, *, digests: tuple[str, str] | None = None, alike: int = 0
) -> tuple[bytes, UndoFacts]:
    """The record that takes the copy back again, tried; what is known of both files as `make_record` takes it.

    Raises:
        WriteFailed: the record does not give the old file.
    """
    with explaining(copy):
        before = place.path if isinstance(place, Original) else None
        record, facts = make_record(before, copy, digests=digests, alike=alike)
        if not rebuilds(record, before, copy):
            raise WriteFailed(f"{path_text(place.path)}: no undo could be made; the photo was left alone")
    return record, facts


def make_ready(copy: Path, place: Original | Vacancy) -> None:
    """Give a finished copy what the old file had, and sync it.

    Raises:
        WriteFailed: the system refuses.
    """
    with explaining(copy):
        place.hand_on(copy)
        sync_file(copy)


def publish(written: Written, copy: Path, place: Original | Vacancy, order: Order) -> None:
    """Have the undo of a copy recorded that was checked and made ready, and put the copy in place.

    Raises:
        FileChanged: another program wrote the file meanwhile.
        WriteFailed: the system refuses.
    """
    place.check_unchanged()
    if order.before_replace is not None:
        order.before_replace(written)
    put_in_place(copy, place)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name the photo in what a tool says of its copy."""
    try:
        yield
    except (MetadataUnreadable, InvalidFields, ToolFailed) as problem:
        raise type(problem)(f"{path_text(path)}: {problem}") from problem
