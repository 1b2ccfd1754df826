"""ISO base media files (HEIC, AVIF): whether all of their boxes are there (ISO/IEC 14496-12)."""

from __future__ import annotations

import struct
from typing import BinaryIO

from photos.containers.reading import BrokenStructure, CutShort, file_size, read_exactly

_MAX_BOXES = 10_000


def check_boxes(file: BinaryIO) -> None:
    """Step over the top-level boxes.

    Raises:
        CutShort: A box reaches beyond the end of the file.
        BrokenStructure: A box is smaller than its own header, or there are absurdly many.
    """
    size = file_size(file)
    at = 0
    for _ in range(_MAX_BOXES):
        if at >= size:
            return
        file.seek(at)
        (length,) = struct.unpack(">I4x", read_exactly(file, 8, "its boxes"))
        header = 8
        if length == 1:
            (length,) = struct.unpack(">Q", read_exactly(file, 8, "its boxes"))
            header = 16
        elif length == 0:
            return
        if length < header:
            raise BrokenStructure("one of its boxes is smaller than its own header")
        at += length
        if at > size:
            raise CutShort(f"the file has {size:,} bytes of the {at:,} that its boxes state")
    raise BrokenStructure(f"it has more than {_MAX_BOXES:,} boxes")
