"""What makes two files the same photo: the digest of the picture data, with orientation and ICC profile.

Metadata that people and programs write (titles, keywords, ratings, copyright, dates, previews in EXIF) is
left out, so that a photo stays itself after its keywords were written. Picture data are taken by structure
from JPEG, PNG, WebP, TIFF and DNG. A file in another format, or one whose structure is broken, is identified
by its bytes.
"""

from __future__ import annotations

import hashlib
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
            return _digest_of_bytes(file)
    return hashlib.sha256(
        b"\0".join(
            (
                IDENTITY_VERSION,
                kind.value.encode(),
                digest.hexdigest().encode(),
                str(anatomy.orientation).encode(),
                hashlib.sha256(anatomy.icc or b"").hexdigest().encode(),
                _untagged_color(anatomy).encode(),
            )
        )
    ).hexdigest()


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


def _untagged_color(anatomy: Anatomy) -> str:
    """What decides the colors when there is no profile: EXIF's Adobe RGB mark, a JPEG's component model."""
    marked = anatomy.exif.color_space if anatomy.icc is None else None
    return f"{anatomy.color_model}/{'Adobe RGB' if marked == 'Adobe RGB' else ''}"
