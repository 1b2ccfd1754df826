"""Which sidecar is a photo's: two ways to name it, and whose it is where photos share a name.

Adobe names it `photo.xmp`, darktable and digiKam `photo.cr2.xmp`. Adobe's says whose it is
(photoshop:SidecarForExtension; XMP Specification Part 3, 2.1), as a raw file and an HEIC of one exposure have one name.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from photos.formats import RAW_EXTENSIONS, Format
from photos.metadata import packet
from photos.metadata.errors import SidecarShared
from store.path_text import path_text

if TYPE_CHECKING:
    from pathlib import Path

    from photos.metadata.packet import Packet

SidecarNames = Literal["adobe", "darktable"]

BESIDE = frozenset({Format.RAW, Format.HEIC, Format.AVIF, Format.JXL})
"""Formats that are never written into: what is said about them stands in a sidecar."""

_WITH_SIDECAR = (RAW_EXTENSIONS - {".dng"}) | {".heic", ".heif", ".hif", ".avif", ".jxl"}


def sidecars_of(photo: Path, names: SidecarNames = "adobe") -> tuple[Path, ...]:
    """The sidecars beside a photo, those named in the way that is asked for first."""
    return tuple(each for each in possible_sidecars(photo, names) if each.is_file())


def possible_sidecars(photo: Path, names: SidecarNames = "adobe") -> tuple[Path, ...]:
    """Where a photo's sidecars would be, there or not; those named in the way that is asked for first."""
    adobe, darktable = _names(photo, "adobe"), _names(photo, "darktable")
    candidates = (*adobe, *darktable) if names == "adobe" else (*darktable, *adobe)
    return tuple(dict.fromkeys(candidates))


def sidecar_for(photo: Path, names: SidecarNames) -> Path:
    """Where a photo's sidecar is, or is to be made.

    Raises:
        SidecarShared: by Adobe's naming it would be another photo's too.
        OSError: the folder cannot be read.
    """
    candidates = _names(photo, names)
    place = next((each for each in candidates if os.path.lexists(each)), candidates[0])
    if names == "adobe" and (other := _goes_before(photo)):
        raise SidecarShared(
            f"{path_text(photo)}: {place.name} is the sidecar of {other.name} as well, so this photo was "
            "left alone; set IMAGEWORKS_SIDECAR_NAMES=darktable to give each its own, or rename one of the two"
        )
    return place


def is_of(said: Packet, sidecar: Path, photo: Path) -> bool:
    """Whether a sidecar is this photo's, and not that of one with the same name and another extension."""
    whose = said.text(packet.SIDECAR_FOR)
    by_name = sidecar.stem == photo.name
    return by_name or whose is None or whose.lower() == photo.suffix[1:].lower()


def extension_of(photo: Path) -> str:
    """What photoshop:SidecarForExtension says of a photo."""
    return photo.suffix[1:].upper()


def _names(photo: Path, names: SidecarNames) -> tuple[Path, ...]:
    if names == "darktable":
        return photo.with_name(photo.name + ".xmp"), photo.with_name(photo.name + ".XMP")
    return photo.with_suffix(".xmp"), photo.with_suffix(".XMP")


def _goes_before(photo: Path) -> Path | None:
    """Another photo of the same name whose sidecar it rather is: a raw file before the others."""
    with os.scandir(photo.parent) as entries:
        alike = [
            photo.with_name(entry.name)
            for entry in entries
            if entry.name.startswith(photo.stem) and entry.name != photo.name
        ]
    rivals = [each for each in alike if each.stem == photo.stem and each.suffix.lower() in _WITH_SIDECAR]
    if photo.suffix.lower() in RAW_EXTENSIONS:
        rivals = [each for each in rivals if each.suffix.lower() in RAW_EXTENSIONS]
    return min(rivals, default=None)
