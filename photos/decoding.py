"""From a file to upright 8-bit pixels in sRGB, within limits of bytes, pixels and memory.

Ordinary JPEGs go through OpenCV; everything else through Pillow, pillow-heif, or LibRaw for the preview
inside a raw file. Orientation and color are applied here, once, whatever the decoder.

Memory: the promise is less than 1 GB for the whole process while one picture is decoded. `MEMORY_BYTES` is
what a picture may need; what would need more is refused from its header. Threads that decode at once each
need their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import cv2
import numpy as np
import pillow_heif
import rawpy
from PIL import Image

from photos.color import source_profile, stripe_to_srgb, to_srgb
from photos.containers.jpeg import read_jpeg
from photos.errors import Damaged, RawWithoutPreview, TooManyPixels, Truncated, Unreadable, UnsupportedFormat
from photos.facts import ORIENTATION_OF_FLIP, PhotoFacts, facts_of, known_format, read_facts
from photos.formats import Format
from photos.inspection import PILLOW_NAMES, as_file, read_anatomy
from photos.opening import open_photo, telling

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from photos.containers.anatomy import Anatomy

MAX_PIXELS = 100_000_000
MAX_FILE_BYTES = 300 << 20
MEMORY_BYTES = 840_000_000
"""What decoding one picture may take; the program itself takes some 100 MB besides."""

_STRIPE_ROWS = 256
_EIGHT_BITS = 8
_SIXTEEN_BIT_MODES = frozenset({"I;16", "I;16L", "I;16B", "I;16N"})
_JPEG_COMPONENTS_OF_OPENCV = frozenset({"L", "RGB"})
_WHITE = 255


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded photo.

    Attributes:
        pixels: HxWx3, uint8, RGB in sRGB, upright, C-contiguous. Of an animation the first frame, of a raw
            file its largest embedded preview; transparent pixels are laid on white.
        facts: What the file's headers say; of a raw file its width and height are the sensor's.
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
        if kind in (Format.RAW, Format.DNG):
            return _decode_raw(path, file, kind, max_pixels)
        if kind is Format.JPEG:
            file.seek(0)
            data = file.read()
            return _decode_jpeg(path, data, max_pixels)
        with telling(path):
            anatomy = read_anatomy(file, kind, whole=True)
        _refuse_too_large(path, anatomy, len_of_file=0, max_pixels=max_pixels)
        file.seek(0)
        pixels = _decode_other(path, file, kind, anatomy)
    return Picture(turn(pixels, anatomy.orientation), facts_of(kind, anatomy))


def turn(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Bring stored pixels upright.

    Args:
        pixels: HxWx3; may be changed in place.
        orientation: EXIF's 1-8: which edges of the picture row 0 and column 0 are.
    """
    if orientation in (2, 4):
        cv2.flip(pixels, 1 if orientation == 2 else 0, dst=pixels)  # noqa: PLR2004 - 2: mirrored left to right
    elif orientation == 3:  # noqa: PLR2004 - upside down
        cv2.flip(pixels, -1, dst=pixels)
    elif orientation == 6:  # noqa: PLR2004 - row 0 is the right edge
        return np.asarray(cv2.rotate(pixels, cv2.ROTATE_90_CLOCKWISE), np.uint8)
    elif orientation == 8:  # noqa: PLR2004 - row 0 is the left edge, from below
        return np.asarray(cv2.rotate(pixels, cv2.ROTATE_90_COUNTERCLOCKWISE), np.uint8)
    elif orientation == 5:  # noqa: PLR2004 - mirrored along the main diagonal
        return np.asarray(cv2.transpose(pixels), np.uint8)
    elif orientation == 7:  # noqa: PLR2004 - mirrored along the other diagonal
        turned = cv2.rotate(pixels, cv2.ROTATE_90_CLOCKWISE)
        return np.asarray(cv2.flip(turned, 1, dst=turned), np.uint8)
    return pixels


def _refuse_too_large(
    path: Path, anatomy: Anatomy, *, len_of_file: int, max_pixels: int, output_bytes: int = 3
) -> None:
    pixels = anatomy.width * anatomy.height
    if pixels > max_pixels:
        raise TooManyPixels(
            path,
            f"has {anatomy.width:,} x {anatomy.height:,} pixels, more than the {max_pixels:,} allowed; save it "
            "smaller, or raise IMAGEWORKS_MAX_PIXELS",
        )
    needed = pixels * output_bytes + anatomy.buffer_bytes + len_of_file
    if needed > MEMORY_BYTES:
        raise TooManyPixels(
            path,
            f"({anatomy.width:,} x {anatomy.height:,}) would take {needed >> 20:,} MiB to decode, more than the "
            f"{MEMORY_BYTES >> 20:,} set aside; save it smaller, or as an ordinary JPEG that is not progressive",
        )


def _decode_jpeg(path: Path, data: bytes, max_pixels: int, *, orientation: int | None = None) -> Picture:
    with telling(path):
        anatomy = read_jpeg(as_file(data))
        _refuse_too_large(path, anatomy, len_of_file=len(data), max_pixels=max_pixels)
        read_jpeg(as_file(data), whole=True)
    if anatomy.bits != _EIGHT_BITS:
        raise UnsupportedFormat(path, f"is a JPEG of {anatomy.bits} bits a sample; save it with 8")
    facts = facts_of(Format.JPEG, anatomy)
    if orientation is None:
        orientation = anatomy.orientation
    if anatomy.mode not in _JPEG_COMPONENTS_OF_OPENCV:
        _refuse_too_large(path, anatomy, len_of_file=len(data), max_pixels=max_pixels, output_bytes=7)
        return Picture(
            turn(_decode_with_pillow(path, as_file(data), Format.JPEG, anatomy), orientation), facts
        )
    icc = source_profile(anatomy)
    if anatomy.mode == "L" and icc is not None:
        return Picture(
            turn(_decode_with_pillow(path, as_file(data), Format.JPEG, anatomy), orientation), facts
        )
    pixels = _opencv(data, cv2.IMREAD_COLOR_RGB)
    if pixels is None or pixels.shape[:2] != (anatomy.height, anatomy.width):
        raise Damaged(
            path, "is a JPEG whose picture data do not decode; open it in an editor and save it again"
        )
    del data
    if icc is not None:
        to_srgb(pixels, icc)
    return Picture(turn(pixels, orientation), facts)


