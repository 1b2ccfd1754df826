"""Writing fields into photos so that no photo can be harmed: on a copy, proved, with an undo, by one rename.

What happens to one photo: copy beside it → pyexiv2 in its own process → offsets mended → the same picture,
nothing lost, the fields read back → undo made and tried → synced, times and mode as before → the caller
records the undo → rename → folder synced. A kill at any moment leaves the old file or the new one, and at
most a hidden copy that the next run sweeps.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from photos.formats import Format
from photos.identity import photo_id
from photos.inspection import format_of
from photos.metadata.comparing import check_parts
from photos.metadata.errors import (
    DiskFull,
    FileChanged,
    FormatNotWritable,
    MetadataUnreadable,
    MetadataWouldBeLost,
    NotReadBack,
    PictureWouldChange,
    ToolCrashed,
    ToolFailed,
    WriteFailed,
)
from photos.metadata.fields import MetadataFields, PhotoMetadata
from photos.metadata.process import MetadataProcess
from photos.metadata.reading import EMBEDDED, read_metadata
from photos.metadata.replacing import Original, keep_attributes
from photos.metadata.temporary import explaining, hidden_copy, sweep, sync_file, sync_folder
from photos.metadata.undo import make_record, rebuilds
from photos.opening import open_photo
from store.path_text import path_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import TracebackType

    Wanted = MetadataFields | Callable[[PhotoMetadata], MetadataFields]

_MWG_DESCRIPTION = frozenset({Format.JPEG, Format.TIFF, Format.DNG})
"""Formats for which the Metadata Working Group wants the description in EXIF too."""


@dataclass(frozen=True)
class Written:
    """What a write did, or is about to do when the hook sees it.

    Attributes:
        path: the file that is replaced; a link's target.
        photo_id: of the picture, the same before and after.
        changed: False when the file already said all of it; then nothing was written, and both digests are
            equal.
        before_sha256: of the file before.
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


