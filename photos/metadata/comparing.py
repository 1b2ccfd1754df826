"""Comparing a rewritten copy with its original, part by part: what no metadata library tells."""

from __future__ import annotations

import mmap
from contextlib import contextmanager
from typing import TYPE_CHECKING

from photos.formats import Format
from photos.metadata import chunks, jpeg
from photos.metadata.errors import MetadataWouldBeLost
from store.path_text import path_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def check_parts(original: Path, copy: Path, kind: Format) -> None:
    """Find all that is not ours to change in both files; in a JPEG mend what had to move.

    (A TIFF's and a DNG's pictures are in their `photo_id`, and all else in them is EXIF.)

    Raises:
        PictureWouldChange: the picture, or a second one in the file, differs.
        MetadataWouldBeLost: what others keep in parts of their own is gone.
        MetadataUnreadable: a JPEG's segments do not hold together.
    """
    if kind is Format.JPEG:
        _check_and_mend(original, copy)
    elif kind in (Format.PNG, Format.WEBP):
        with _mapped(original) as before, _mapped(copy) as after:
            lost = chunks.lost(before, after, kind)
        if lost:
            raise MetadataWouldBeLost(
                f"{path_text(original)}: writing would lose or alter {', '.join(lost[:8])}; the photo was left alone"
            )


def _check_and_mend(original: Path, copy: Path) -> None:
    """Put second images' offsets and the IPTC digest right in a rewritten JPEG, after checking all else."""
    with _mapped(original) as before, _mapped(copy) as after:
        jpeg.check_same_picture(before, after)
        patches = jpeg.patches(before, after)
    with copy.open("r+b") as new:
        for patch in patches:
            new.seek(patch.position)
            new.write(patch.data)


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield data
