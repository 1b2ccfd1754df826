"""Where a photo was taken, by its EXIF; read only where somebody asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from photos.facts import known_format
from photos.formats import Format
from photos.inspection import read_anatomy
from photos.opening import open_photo, telling
from photos.raw import read_raw_header

if TYPE_CHECKING:
    from pathlib import Path


def read_location(path: Path) -> tuple[float, float] | None:
    """Latitude and longitude in degrees, north and east positive; None where the file does not say.

    Raises:
        photos.errors.PictureError: As `facts.read_facts` has it, which has looked at the file before.
    """
    with open_photo(path) as file:
        kind = known_format(path, file)
        if kind is Format.RAW:
            return read_raw_header(path, file).exif.location
        with telling(path):
            return read_anatomy(file, kind).exif.location
