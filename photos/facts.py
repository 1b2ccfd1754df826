"""What a photo's headers say; nothing is decoded."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, BinaryIO

from photos.color import color_space_of
from photos.containers.anatomy import Anatomy
from photos.errors import NotAPicture, UnsupportedFormat
from photos.formats import Format
from photos.inspection import format_of, read_anatomy
from photos.memory import refuse_to_open
from photos.opening import MAX_FILE_BYTES, open_photo, refuse_empty, refuse_large, telling
from photos.raw import RawHeader, read_raw_header
from photos.turning import SIDES_SWAPPED

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class PhotoFacts:
    """What a photo's headers say.

    Attributes:
        format: The format by content, one of `formats.Format`'s values.
        width: Pixels a row as the picture is meant to be seen, after orientation.
        height: Rows, after orientation.
        orientation: EXIF's 1-8; 1 also where the decoder itself turns the picture (HEIC).
        mode: How pixels are stored: "1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "CFA".
        bits: Bits of one sample.
        icc_name: The name of the embedded profile.
        color_space: "sRGB", "Adobe RGB", "Display P3", "ProPhoto RGB", "Rec. 2020", "other RGB", "Gray",
            "CMYK", "Lab"; "unknown" when neither profile nor EXIF says.
        captured_at: ISO 8601 local time, with offset where the camera wrote one.
        frames: Pictures of an animation, pages of a TIFF.
    """

    format: str
    width: int
    height: int
    orientation: int
    mode: str
    bits: int
    icc_name: str | None
    color_space: str
    captured_at: str | None
    frames: int

    def as_dict(self) -> dict[str, str | int | None]:
        """Plain values for JSON."""
        return asdict(self)


# These decoders may take the whole file into memory only to read its header.
_READ_AS_A_WHOLE = frozenset({Format.HEIC, Format.AVIF, Format.GIF, Format.RAW})


def read_facts(path: Path, *, max_file_bytes: int = MAX_FILE_BYTES) -> PhotoFacts:
    """Read a photo's headers.

    Args:
        path: The file.
        max_file_bytes: Refuse larger HEIC, AVIF, GIF and raw files, of which more than the header must be read.

    Raises:
        Unreadable: The system refuses to read it.
        EmptyFile: It has no bytes.
        FileTooLarge: See `max_file_bytes`; or its decoder would hold too many copies of it.
        NotAPicture: It is no known picture format.
        UnsupportedFormat: It is one that has no reader here (JPEG XL).
        Truncated: It ends within its headers.
        Damaged: Its headers contradict its format.
    """
    with open_photo(path) as file:
        kind = known_format(path, file)
        if kind in _READ_AS_A_WHOLE:
            size = file.seek(0, os.SEEK_END)
            refuse_large(path, size, max_file_bytes)
            refuse_to_open(path, kind, size)
        if kind is Format.RAW:
            return raw_facts(read_raw_header(path, file))
        with telling(path):
            return facts_of(kind, read_anatomy(file, kind))


def known_format(path: Path, file: BinaryIO) -> Format:
    """The format of an open file, when it is one that can be read.

    Raises:
        EmptyFile: It has no bytes.
        NotAPicture: It is no known picture format.
        UnsupportedFormat: It is JPEG XL.
    """
    file.seek(0)
    refuse_empty(path, file.read(1))
    kind = format_of(path, file)
    if kind is Format.UNKNOWN:
        raise NotAPicture(
            path, "is no picture in a known format, whatever its name says; remove it from the folder"
        )
    if kind is Format.JXL:
        raise UnsupportedFormat(
            path, "is JPEG XL, which cannot be decoded here; save it as JPEG, PNG or TIFF"
        )
    return kind


def facts_of(kind: Format, anatomy: Anatomy) -> PhotoFacts:
    """The facts of a picture whose structure was read."""
    space, icc_name = color_space_of(anatomy)
    turned = anatomy.orientation in SIDES_SWAPPED
    return PhotoFacts(
        format=kind.value,
        width=anatomy.height if turned else anatomy.width,
        height=anatomy.width if turned else anatomy.height,
        orientation=anatomy.orientation,
        mode=anatomy.mode,
        bits=anatomy.bits,
        icc_name=icc_name,
        color_space=space,
        captured_at=anatomy.exif.captured_at,
        frames=anatomy.frames,
    )


def raw_facts(header: RawHeader) -> PhotoFacts:
    """The facts of a raw file."""
    return facts_of(
        Format.RAW,
        Anatomy(width=header.width, height=header.height, mode="CFA", bits=16, exif=header.exif),
    )
