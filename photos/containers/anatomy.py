"""What the structure of a picture file says about the picture, before any pixel is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from photos.containers.exif import NO_EXIF, Exif

if TYPE_CHECKING:
    from photos.containers.parts import Part


@dataclass(frozen=True, slots=True)
class Anatomy:
    """The header facts of one picture file.

    Attributes:
        width: Stored pixels a row, before orientation.
        height: Stored rows.
        mode: How pixels are stored: "1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "CFA".
        bits: Bits of one sample.
        icc: The embedded ICC profile.
        exif: What EXIF says.
        declared_srgb: The container itself says sRGB (PNG's sRGB chunk).
        frames: Pictures in an animation, pages in a TIFF; 1 for the ordinary photo.
        turned_by_decoder: The decoder applies the container's own rotation (HEIC), so EXIF's is not to be.
        color_model: What beyond its bytes decides how a JPEG's samples become colors.
        transparent: Some pixels may be see-through, by an alpha channel or a transparent color.
        inverted: 0 is white (TIFF's WhiteIsZero).
        planar: Each channel is stored apart (TIFF's planar configuration 2).
        compressed: The stored samples are compressed (TIFF may leave them bare).
        buffer_bytes: What a decoder holds in memory besides its output.
        metadata_bytes: Metadata of which the decoder keeps copies.
        parts: The stretches of the file that are all a decoder needs; empty where it gets the whole file.
    """

    width: int
    height: int
    mode: str
    bits: int
    icc: bytes | None = None
    exif: Exif = NO_EXIF
    declared_srgb: bool = False
    frames: int = 1
    turned_by_decoder: bool = False
    color_model: str = ""
    transparent: bool = False
    inverted: bool = False
    planar: bool = False
    compressed: bool = True
    buffer_bytes: int = 0
    metadata_bytes: int = 0
    parts: tuple[Part, ...] = ()

    @property
    def orientation(self) -> int:
        """1-8 as EXIF counts: what is still to be done to the decoder's output."""
        return 1 if self.turned_by_decoder else (self.exif.orientation or 1)
