"""What makes two files the same photo: the digest of the picture data, with orientation and ICC profile.

Metadata that people and programs write (titles, keywords, ratings, copyright, dates, previews in EXIF) is
left out, so that a photo stays itself after its keywords were written. Picture data are taken by structure
from JPEG, PNG, WebP, TIFF and DNG. A file in another format, or one whose structure is broken, is identified
by its bytes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from photos.containers.jpeg import read_jpeg
from photos.containers.png import read_png
from photos.containers.reading import BLOCK_BYTES, BrokenStructure
from photos.containers.tiff import TiffReader
from photos.containers.webp import read_webp
from photos.formats import Format
from photos.inspection import format_by_content, read_anatomy
from photos.opening import open_photo

if TYPE_CHECKING:
    from pathlib import Path

    from photos.containers.anatomy import Anatomy
    from photos.containers.reading import Feed

IDENTITY_VERSION = b"imageworks photo 1"


def photo_id(path: Path) -> str:
    """Digest the picture in a file.

    Memory stays bounded: the file is read in blocks.

    Args:
        path: Any file; it need not be a whole picture, nor a picture at all.

    Returns:
        SHA-256 as 64 hexadecimal digits.

    Raises:
        Unreadable: The system refuses to read it.
    """
    return identify(path).photo_id


@dataclass(frozen=True)
class Identity:
    """What makes a photo the one it is.

    Attributes:
        photo_id: As `photo_id` says.
        shown: As `shown_as` says; None where the photo is identified by its bytes.
    """

    photo_id: str
    shown: tuple[str, ...] | None


def identify(path: Path) -> Identity:
    """Digest the picture in a file, as `photo_id` does, and tell what it is shown as.

    Raises:
        Unreadable: The system refuses to read it.
    """
    with open_photo(path) as file:
        # A new name must not make another photo of it.
        kind = format_by_content(file)
        digest = hashlib.sha256()
        try:
            anatomy = _feed_picture(file, kind, digest.update)
        except BrokenStructure:
            # Its decoder will say what is wrong with it. Until then it is what its bytes are.
            anatomy = None
        if anatomy is None:
            return Identity(_digest_of_bytes(file), None)
    shown = _shown(anatomy)
    parts = (kind.value, digest.hexdigest(), *shown)
    return Identity(
        hashlib.sha256(b"\0".join((IDENTITY_VERSION, *map(str.encode, parts)))).hexdigest(), shown
    )


def shown_as(path: Path) -> tuple[str, ...]:
    """What beside its picture data makes a photo the one it is: orientation, profile, and what decides untagged colors.

    Two files of one format with equal picture data have one `photo_id` when this is equal too, and neither is
    identified by its bytes.

    Raises:
        Unreadable: The system refuses to read it.
        BrokenStructure: It ends before its picture data, or contradicts itself.
    """
    with open_photo(path) as file:
        return _shown(read_anatomy(file, format_by_content(file)))


def file_sha256(path: Path) -> str:
    """Digest all bytes of a file, in blocks.

    Raises:
        Unreadable: The system refuses to read it.
    """
    with open_photo(path) as file:
        return _digest_of_bytes(file)


def _digest_of_bytes(file: BinaryIO) -> str:
    file.seek(0)
    digest = hashlib.sha256()
    while block := file.read(BLOCK_BYTES):
        digest.update(block)
    return digest.hexdigest()


def _feed_picture(file: BinaryIO, kind: Format, feed: Feed) -> Anatomy | None:
    """Hand the picture data to `feed`; None where the format is taken by its bytes."""
    if kind is Format.JPEG:
        return read_jpeg(file, feed=feed)
    if kind is Format.PNG:
        return read_png(file, feed=feed)
    if kind is Format.WEBP:
        return read_webp(file, feed=feed)
    if kind in (Format.TIFF, Format.DNG):
        TiffReader(file).feed_pictures(feed)
        return read_anatomy(file, kind)
    return None


def _shown(anatomy: Anatomy) -> tuple[str, ...]:
    profile = hashlib.sha256(anatomy.icc or b"").hexdigest()
    return str(anatomy.orientation), profile, _untagged_color(anatomy)


def _untagged_color(anatomy: Anatomy) -> str:
    """What decides the colors when there is no profile: EXIF's Adobe RGB mark, a JPEG's component model."""
    marked = anatomy.exif.color_space if anatomy.icc is None else None
    return f"{anatomy.color_model}/{'Adobe RGB' if marked == 'Adobe RGB' else ''}"
