"""Bounded reads from a picture file, and what is raised when its structure does not hold."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from typing import BinaryIO

BLOCK_BYTES = 256 * 1024
"""Picture data pass through memory in blocks of this size, which stay in a processor's cache."""

METADATA_BYTES = 16 << 20
"""The largest metadata block or profile that is read into memory."""

Feed = Callable[[bytes], object]
"""Takes picture data as they pass by, for instance a digest's `update`."""


class BrokenStructure(Exception):
    """The file's structure contradicts its format; the text says how."""


class CutShort(BrokenStructure):
    """The file ends before its structure does."""


def file_size(file: BinaryIO) -> int:
    """Bytes in `file`; leaves it at its start."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return size


def read_exactly(file: BinaryIO, count: int, what: str) -> bytes:
    """Read `count` bytes.

    Raises:
        CutShort: The file has fewer.
    """
    data = file.read(count)
    if len(data) < count:
        raise CutShort(f"the file ends within {what}")
    return data


def read_metadata(file: BinaryIO, count: int, what: str) -> bytes:
    """Read a metadata block whose size the file itself states.

    Raises:
        CutShort: The file has fewer bytes.
        BrokenStructure: It claims more than `METADATA_BYTES`.
    """
    if count > METADATA_BYTES:
        raise BrokenStructure(f"{what} claims {count:,} bytes, more than any real one has")
    return read_exactly(file, count, what)


def read_optional(file: BinaryIO, count: int, what: str) -> bytes | None:
    """Read a metadata block that the picture does not need; one that claims too much is stepped over.

    Raises:
        CutShort: The file has fewer bytes.
    """
    if count <= METADATA_BYTES:
        return read_exactly(file, count, what)
    pass_on(file, count, what, None)
    return None


def pass_on(file: BinaryIO, count: int, what: str, feed: Feed | None) -> None:
    """Hand `count` bytes to `feed` in blocks, or step over them when nobody wants them.

    Raises:
        CutShort: The file has fewer.
    """
    if feed is None:
        here = file.tell()
        end = file.seek(0, os.SEEK_END)
        if here + count > end:
            raise CutShort(f"the file ends within {what}")
        file.seek(here + count)
        return
    left = count
    while left:
        feed(read_exactly(file, min(left, BLOCK_BYTES), what))
        left -= min(left, BLOCK_BYTES)


def inflate(data: bytes, what: str) -> bytes:
    """Inflate a zlib stream of metadata, at most `METADATA_BYTES` of it.

    Raises:
        BrokenStructure: It is no zlib stream, is cut, or grows beyond the limit.
    """
    stream = zlib.decompressobj()
    try:
        result = stream.decompress(data, METADATA_BYTES)
    except zlib.error as error:
        raise BrokenStructure(f"{what} does not decompress: {error}") from error
    if not stream.eof:
        raise BrokenStructure(f"{what} is cut or grows beyond {METADATA_BYTES:,} bytes")
    return result