def _opencv(data: bytes, flags: int) -> NDArray[np.uint8] | None:
    try:
        found = cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        return None
    return None if found is None else np.asarray(found, np.uint8)


def _decode_other(path: Path, file: BinaryIO, kind: Format, anatomy: Anatomy) -> NDArray[np.uint8]:
    if kind is Format.HEIC:
        return _decode_heic(path, file, anatomy)
    return _decode_with_pillow(path, file, kind, anatomy)


def _decode_heic(path: Path, file: BinaryIO, anatomy: Anatomy) -> NDArray[np.uint8]:
    def load() -> Image.Image:
        return pillow_heif.open_heif(file)[0].to_pillow()

    picture = _loaded(path, load)
    return _to_rgb(path, picture, source_profile(anatomy))


def _decode_with_pillow(path: Path, file: BinaryIO, kind: Format, anatomy: Anatomy) -> NDArray[np.uint8]:
    def load() -> Image.Image:
        picture = Image.open(file, formats=[PILLOW_NAMES[kind]])
        picture.load()
        return picture

    return _to_rgb(path, _loaded(path, load), source_profile(anatomy))


def _loaded(path: Path, load: Callable[[], Image.Image]) -> Image.Image:
    """Call a decoder and give its complaints our names."""
    try:
        return load()
    except (MemoryError, KeyboardInterrupt):
        raise
    except NotImplementedError as error:
        raise UnsupportedFormat(
            path, f"is of a kind that cannot be decoded ({error}); save it as JPEG"
        ) from error
    except OSError as error:
        if error.errno is not None:
            raise Unreadable(path, f"stopped being readable: {error.strerror}; check the disk") from error
        if "truncated" in str(error).lower():
            raise Truncated(path, f"is cut off: {error}; copy it again from where it came from") from error
        raise Damaged(path, f"is damaged: {error}; open it in an editor and save it again") from error
    except Exception as error:
        # Pillow's plugins raise whatever a broken header makes them trip over.
        raise Damaged(path, f"is damaged: {error}; open it in an editor and save it again") from error


def _to_rgb(path: Path, picture: Image.Image, icc: bytes | None) -> NDArray[np.uint8]:
    """Convert a loaded Pillow picture stripe by stripe, so that only one copy of it is in memory."""
    if picture.mode in ("F", "I"):
        raise UnsupportedFormat(path, "has 32 bits a sample, whose white nobody knows; save it with 8 or 16")
    width, height = picture.size
    pixels = np.empty((height, width, 3), np.uint8)
    transparent = picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info
    for top in range(0, height, _STRIPE_ROWS):
        bottom = min(top + _STRIPE_ROWS, height)
        stripe = picture.crop((0, top, width, bottom))
        if picture.mode in _SIXTEEN_BIT_MODES:
            stripe = Image.fromarray((np.asarray(stripe) >> 8).astype(np.uint8))
        elif picture.mode in ("1", "P") and not transparent:
            stripe = stripe.convert("RGB" if picture.mode == "P" else "L")
        if not transparent:
            pixels[top:bottom] = np.asarray(stripe_to_srgb(stripe, icc))
            continue
        stripe = stripe.convert("RGBA")
        alpha = np.asarray(stripe.getchannel("A"), np.uint16)[..., None]
        color = np.asarray(stripe_to_srgb(stripe.convert("RGB"), icc), np.uint16)
        pixels[top:bottom] = (color * alpha + _WHITE * (_WHITE - alpha) + 127) // _WHITE
    return pixels


def _decode_raw(path: Path, file: BinaryIO, kind: Format, max_pixels: int) -> Picture:
    """The largest preview that the camera put into its raw file."""
    facts = read_facts(path)
    file.seek(0)
    try:
        with rawpy.imread(file) as raw:
            flip, sizes = ORIENTATION_OF_FLIP.get(raw.sizes.flip, 1), raw.sizes
            try:
                thumbnail = raw.extract_thumb()
            except (rawpy.LibRawNoThumbnailError, rawpy.LibRawUnsupportedThumbnailError) as error:
                raise RawWithoutPreview(
                    path, "is a raw file without an embedded preview; export a JPEG and use that"
                ) from error
    except (rawpy.LibRawError, ValueError) as error:
        raise Damaged(path, f"is no raw file that LibRaw can read: {error}") from error
    if thumbnail.format == rawpy.ThumbFormat.JPEG:
        with telling(path):
            preview = read_jpeg(as_file(thumbnail.data))
        # Some cameras turn the preview itself; then it stands while the sensor lies.
        stands, lies = preview.height > preview.width, sizes.width >= sizes.height
        turned_already = flip in (6, 8) and stands and lies
        orientation = preview.exif.orientation or (1 if turned_already else flip)
        pixels = _decode_jpeg(path, thumbnail.data, max_pixels, orientation=orientation).pixels
    else:
        pixels = turn(np.ascontiguousarray(thumbnail.data, np.uint8), flip)
    return Picture(pixels, facts)
