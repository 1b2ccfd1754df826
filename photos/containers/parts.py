"""A picture file as its decoder gets it: without the metadata, which the walkers have read already.

Decoders keep texts, profiles and chunks that they do not know in memory, unpack them, and give up a perfect
picture for the sake of a broken one.
"""

from __future__ import annotations

import io
import os
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, BinaryIO

from photos.containers.reading import BrokenStructure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _typeshed import WriteableBuffer

MAX_PARTS = 1_000

Part = tuple[int, int]
"""Where a stretch of a file begins and ends."""


def add_part(parts: list[Part], start: int, end: int) -> None:
    """Note the next stretch of a picture, joined to the one that it follows.

    Raises:
        BrokenStructure: The picture lies in more than `MAX_PARTS` pieces.
    """
    if parts and parts[-1][1] == start:
        parts[-1] = parts[-1][0], end
        return
    if len(parts) >= MAX_PARTS:
        raise BrokenStructure(f"its picture lies in more than {MAX_PARTS:,} pieces")
    parts.append((start, end))


def only_parts(file: BinaryIO, parts: Sequence[Part]) -> BinaryIO:
    """The stretches of a file as one file, read only."""
    return io.BufferedReader(_OnlyParts(file, parts))


class _OnlyParts(io.RawIOBase):
    def __init__(self, file: BinaryIO, parts: Sequence[Part]) -> None:
        self._file, self._parts = file, parts
        # Where each part begins among the parts alone, and at last where they end.
        self._begins = list(accumulate((end - start for start, end in parts), initial=0))
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._begins[-1]}[whence]
        self._at = max(0, origin + offset)
        return self._at

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        if self._at >= self._begins[-1]:
            return 0
        index = bisect_right(self._begins, self._at) - 1
        start, end = self._parts[index]
        place = start + self._at - self._begins[index]
        wanted = memoryview(buffer).cast("B")
        self._file.seek(place)
        found = self._file.read(min(len(wanted), end - place))
        wanted[: len(found)] = found
        self._at += len(found)
        return len(found)
