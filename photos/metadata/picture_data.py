"""A JPEG without its picture data: all that a metadata tool reads and writes, and the picture put behind it again.

Metadata stand before the first scan. A tool that gets no more than that rewrites some KB, whatever the photo's size;
what follows is the original's own, byte for byte.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from photos.containers.reading import BLOCK_BYTES
from photos.metadata.jpeg import Walked
from photos.metadata.stretches import mapped

if TYPE_CHECKING:
    from pathlib import Path

_END = b"\xff\xd9"
_HEAD = 4
"""Bytes of a segment before its payload: two of its marker, two of its length."""


def copy_without_picture(photo: Path, copy: Path) -> int:
    """Copy a JPEG as far as its first scan's header, and end it there.

    Returns:
        Where in the photo the rest begins, for `append_picture`.

    Raises:
        MetadataUnreadable: its segments do not hold together, or it ends before its first scan.
        OSError: the photo cannot be read or the copy not be written.
    """
    with mapped(photo) as data:
        scan = Walked.through(data).segments[-1]
        with copy.open("r+b") as target:
            target.write(data[: scan.end] + _END)
    return scan.start - _HEAD


def append_picture(photo: Path, start: int, copy: Path) -> None:
    """Put a photo's bytes from its first scan on in the place of a copy's.

    Args:
        photo: the photo.
        start: what `copy_without_picture` returned.
        copy: what it made, rewritten.

    Raises:
        MetadataUnreadable: the copy does not hold together any more.
        OSError: the photo cannot be read or the copy not be written.
    """
    with mapped(copy) as data:
        end = Walked.through(data).segments[-1].start - _HEAD
    with photo.open("rb") as source, copy.open("r+b") as target:
        source.seek(start)
        target.seek(end)
        target.truncate()
        shutil.copyfileobj(source, target, BLOCK_BYTES)
