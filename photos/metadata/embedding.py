"""Writing fields into the photo itself: JPEG, TIFF, PNG, WebP and DNG, by pyexiv2 on a copy that is proved.

Copy beside the photo, of a JPEG all but its picture → pyexiv2 in its own process → the picture put behind it, offsets
mended → the same picture, nothing lost, the fields read back → undo made and tried → published.
"""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from photos.containers.reading import BrokenStructure
from photos.formats import Format
from photos.identity import file_sha256, identify, photo_id, shown_as
from photos.metadata.comparing import check_parts
from photos.metadata.errors import (
    DiskFull,
    MetadataUnreadable,
    MetadataWouldBeLost,
    NotReadBack,
    PictureWouldChange,
    ToolCrashed,
    WriteFailed,
)
from photos.metadata.fields import PhotoMetadata
from photos.metadata.picture_data import append_picture, copy_without_picture
from photos.metadata.replacing import Original
from photos.metadata.temporary import explaining, hidden_copy
from photos.metadata.written import Written, make_ready, naming, publish, undo_record
from store.path_text import path_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from photos.identity import Identity
    from photos.metadata.fields import MetadataFields
    from photos.metadata.process import MetadataProcess
    from photos.metadata.written import Order

_MWG_DESCRIPTION = frozenset({Format.JPEG, Format.TIFF, Format.DNG})
"""Formats for which the Metadata Working Group wants the description in EXIF too."""

BESIDE = 2
"""Threads: one hashes the original while the metadata process works, one syncs the copy while that is hashed."""


def embed(path: Path, kind: Format, order: Order, process: MetadataProcess) -> Written:
    """Write fields into a photo.

    Raises:
        WriteRefused: not tried, and why.
        WriteFailed: tried on a copy and given up.
        MetadataUnreadable: the photo's metadata is damaged.
    """
    original = Original.at(path)
    with hidden_copy(original.path) as copy, ThreadPoolExecutor(BESIDE) as beside:
        rest = _copied(original, copy, kind)
        original.check_unchanged()
        # Whatever becomes of the original meanwhile is told before the copy takes its place.
        hashed = beside.submit(_known, original)
        fields = order.fields(lambda: read_copy(copy, original.path, process))
        with _noticing_a_full_disk(original, copy):
            reply = _edited(original, copy, kind, fields, process)
            if reply["changed"]:
                with explaining(copy):
                    if rest is not None:
                        append_picture(original.path, rest, copy)
                    alike = check_parts(original.path, copy, kind)
                ready = beside.submit(make_ready, copy, original)
                after = file_sha256(copy)
            identity, digest = hashed.result()
            order.check_picture(original.path, identity.photo_id)
            if not reply["changed"]:
                return _nothing_to_do(original, identity, digest, fields, reply)
            _check_kept(original, copy, kind, identity, reply)
        record, facts = undo_record(original, copy, digests=(digest, after), alike=alike)
        written = Written(
            path=original.path,
            photo_id=identity.photo_id,
            changed=True,
            before_sha256=facts.before_sha256,
            after_sha256=facts.after_sha256,
            undo=record,
            fields=fields,
            before=PhotoMetadata.from_dict(reply["before"]),
            after=PhotoMetadata.from_dict(reply["after"]),
        )
        ready.result()
        publish(written, copy, original, order)
    return written


def read_copy(copy: Path, original: Path, process: MetadataProcess) -> PhotoMetadata:
    """What a file says, read in the metadata process; problems name the original."""
    with naming(original):
        return PhotoMetadata.from_dict(process.ask({"op": "read", "path": os.fspath(copy)})["said"])


def _known(original: Original) -> tuple[Identity, str]:
    return identify(original.path), file_sha256(original.path)


def _copied(original: Original, copy: Path, kind: Format) -> int | None:
    """Copy what the metadata process needs; where the rest of a JPEG begins."""
    with explaining(copy), naming(original.path):
        if kind is Format.JPEG:
            return copy_without_picture(original.path, copy)
        shutil.copyfile(original.path, copy)
        return None


def _edited(
    original: Original, copy: Path, kind: Format, fields: MetadataFields, process: MetadataProcess
) -> dict[str, Any]:
    request = {
        "op": "edit",
        "path": os.fspath(copy),
        "fields": fields.as_dict(),
        "exif_description": kind in _MWG_DESCRIPTION,
        "in_memory": kind is Format.JPEG,
    }
    with naming(original.path):
        return process.ask(request)


@contextmanager
def _noticing_a_full_disk(original: Original, copy: Path) -> Iterator[None]:
    """Tell a full disk as such: exiv2 says nothing of it, and leaves a copy that is cut off.

    Raises:
        DiskFull: something is wrong with the copy, and there is hardly room for it.
    """
    try:
        yield
    except (WriteFailed, MetadataUnreadable) as problem:
        told_already = isinstance(problem, DiskFull | ToolCrashed)
        if told_already or _free_bytes(copy.parent) >= 2 * original.state.st_size:
            raise
        raise DiskFull(
            f"{path_text(original.path)}: no room for its new version; free some space, run it again"
        ) from problem


def _check_kept(
    original: Original, copy: Path, kind: Format, identity: Identity, reply: dict[str, Any]
) -> None:
    """The picture is the same, nothing that others wrote is lost, the fields read back.

    Args:
        original: the photo.
        copy: its new version, its parts checked.
        kind: their format.
        identity: the photo's.
        reply: what the metadata process says of its work.

    Raises:
        PictureWouldChange: the picture, or a second one in the file, differs.
        MetadataWouldBeLost: a value of others, or what they keep in parts of their own, is gone.
        NotReadBack: a field of ours is not there.
    """
    name = path_text(original.path)
    if not _same_picture(copy, kind, identity):
        raise PictureWouldChange(
            f"{name}: the rewritten file would not hold the same picture (the photo is damaged or cut off, or "
            "laid out in a way that pyexiv2 does not keep); it was left alone",
        )
    if reply["lost"]:
        raise MetadataWouldBeLost(
            f"{name}: writing would lose {', '.join(reply['lost'][:8])}; the photo was left alone",
        )
    if reply["unsaid"]:
        raise NotReadBack(f"{name}: {', '.join(reply['unsaid'])} did not read back; the photo was left alone")


def _same_picture(copy: Path, kind: Format, identity: Identity) -> bool:
    if kind is not Format.JPEG:
        return photo_id(copy) == identity.photo_id
    try:
        # All that makes the picture was compared byte by byte, which is quicker than to hash it once more.
        return identity.shown is not None and shown_as(copy) == identity.shown
    except BrokenStructure:
        return False


def _nothing_to_do(
    original: Original, identity: Identity, digest: str, fields: MetadataFields, reply: dict[str, Any]
) -> Written:
    said = PhotoMetadata.from_dict(reply["before"])
    return Written(original.path, identity.photo_id, False, digest, digest, b"", fields, said, said)


def _free_bytes(folder: Path) -> int:
    state = os.statvfs(folder)
    return state.f_bavail * state.f_frsize
