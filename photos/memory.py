"""Which decoder reads a picture, and whether the memory set aside for it is enough.

The promise is less than 1 GB for the whole process while one picture is decoded. `MEMORY_BYTES` is what a
picture may need; what would need more is refused from its header. Threads that decode at once each need their
own. The factors below are measured; the memory tests hold them.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from photos.color import source_profile
from photos.errors import FileTooLarge, TooManyPixels
from photos.formats import Format

if TYPE_CHECKING:
    from pathlib import Path

    from photos.containers.anatomy import Anatomy

MAX_PIXELS = 100_000_000
MEMORY_BYTES = 840_000_000
"""What decoding one picture may take; the program itself takes some 100 MB besides."""

_EIGHT_BITS = 8


class Way(Enum):
    """Which decoder, and how it is used."""

    OPENCV = auto()
    OPENCV_GREY = auto()
    OPENCV_ALPHA = auto()
    PILLOW_ONE_CHANNEL = auto()
    PILLOW = auto()
    PILLOW_AVIF = auto()
    HEIF = auto()


_BYTES_A_PIXEL = {
    # OpenCV's binding copies what was decoded. (Its `imread` into an array would not, but hides failures.)
    Way.OPENCV: (3, 3 + 3),
    Way.OPENCV_GREY: (1, 1 + 3),
    Way.OPENCV_ALPHA: (4, 4 + 4),
    # Pillow keeps one channel in one byte (16-bit grey in two), several in four.
    Way.PILLOW_ONE_CHANNEL: (2, 2 + 3),
    Way.PILLOW: (4, 4 + 3),
    # Both hold the decoded planes, the interleaved bytes and Pillow's picture at once.
    Way.PILLOW_AVIF: (14, 4 + 3),
    Way.HEIF: (13, 4 + 3),
}
"""What is held while decoding, next to the decoder's own buffers, and at most after it."""

_OPENCV = frozenset({Way.OPENCV, Way.OPENCV_GREY, Way.OPENCV_ALPHA})
_READ_AS_A_WHOLE = frozenset({Format.WEBP, Format.GIF, Format.AVIF, Format.HEIC})
"""Formats whose readers in Pillow hold the whole file; of GIF because its comments may fill it."""

_METADATA_COPIES = {Format.TIFF: 2, Format.PSD: 2, Format.WEBP: 2, Format.AVIF: 4, Format.HEIC: 6}
"""How often the readers of a format hold its metadata, next to the file that they hold as a whole."""

_COPIES_TO_OPEN = {Format.AVIF: 5, Format.HEIC: 7}
"""How often the bytes of a file may be held before anything of it is known."""


def way_of(kind: Format, anatomy: Anatomy) -> Way:
    """Choose the decoder."""
    if kind in (Format.JPEG, Format.PNG) and anatomy.mode in ("L", "RGB", "P") and not anatomy.transparent:
        return Way.OPENCV_GREY if anatomy.mode == "L" and source_profile(anatomy) else Way.OPENCV
    if kind is Format.WEBP and anatomy.frames == 1:
        return Way.OPENCV_ALPHA if anatomy.transparent else Way.OPENCV
    if pillow_misreads(kind, anatomy):
        return Way.OPENCV
    if kind is Format.HEIC:
        return Way.HEIF
    if kind is Format.AVIF:
        return Way.PILLOW_AVIF
    return Way.PILLOW_ONE_CHANNEL if anatomy.mode in ("1", "L", "P") else Way.PILLOW


def pillow_misreads(kind: Format, anatomy: Anatomy) -> bool:
    """It takes the samples of bare 16-bit planes for 8-bit ones, and says nothing."""
    return kind is Format.TIFF and anatomy.planar and anatomy.bits > _EIGHT_BITS and not anatomy.compressed


def refuse_too_large(
    path: Path, kind: Format, anatomy: Anatomy, *, file_bytes: int, max_pixels: int, held_bytes: int = 0
) -> None:
    """Tell a picture that is too large from its header.

    Args:
        path: The file.
        kind: Its format.
        anatomy: What its header says.
        file_bytes: Its size.
        max_pixels: More are refused.
        held_bytes: What the caller holds in memory for it already.

    Raises:
        TooManyPixels: It has more pixels than allowed, or decoding it takes more memory than is set aside.
    """
    size = f"{anatomy.width:,} x {anatomy.height:,}"
    pixels = anatomy.width * anatomy.height
    refuse_pixels(path, anatomy.width, anatomy.height, max_pixels)
    way = way_of(kind, anatomy)
    during, after = _BYTES_A_PIXEL[way]
    if kind is Format.TIFF and anatomy.orientation > 1:
        # Its readers turn into a copy.
        after += 1
    held = held_bytes + (file_bytes if way in _OPENCV or kind in _READ_AS_A_WHOLE else 0)
    if way not in _OPENCV:
        held += anatomy.metadata_bytes * _METADATA_COPIES.get(kind, 0)
    needed = held + max(pixels * during + anatomy.buffer_bytes, pixels * after)
    if kind is Format.TIFF:
        # Pillow reads its tags twice, and joins them from pieces.
        needed = max(needed, 3 * anatomy.metadata_bytes)
    if needed > MEMORY_BYTES:
        raise TooManyPixels(
            path,
            f"({size}) would take {needed >> 20:,} MiB to decode, more than the {MEMORY_BYTES >> 20:,} MiB set "
            "aside; save it smaller, or as a JPEG that is not progressive",
        )


def refuse_pixels(path: Path, width: int, height: int, max_pixels: int) -> None:
    """Tell a picture of too many pixels.

    Raises:
        TooManyPixels: It has more than `max_pixels`.
    """
    if width * height > max_pixels:
        raise TooManyPixels(
            path,
            f"has {width:,} x {height:,} pixels, more than the {max_pixels:,} allowed; save it smaller, or raise "
            "IMAGEWORKS_MAX_PIXELS",
        )


def refuse_to_open(path: Path, kind: Format, file_bytes: int) -> None:
    """Tell a file of which merely opening it could take too much memory.

    Raises:
        FileTooLarge: Its decoder may hold more copies of it than the memory set aside allows.
    """
    refuse_copies(path, file_bytes, _COPIES_TO_OPEN.get(kind, 0))


def refuse_copies(path: Path, file_bytes: int, copies: int) -> None:
    """Tell a file that would be in memory too often.

    Raises:
        FileTooLarge: So many copies of it are more than the memory set aside.
    """
    if file_bytes * copies > MEMORY_BYTES:
        raise FileTooLarge(
            path,
            f"has {file_bytes:,} bytes, of which its decoder may hold {copies} copies, more than the "
            f"{MEMORY_BYTES >> 20:,} MiB set aside; save it smaller, or export it as JPEG and use that",
        )
