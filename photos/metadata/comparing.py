"""Comparing a rewritten copy with its original, part by part: what no metadata library tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from photos.formats import Format
from photos.metadata import chunks, jpeg
from photos.metadata.errors import MetadataUnreadable, MetadataWouldBeLost, PictureWouldChange
from photos.metadata.stretches import mapped
from store.path_text import path_text

if TYPE_CHECKING:
    from pathlib import Path


def check_parts(original: Path, copy: Path, kind: Format) -> int:
    """Find all that is not ours to change in both files; in a JPEG mend what had to move.

    (A TIFF's and a DNG's pictures are in their `photo_id`, and all else in them is EXIF.)

    Returns:
        How many bytes at the end of both were compared and are the same: a JPEG's picture and what follows it.

    Raises:
        PictureWouldChange: the picture, or a second one in the file, differs.
        MetadataWouldBeLost: what others keep in parts of their own is gone.
        MetadataUnreadable: a JPEG's segments do not hold together.
    """
    if kind is Format.JPEG:
        return _check_and_mend(original, copy)
    if kind in (Format.PNG, Format.WEBP):
        with mapped(original) as before, mapped(copy) as after:
            lost = chunks.lost(before, after, kind)
        if lost:
            raise MetadataWouldBeLost(
                f"{path_text(original)}: writing would lose or alter {', '.join(lost[:8])}; the photo was left alone"
            )
    return 0


def _check_and_mend(original: Path, copy: Path) -> int:
    """Put second images' offsets and the IPTC digest right in a rewritten JPEG, after checking all else."""
    with mapped(original) as before, mapped(copy) as after:
        try:
            old, new = jpeg.Walked.through(before), jpeg.Walked.through(after)
            alike = jpeg.check_same_picture(old, new)
            patches = jpeg.patches(old, new)
        except (PictureWouldChange, MetadataUnreadable) as problem:
            raise type(problem)(f"{path_text(original)}: {problem}") from problem
    with copy.open("r+b") as file:
        for patch in patches:
            file.seek(patch.position)
            file.write(patch.data)
    return alike
