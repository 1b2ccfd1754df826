"""What an EXIF block says about a picture: how it is turned, its color space, when it was taken.

Source: EXIF 2.32 (CIPA DC-008) and DCF 2.0 for the interoperability index that marks Adobe RGB.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from photos.containers.reading import BrokenStructure
from photos.containers.tiff import Tag, TiffReader

if TYPE_CHECKING:
    from photos.containers.tiff import Directory

_OFFSET = re.compile(r"[+-]\d\d:\d\d")
_MIRRORED_AND_TURNED = range(1, 9)
_SRGB = 1
_UNCALIBRATED = 0xFFFF
_ADOBE_RGB = 2
_PARTS_OF_DEGREES = 6
_QUARTER = 90


@dataclass(frozen=True, slots=True)
class Exif:
    """What is read from EXIF.

    Attributes:
        orientation: 1-8 as EXIF counts; 1 when it says nothing or nonsense. None where no tag was found.
        captured_at: ISO 8601, with the offset from UTC when the camera wrote one.
        color_space: "sRGB", "Adobe RGB", or None when it says neither.
        location: Latitude and longitude, degrees, north and east positive; None when it says none.
    """

    orientation: int | None = None
    captured_at: str | None = None
    color_space: str | None = None
    location: tuple[float, float] | None = None


NO_EXIF = Exif()


def read_exif(block: bytes) -> Exif:
    r"""Read an EXIF block, with or without its ``Exif\\0\\0`` prefix.

    Cameras and editors write many slightly wrong blocks that every viewer shrugs off, so what cannot be read
    counts as not said.
    """
    if block.startswith(b"Exif\0\0"):
        block = block[6:]
    try:
        reader = TiffReader(io.BytesIO(block))
        return exif_of(reader, reader.first())
    except BrokenStructure:
        return NO_EXIF


def exif_of(reader: TiffReader, main: Directory) -> Exif:
    """Read EXIF from the directories of a TIFF whose directory 0 is `main`."""
    orientation = reader.integer(main, Tag.ORIENTATION, 0)
    try:
        details = reader.linked(main, Tag.EXIF_IFD)
        captured = _captured_at(reader, details)
        space = _color_space(reader, details)
    except BrokenStructure:
        captured, space = None, None
    try:
        location = _location(reader, reader.linked(main, Tag.GPS_IFD))
    except BrokenStructure:
        location = None
    return Exif(
        orientation=orientation if orientation in _MIRRORED_AND_TURNED else None,
        captured_at=captured,
        color_space=space,
        location=location,
    )


def _captured_at(reader: TiffReader, details: Directory) -> str | None:
    for stamp, offset in (
        (Tag.DATE_TIME_ORIGINAL, Tag.OFFSET_TIME_ORIGINAL),
        (Tag.DATE_TIME_DIGITIZED, Tag.OFFSET_TIME_DIGITIZED),
    ):
        try:
            # The camera's clock is local; its offset, where written, is appended as text.
            moment = datetime.strptime(reader.text(details, stamp), "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007
        except ValueError:
            continue
        zone = reader.text(details, offset)
        return moment.isoformat() + (zone if _OFFSET.fullmatch(zone) else "")
    return None


def _location(reader: TiffReader, gps: Directory) -> tuple[float, float] | None:
    """Where the camera was; 0, 0 is what cameras without a fix write, and no photo."""
    latitude = _degrees(reader, gps, Tag.GPS_LATITUDE, south_or_west="S")
    longitude = _degrees(reader, gps, Tag.GPS_LONGITUDE, south_or_west="W")
    if latitude is None or longitude is None or (latitude, longitude) == (0, 0):
        return None
    inside = abs(latitude) <= _QUARTER and abs(longitude) <= 2 * _QUARTER
    return (latitude, longitude) if inside else None


def _degrees(reader: TiffReader, gps: Directory, tag: Tag, *, south_or_west: str) -> float | None:
    """Degrees, minutes and seconds, each a fraction, with the letter of their side in the tag before."""
    values = reader.integers(gps, tag)
    if len(values) != _PARTS_OF_DEGREES or not all(values[1::2]):
        return None
    whole, minutes, seconds = (over / under for over, under in zip(values[::2], values[1::2], strict=True))
    degrees = whole + minutes / 60 + seconds / 3600
    return -degrees if reader.text(gps, tag - 1).upper() == south_or_west else degrees


def _color_space(reader: TiffReader, details: Directory) -> str | None:
    value = reader.integer(details, Tag.COLOR_SPACE, 0)
    if value == _SRGB:
        return "sRGB"
    if value == _ADOBE_RGB:
        return "Adobe RGB"
    if value == _UNCALIBRATED:
        interoperability = reader.linked(details, Tag.INTEROPERABILITY_IFD)
        if reader.text(interoperability, Tag.INTEROPERABILITY_INDEX) == "R03":
            return "Adobe RGB"
    return None