class MetadataWriter:
    """Writes metadata into photos, one after the other, with one warm process.

    with MetadataWriter() as writer:
        writer.write(path, MetadataFields(keywords=("cat",)), before_replace=record_it)
    """

    def __init__(self) -> None:
        self._process = MetadataProcess()
        self._swept: set[Path] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.close()

    def read(self, path: Path) -> PhotoMetadata:
        """What a photo or a sidecar says, as `read_metadata` has it, with pyexiv2 in the metadata process.

        Raises:
            MetadataUnreadable: damaged, or not to be opened.
            ToolFailed: the process could not do it.
        """

        def embedded(photo: Path) -> PhotoMetadata:
            with _naming(photo):
                return self._read(photo)

        return read_metadata(path, embedded=embedded)

    def write(
        self,
        path: Path,
        wanted: Wanted,
        *,
        before_replace: Callable[[Written], None] | None = None,
        expected_photo_id: str | None = None,
    ) -> Written:
        """Write fields into a photo.

        Args:
            path: a JPEG, TIFF, PNG, WebP or DNG.
            wanted: the fields, or a function that makes them from what the photo says at this moment; with
                the function, keywords that somebody added since the photo was last read cannot get lost.
            before_replace: called when the new version is ready and synced, and before it takes the photo's
                place. Record the undo durably here; an exception leaves the photo as it was.
            expected_photo_id: refuse when the picture is another one by now.

        Returns:
            What was done. When the photo already says it all, nothing is written and the hook is not called.

        Raises:
            WriteRefused: not tried, and why: unsupported format, read-only file or folder, changed meanwhile.
            WriteFailed: tried on a copy and given up: no room, the picture or somebody's metadata would
                change, the tool failed.
            MetadataUnreadable: the photo's metadata is damaged.
        """
        original = Original.at(path)
        kind = _format_of(original.path)
        self._sweep(original.path.parent)
        try:
            return self._attempt(original, kind, wanted, before_replace, expected_photo_id)
        except ToolCrashed:
            # It may have been killed from outside; a file that kills it does so again.
            return self._attempt(Original.at(path), kind, wanted, before_replace, expected_photo_id)

    def _read(self, path: Path) -> PhotoMetadata:
        return PhotoMetadata.from_dict(self._process.ask({"op": "read", "path": os.fspath(path)})["said"])

    def _sweep(self, folder: Path) -> None:
        if folder not in self._swept:
            with explaining(folder / "*"):
                sweep(folder)
            self._swept.add(folder)

    def _attempt(
        self,
        original: Original,
        kind: Format,
        wanted: Wanted,
        before_replace: Callable[[Written], None] | None,
        expected_photo_id: str | None,
    ) -> Written:
        with hidden_copy(original.path) as copy:
            with explaining(copy):
                shutil.copyfile(original.path, copy)
            self._check_unchanged(original)
            identity = photo_id(copy)
            if expected_photo_id not in {None, identity}:
                raise FileChanged(
                    f"{path_text(original.path)}: it is not the picture that was tagged; tag it anew",
                )
            fields, reply = self._edit(original, copy, kind, wanted)
            if not reply["changed"]:
                return self._nothing_to_do(original, copy, identity, fields, reply)
            self._check_kept(original, copy, kind, identity, reply)
            written = self._prepared(original, copy, identity, fields, reply)
            with explaining(copy):
                keep_attributes(original, copy)
                sync_file(copy)
            self._check_unchanged(original)
            if before_replace is not None:
                before_replace(written)
                self._check_unchanged(original)
            with explaining(copy):
                copy.replace(original.path)
                sync_folder(original.path.parent)
        return written

    def _edit(
        self,
        original: Original,
        copy: Path,
        kind: Format,
        wanted: Wanted,
    ) -> tuple[MetadataFields, dict[str, Any]]:
        if isinstance(wanted, MetadataFields):
            fields = wanted
        else:
            with _naming(original.path):
                said = self._read(copy)
            fields = wanted(said)
        request = {
            "op": "edit",
            "path": os.fspath(copy),
            "fields": fields.as_dict(),
            "exif_description": kind in _MWG_DESCRIPTION,
        }
        try:
            with _naming(original.path):
                return fields, self._process.ask(request)
        except ToolFailed as problem:
            if not isinstance(problem, ToolCrashed) and _free_bytes(copy.parent) < 2 * original.state.st_size:
                raise DiskFull(
                    f"{path_text(copy.parent)}: no room for the new version; free some space, run it again",
                ) from problem
            raise

    def _check_kept(
        self,
        original: Original,
        copy: Path,
        kind: Format,
        identity: str,
        reply: dict[str, Any],
    ) -> None:
        """The picture is the same, nothing that others wrote is lost, the fields read back.

        Raises:
            PictureWouldChange: the picture, or a second one in the file, differs.
            MetadataWouldBeLost: a value of others, or what they keep in parts of their own, is gone.
            NotReadBack: a field of ours is not there.
        """
        name = path_text(original.path)
        with explaining(copy):
            check_parts(original.path, copy, kind)
        if photo_id(copy) != identity:
            raise PictureWouldChange(
                f"{name}: the rewritten file would not hold the same picture (the photo is damaged or cut off, or "
                "laid out in a way that pyexiv2 does not keep); it was left alone",
            )
        if reply["lost"]:
            raise MetadataWouldBeLost(
                f"{name}: writing would lose {', '.join(reply['lost'][:8])}; the photo was left alone",
            )
        if reply["unsaid"]:
            raise NotReadBack(
                f"{name}: {', '.join(reply['unsaid'])} did not read back; the photo was left alone"
            )

    @staticmethod
    def _prepared(
        original: Original,
        copy: Path,
        identity: str,
        fields: MetadataFields,
        reply: dict[str, Any],
    ) -> Written:
        with explaining(copy):
            record, facts = make_record(original.path, copy)
            if not rebuilds(record, copy):
                raise WriteFailed(
                    f"{path_text(original.path)}: no undo could be made; the photo was left alone"
                )
        return Written(
            path=original.path,
            photo_id=identity,
            changed=True,
            before_sha256=facts.before_sha256,
            after_sha256=facts.after_sha256,
            undo=record,
            fields=fields,
            before=PhotoMetadata.from_dict(reply["before"]),
            after=PhotoMetadata.from_dict(reply["after"]),
        )

    @staticmethod
    def _nothing_to_do(
        original: Original,
        copy: Path,
        identity: str,
        fields: MetadataFields,
        reply: dict[str, Any],
    ) -> Written:
        _, facts = make_record(copy, copy)
        said = PhotoMetadata.from_dict(reply["before"])
        digest = facts.before_sha256
        return Written(original.path, identity, False, digest, digest, b"", fields, said, said)

    @staticmethod
    def _check_unchanged(original: Original) -> None:
        if not original.is_unchanged():
            raise FileChanged(
                f"{path_text(original.path)}: another program wrote it meanwhile, so it was left alone; try again",
            )


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name the photo in what the metadata process says of its copy."""
    try:
        yield
    except (MetadataUnreadable, ToolFailed) as problem:
        raise type(problem)(f"{path_text(path)}: {problem}") from problem


def _format_of(path: Path) -> Format:
    with open_photo(path) as file:
        kind = format_of(path, file)
    if kind in EMBEDDED:
        return kind
    what = "a camera's raw file" if kind is Format.RAW else f"its content is {kind.value}"
    raise FormatNotWritable(
        f"{path_text(path)}: {what}; metadata is written into JPEG, TIFF, PNG, WebP and DNG only, and "
        "sidecars for the others are not written yet, so it was left alone",
    )


def _free_bytes(folder: Path) -> int:
    state = os.statvfs(folder)
    return state.f_bavail * state.f_frsize
