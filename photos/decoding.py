"""From a file to upright 8-bit pixels in sRGB, within limits of bytes, pixels and memory.

JPEG, PNG and still WebP go through OpenCV, which is the fastest and needs least memory; what it cannot do or
does carelessly (it calls a damaged TIFF whole) goes through Pillow, HEIC through pillow-heif. Orientation and
color are applied here, once, whatever the decoder. What decoding may take, `photos.memory` says.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import cv2
import numpy as np
import pillow_heif
from PIL import Image, UnidentifiedImageError

from photos.color import source_profile, to_srgb
from photos.containers.jpeg import read_jpeg
from photos.containers.parts import only_parts
from photos.containers.reading import BLOCK_BYTES
from photos.containers.tiff import Tag
from photos.errors import Damaged, Truncated, Unreadable, UnsupportedFormat
from photos.facts import PhotoFacts, facts_of, known_format, raw_facts
from photos.flattening import flatten, flatten_bgra, flatten_grey
from photos.formats import Format
from photos.inspection import PILLOW_NAMES, as_file, read_anatomy
from photos.memory import (
    MAX_PIXELS,
    Way,
    pillow_misreads,
    refuse_pixels,
    refuse_to_open,
    refuse_too_large,
    way_of,
)
from photos.opening import MAX_FILE_BYTES, open_photo, telling
from photos.raw import read_embedded_preview, read_raw_header
from photos.turning import SIDES_SWAPPED, turn

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from photos.containers.anatomy import Anatomy

_EIGHT_BITS = 8


# What it says about a damaged file goes into the error raised for it, not to standard error.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


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
        file_bytes = file.seek(0, os.SEEK_END)
        refuse_to_open(path, kind, file_bytes)
        with telling(path):
            # A bomb is refused from its header; the walk to the end tells whether the picture is all there.
            for whole in (False, True):
                anatomy = read_anatomy(file, kind, whole=whole)
                if kind is not Format.DNG:
                    # (The sensor's data are not decoded, and the preview is checked by itself.)
                    refuse_too_large(path, kind, anatomy, file_bytes=file_bytes, max_pixels=max_pixels)
        if kind is Format.DNG:
            return Picture(_decode_raw(path, file, max_pixels), facts_of(kind, anatomy))
        pixels = _decode_upright(path, file, kind, anatomy, anatomy.orientation)
    return Picture(pixels, facts_of(kind, anatomy))


def _decode_upright(
    path: Path, file: BinaryIO, kind: Format, anatomy: Anatomy, orientation: int
) -> NDArray[np.uint8]:
    if anatomy.parts:
        file = only_parts(file, anatomy.parts)
    file.seek(0)
    if kind is Format.JPEG and anatomy.bits != _EIGHT_BITS:
        raise UnsupportedFormat(path, f"is a JPEG of {anatomy.bits} bits a sample; save it with 8")
    if pillow_misreads(kind, anatomy) and anatomy.mode not in ("L", "RGB"):
        raise UnsupportedFormat(
            path, f"is a 16-bit {anatomy.mode} TIFF in planes; save it interleaved, or as JPEG"
        )
    icc = source_profile(anatomy)
    way = way_of(kind, anatomy)
    if way is Way.OPENCV_GREY and icc is not None:
        pixels = flatten_grey(_opencv(path, file, kind, cv2.IMREAD_GRAYSCALE, anatomy), icc)
    elif way is Way.OPENCV_ALPHA:
        pixels = flatten_bgra(_opencv(path, file, kind, cv2.IMREAD_UNCHANGED, anatomy), icc)
    elif way is Way.OPENCV:
        pixels = _opencv(path, file, kind, cv2.IMREAD_COLOR_RGB, anatomy)
        if icc is not None:
            to_srgb(pixels, icc)
    else:
        picture = _heif(path, file) if way is Way.HEIF else _pillow(path, file, kind, orientation)
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
        found = cv2.imdecode(_bytes_of(file), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise Damaged(
            path, f"does not decode: {error.err}; open it in an editor and save it again"
        ) from error
    if found is None or found.shape[:2] != expected:
        raise Damaged(path, "does not decode, though its headers do; open it in an editor and save it again")
    return np.asarray(found, np.uint8)


def _bytes_of(file: BinaryIO) -> NDArray[np.uint8]:
    """All of a file, without the second copy that joining its parts would take."""
    held = np.empty(file.seek(0, os.SEEK_END), np.uint8)
    file.seek(0)
    at = 0
    while block := file.read(BLOCK_BYTES):
        held[at : at + len(block)] = np.frombuffer(block, np.uint8)
        at += len(block)
    return held[:at]


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
        # The primary image is not always the first; it is the one whose size was checked.
        held = pillow_heif.open_heif(file)
        picture: Image.Image = held[held.primary_index].to_pillow()
    except MemoryError:
        raise
    except Exception as error:
        # libheif's binding, like Pillow's plugins, raises whatever a broken header makes it trip over.
        raise Damaged(path, f"is damaged: {error!r}; open it in an editor and save it again") from error
    return picture


def _decode_raw(path: Path, file: BinaryIO, max_pixels: int) -> NDArray[np.uint8]:
    preview = read_embedded_preview(path, file)
    if not isinstance(preview.data, bytes):
        refuse_pixels(path, preview.data.shape[1], preview.data.shape[0], max_pixels)
        return turn(preview.data, preview.orientation)
    inside = as_file(preview.data)
    with telling(path):
        anatomy = read_jpeg(inside, whole=True)
    size = len(preview.data)
    refuse_too_large(path, Format.JPEG, anatomy, file_bytes=size, max_pixels=max_pixels, held_bytes=size)
    return _decode_upright(path, inside, Format.JPEG, anatomy, preview.orientation)
