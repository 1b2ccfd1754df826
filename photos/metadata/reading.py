"""Reading what a photo says about itself, from the file, or from its sidecar where nobody writes into the file.

Lightroom ignores a sidecar beside a JPEG, and so does this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from photos.errors import Unreadable
from photos.formats import Format
from photos.inspection import format_of
from photos.metadata import packet
from photos.metadata.embedded import metadata_of, metadata_of_packet, opened
from photos.metadata.errors import MetadataUnreadable
from photos.metadata.fields import PhotoMetadata
from photos.metadata.packet import Packet
from photos.opening import open_photo
from store.path_text import path_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EMBEDDED = frozenset({Format.JPEG, Format.TIFF, Format.PNG, Format.WEBP, Format.DNG})
"""Formats whose metadata is read from, and written into, the file itself."""


def read_metadata(path: Path, *, embedded: Callable[[Path], PhotoMetadata] | None = None) -> PhotoMetadata:
    """What a photo, or a sidecar, says.

    JPEG, TIFF, PNG, WebP and DNG are read from the file. A raw file is read the same way where pyexiv2 can,
    and its sidecar goes before that; for HEIC, AVIF, JPEG XL and the rest the sidecar alone counts. A photo
    without any gives an empty value.

    Args:
        path: the file.
        embedded: reads what stands in a photo itself; left out, pyexiv2 does it in this process, which is for
            files that one trusts. `MetadataWriter.read` does it in the metadata process.

    Raises:
        MetadataUnreadable: damaged, or not to be opened; the message names the file.
    """
    embedded = embedded or read_embedded
    if path.suffix.lower() == ".xmp":
        return _read_sidecar(path)
    try:
        with open_photo(path) as file:
            kind = format_of(path, file)
    except Unreadable as problem:
        raise MetadataUnreadable(str(problem)) from problem
    if kind in EMBEDDED:
        return embedded(path)
    sidecars = [_read_sidecar(each) for each in sidecars_of(path)]
    inside = [embedded(path)] if kind is Format.RAW else []
    said = PhotoMetadata()
    for each in (*sidecars, *inside):
        said = said.with_fallback(each)
    return said


def sidecars_of(photo: Path) -> tuple[Path, ...]:
    """The sidecars beside a photo: `photo.xmp` (Adobe) before `photo.cr2.xmp` (darktable, digiKam)."""
    candidates = (photo.with_suffix(".xmp"), photo.with_suffix(".XMP"), photo.with_name(photo.name + ".xmp"))
    return tuple(dict.fromkeys(each for each in candidates if each.is_file()))


def read_embedded(path: Path) -> PhotoMetadata:
    """What stands in the file itself.

    Raises:
        MetadataUnreadable: pyexiv2 cannot make sense of the file.
    """
    try:
        with opened(path) as image:
            return metadata_of(image)
    except MetadataUnreadable as problem:
        raise MetadataUnreadable(f"{path_text(path)}: {problem}") from problem


def _read_sidecar(path: Path) -> PhotoMetadata:
    try:
        with path.open("rb") as file:
            data = file.read(packet.LARGEST_PACKET + 1)
        return PhotoMetadata.from_dict(
            {**metadata_of_packet(Packet.parse(data)).as_dict(), "sources": (path.name,)},
        )
    except OSError as problem:
        raise MetadataUnreadable(f"{path_text(path)}: cannot be opened: {problem.strerror}") from problem
    except MetadataUnreadable as problem:
        raise MetadataUnreadable(f"{path_text(path)}: {problem}") from problem
