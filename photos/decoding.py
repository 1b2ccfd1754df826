"""From a file to upright 8-bit pixels in sRGB, within limits of bytes, pixels and memory.

JPEG, PNG and still WebP go through OpenCV, which is the fastest and needs least memory; what it cannot do or
does carelessly (it calls a damaged TIFF whole) goes through Pillow, HEIC through pillow-heif. Orientation and
color are applied here, once, whatever the decoder.

Memory: the promise is less than 1 GB for the whole process while one picture is decoded. `MEMORY_BYTES` is
what a picture may need; what would need more is refused from its header. Threads that decode at once each
need their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, BinaryIO

import cv2
import numpy as np
import pillow_heif
from PIL import Image, UnidentifiedImageError

from photos.color import source_profile, to_srgb
from photos.containers.jpeg import read_jpeg
from photos.containers.tiff import Tag
from photos.errors import Damaged, TooManyPixels, Truncated, Unreadable, UnsupportedFormat
from photos.facts import PhotoFacts, facts_of, known_format, raw_facts
from photos.flattening import flatten, flatten_bgra, flatten_grey
from photos.formats import Format
from photos.inspection import PILLOW_NAMES, as_file, read_anatomy
from photos.opening import MAX_FILE_BYTES, open_photo, telling
from photos.raw import read_embedded_preview, read_raw_header
from photos.turning import SIDES_SWAPPED, turn

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from photos.containers.anatomy import Anatomy

MAX_PIXELS = 100_000_000
MEMORY_BYTES = 840_000_000
"""What decoding one picture may take; the program itself takes some 100 MB besides."""

_EIGHT_BITS = 8


# What it says about a damaged file goes into the error raised for it, not to standard error.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class _Way(Enum):
    """Which decoder, and how it is used."""

    OPENCV = auto()
    OPENCV_GREY = auto()
    OPENCV_ALPHA = auto()
    PILLOW_ONE_CHANNEL = auto()
    PILLOW = auto()
    PILLOW_AVIF = auto()
    HEIF = auto()


_READ_AS_A_WHOLE = frozenset({_Way.OPENCV, _Way.OPENCV_GREY, _Way.OPENCV_ALPHA})

_BYTES_A_PIXEL = {
    # OpenCV's binding copies what was decoded. (Its `imread` into an array would not, but hides failures.)
    _Way.OPENCV: (3, 3 + 3),
    _Way.OPENCV_GREY: (1, 1 + 3),
    _Way.OPENCV_ALPHA: (4, 4 + 4),
    # Pillow keeps one channel in one byte (16-bit grey in two), several in four.
    _Way.PILLOW_ONE_CHANNEL: (2, 2 + 3),
    _Way.PILLOW: (4, 4 + 3),
    # Both hold the decoded planes, the interleaved bytes and Pillow's picture at once.
    _Way.PILLOW_AVIF: (14, 4 + 3),
    _Way.HEIF: (13, 4 + 3),
}
"""What is held while decoding, next to the decoder's own buffers, and at most after it; see the memory tests."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded photo.

    Attributes:
        pixels: HxWx3, uint8, RGB in sRGB, upright, C-contiguous. Of an animation the first frame, of a raw
            file its largest embedded preview; see-through pixels are laid on white.
        facts: What the file's headers say; of a raw file the width and height are the sensor's.
    """

    pixels: NDArray[np.uint8]
    facts: PhotoFacts


def decode(path: Path, *, max_pixels: int = MAX_PIXELS, max_file_bytes: int = MAX_FILE_BYTES) -> Picture:
    """Decode a photo.

    16-bit samples keep their upper 8 bits.

    Args:
        path: The file.
        max_pixels: Refuse, from its header, what has more.
        max_file_bytes: Refuse, unread, what is larger.

    Raises:
        PictureError: One of its subclasses, as `photos.errors` draws them.
    """
    with open_photo(path, max_file_bytes=max_file_bytes) as file:
        kind = known_format(path, file)
        if kind is Format.RAW:
            facts = raw_facts(read_raw_header(path, file))
            return Picture(_decode_raw(path, file, max_pixels), facts)
        with telling(path):
            anatomy = read_anatomy(file, kind)
            _refuse_too_large(path, kind, anatomy, file_bytes=file.seek(0, 2), max_pixels=max_pixels)
            # From here on memory is bounded; whether the picture is all there can only be told by walking it.
            anatomy = read_anatomy(file, kind, whole=True)
        if kind is Format.DNG:
            return Picture(_decode_raw(path, file, max_pixels), facts_of(kind, anatomy))
        pixels = _decode_upright(path, file, kind, anatomy, anatomy.orientation)
    return Picture(pixels, facts_of(kind, anatomy))


def _way(kind: Format, anatomy: Anatomy) -> _Way:
    if kind in (Format.JPEG, Format.PNG) and anatomy.mode in ("L", "RGB", "P") and not anatomy.transparent:
        return _Way.OPENCV_GREY if anatomy.mode == "L" and source_profile(anatomy) else _Way.OPENCV
    if kind is Format.WEBP and anatomy.frames == 1:
        return _Way.OPENCV_ALPHA if anatomy.transparent else _Way.OPENCV
    if _pillow_misreads(kind, anatomy):
        return _Way.OPENCV
    if kind is Format.HEIC:
        return _Way.HEIF
    if kind is Format.AVIF:
        return _Way.PILLOW_AVIF
    return _Way.PILLOW_ONE_CHANNEL if anatomy.mode in ("1", "L", "P") else _Way.PILLOW


def _pillow_misreads(kind: Format, anatomy: Anatomy) -> bool:
    """It takes the samples of bare 16-bit planes for 8-bit ones, and says nothing."""
    return kind is Format.TIFF and anatomy.planar and anatomy.bits > _EIGHT_BITS and not anatomy.compressed


def _refuse_too_large(
    path: Path, kind: Format, anatomy: Anatomy, *, file_bytes: int, max_pixels: int
) -> None:
    pixels = anatomy.width * anatomy.height
    size = f"{anatomy.width:,} x {anatomy.height:,}"
    if kind is Format.DNG:
        # Its sensor's data are not decoded, and its preview is checked by itself.
        return
    if pixels > max_pixels:
        raise TooManyPixels(
            path,
            f"has {size} pixels, more than the {max_pixels:,} allowed; save it smaller, or raise "
            "IMAGEWORKS_MAX_PIXELS",
        )
    way = _way(kind, anatomy)
    in_memory = file_bytes if way in _READ_AS_A_WHOLE else 0
    during, after = _BYTES_A_PIXEL[way]
    if kind is Format.TIFF and anatomy.orientation > 1:
        # Its readers turn into a copy.
        after += 1
    needed = in_memory + max(pixels * during + anatomy.buffer_bytes, pixels * after)
    if needed > MEMORY_BYTES:
        raise TooManyPixels(
            path,
            f"({size}) would take {needed >> 20:,} MiB to decode, more than the {MEMORY_BYTES >> 20:,} MiB set "
            "aside; save it smaller, or as a JPEG that is not progressive",
        )


def _decode_upright(
    path: Path, file: BinaryIO, kind: Format, anatomy: Anatomy, orientation: int
) -> NDArray[np.uint8]:
    file.seek(0)
    if kind is Format.JPEG and anatomy.bits != _EIGHT_BITS:
        raise UnsupportedFormat(path, f"is a JPEG of {anatomy.bits} bits a sample; save it with 8")
    if _pillow_misreads(kind, anatomy) and anatomy.mode not in ("L", "RGB"):
        raise UnsupportedFormat(
            path, f"is a 16-bit {anatomy.mode} TIFF in planes; save it interleaved, or as JPEG"
        )
    icc = source_profile(anatomy)
    way = _way(kind, anatomy)
    if way is _Way.OPENCV_GREY and icc is not None:
        pixels = flatten_grey(_opencv(path, file, kind, cv2.IMREAD_GRAYSCALE, anatomy), icc)
    elif way is _Way.OPENCV_ALPHA:
        pixels = flatten_bgra(_opencv(path, file, kind, cv2.IMREAD_UNCHANGED, anatomy), icc)
    elif way is _Way.OPENCV:
        pixels = _opencv(path, file, kind, cv2.IMREAD_COLOR_RGB, anatomy)
        if icc is not None:
            to_srgb(pixels, icc)
    else:
        picture = _heif(path, file) if way is _Way.HEIF else _pillow(path, file, kind, orientation)
        try:
            pixels = flatten(picture, icc, inverted=anatomy.inverted)
        except ValueError as error:
            raise UnsupportedFormat(path, f"cannot be shown: {error}; save it with 8 or 16 bits") from error
    # Of Pillow's readers and of OpenCV's, those of TIFF turn what they read.
    return pixels if kind is Format.TIFF else turn(pixels, orientation)


def _opencv(path: Path, file: BinaryIO, kind: Format, flags: int, anatomy: Anatomy) -> NDArray[np.uint8]:
    expected = anatomy.height, anatomy.width
    if kind is Format.TIFF and anatomy.orientation in SIDES_SWAPPED:
        # Its reader of TIFF turns, whatever the flag says.
        expected = anatomy.width, anatomy.height
    try:
        # The bytes are freed when this returns: what comes next needs the memory.
        found = cv2.imdecode(np.frombuffer(file.read(), np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise Damaged(
            path, f"does not decode: {error.err}; open it in an editor and save it again"
        ) from error
    if found is None or found.shape[:2] != expected:
        raise Damaged(path, "does not decode, though its headers do; open it in an editor and save it again")
    return np.asarray(found, np.uint8)


def _pillow(path: Path, file: BinaryIO, kind: Format, orientation: int) -> Image.Image:
    try:
        picture = Image.open(file, formats=[PILLOW_NAMES[kind]])
        if kind is Format.TIFF:
            # Otherwise it would also look for an orientation in XMP, which is not what `photo_id` saw.
            picture.getexif()[Tag.ORIENTATION] = orientation
        picture.load()
    except UnidentifiedImageError as error:
        # Its structure was read before, so it is the kind of samples that Pillow does not know.
        raise UnsupportedFormat(
            path, f"is a {kind.value} of a kind that cannot be decoded; save it as JPEG"
        ) from error
    except OSError as error:
        if error.errno is not None:
            raise Unreadable(path, f"stopped being readable: {error.strerror}; check the disk") from error
        if "truncated" in str(error).lower():
            raise Truncated(path, f"is cut off: {error}; copy it again from where it came from") from error
        raise Damaged(path, f"is damaged: {error}; open it in an editor and save it again") from error
    except MemoryError:
        raise
    except Exception as error:
        # Pillow's plugins raise whatever a broken header makes them trip over.
        raise Damaged(path, f"is damaged: {error!r}; open it in an editor and save it again") from error
    return picture


def _heif(path: Path, file: BinaryIO) -> Image.Image:
    try:
        picture: Image.Image = pillow_heif.open_heif(file)[0].to_pillow()
    except MemoryError:
        raise
    except Exception as error:
        # libheif's binding, like Pillow's plugins, raises whatever a broken header makes it trip over.
        raise Damaged(path, f"is damaged: {error!r}; open it in an editor and save it again") from error
    return picture


def _decode_raw(path: Path, file: BinaryIO, max_pixels: int) -> NDArray[np.uint8]:
    preview = read_embedded_preview(path, file)
    if not isinstance(preview.data, bytes):
        return turn(preview.data, preview.orientation)
    inside = as_file(preview.data)
    with telling(path):
        anatomy = read_jpeg(inside, whole=True)
    _refuse_too_large(path, Format.JPEG, anatomy, file_bytes=len(preview.data), max_pixels=max_pixels)
    return _decode_upright(path, inside, Format.JPEG, anatomy, preview.orientation)
