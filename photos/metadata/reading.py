"""Reading what a photo says about itself, from the file, or from its sidecar where nobody writes into the file.

Lightroom ignores a sidecar beside a JPEG, and so does this.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from photos.errors import Unreadable
from photos.formats import Format
from photos.inspection import format_of
from photos.metadata import packet
from photos.metadata.embedded import Blocks, metadata_of, metadata_of_packet, opened
from photos.metadata.errors import MetadataUnreadable
from photos.metadata.fields import PhotoMetadata
from photos.metadata.packet import Packet
from photos.metadata.sidecars import BESIDE, is_of, sidecars_of
from photos.opening import open_photo
from store.path_text import path_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from photos.metadata.sidecars import SidecarNames

EMBEDDED = frozenset({Format.JPEG, Format.TIFF, Format.PNG, Format.WEBP, Format.DNG})
"""Formats whose metadata is read from, and written into, the file itself."""

_SIGMA = b"FOVb"
"""A raw file that pyexiv2 does not know."""


def read_metadata(
    path: Path,
    *,
    names: SidecarNames = "adobe",
    embedded: Callable[[Path], PhotoMetadata] | None = None,
    packet_of: Callable[[Path], bytes] | None = None,
) -> PhotoMetadata:
    """What a photo, or a sidecar, says.

    JPEG, TIFF, PNG, WebP and DNG are read from the file. A raw file is read the same way where pyexiv2 can,
    and its sidecar goes before that; for HEIC, AVIF and JPEG XL the sidecar goes before the XMP inside. A photo
    without any gives an empty value.

    Args:
        path: the file.
        names: which sidecar goes first where there are two.
        embedded: reads what stands in a photo itself; left out, pyexiv2 does it in this process, which is for
            files that one trusts. `MetadataWriter.read` does it in the metadata process.
        packet_of: gives the XMP packet in a file that pyexiv2 does not know; left out, it is not looked for.

    Raises:
        MetadataUnreadable: damaged, or not to be opened; the message names the file.
    """
    embedded = embedded or read_embedded
    if path.suffix.lower() == ".xmp":
        return _said_in(path, read_packet(path))
    kind, known = _kind(path)
    if kind in EMBEDDED:
        return embedded(path)
    packets = {each: read_packet(each) for each in sidecars_of(path, names)}
    said = PhotoMetadata()
    for sidecar, its in packets.items():
        if is_of(its, sidecar, path):
            said = said.with_fallback(_said_in(sidecar, its))
    if kind is Format.RAW and known:
        said = said.with_fallback(embedded(path))
    elif kind in BESIDE and packet_of is not None:
        said = said.with_fallback(_said_inside(path, packet_of))
    return said


def read_packet(sidecar: Path) -> Packet:
    """A sidecar's packet.

    Raises:
        MetadataUnreadable: damaged, too large, or not to be opened; the message names it.
    """
    try:
        with sidecar.open("rb") as file:
            return Packet.parse(file.read(packet.LARGEST_PACKET + 1))
    except OSError as problem:
        raise MetadataUnreadable(f"{path_text(sidecar)}: cannot be opened: {problem.strerror}") from problem
    except MetadataUnreadable as problem:
        raise MetadataUnreadable(f"{path_text(sidecar)}: {problem}") from problem


def read_embedded(path: Path) -> PhotoMetadata:
    """What stands in the file itself.

    Raises:
        MetadataUnreadable: pyexiv2 cannot make sense of the file.
    """
    try:
        with opened(path) as image:
            return metadata_of(Blocks.of(image))
    except MetadataUnreadable as problem:
        raise MetadataUnreadable(f"{path_text(path)}: {problem}") from problem


def _kind(path: Path) -> tuple[Format, bool]:
    """The photo's format, and whether pyexiv2 knows it if it is a raw one."""
    try:
        with open_photo(path) as file:
            kind = format_of(path, file)
            file.seek(0)
            return kind, not file.read(4).startswith(_SIGMA)
    except Unreadable as problem:
        raise MetadataUnreadable(str(problem)) from problem


def _said_in(sidecar: Path, said: Packet) -> PhotoMetadata:
    return replace(metadata_of_packet(said), sources=(sidecar.name,))


def _said_inside(photo: Path, packet_of: Callable[[Path], bytes]) -> PhotoMetadata:
    said = metadata_of_packet(Packet.parse(packet_of(photo)))
    return said if said == PhotoMetadata() else replace(said, sources=("embedded",))
