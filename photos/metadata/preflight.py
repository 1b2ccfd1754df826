"""How large the XMP packet in a file is, told before a library reads it: XML takes a multiple of its size in memory.

A JPEG's packet is left out, as it fits into a segment of 64 KB.
"""

from __future__ import annotations

import mmap
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

from photos.containers.reading import BrokenStructure
from photos.containers.tiff import Tag, TiffReader
from photos.formats import HEADER_BYTES, Format, sniff
from photos.metadata.chunks import XMP_KEYWORD, chunks
from photos.metadata.packet import LARGEST_PACKET, refuse_large

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_KEYWORD = XMP_KEYWORD + b"\0"


def refuse_large_packet(path: Path) -> None:
    """Tell a file whose XMP packet is not read.

    Raises:
        MetadataUnreadable: it is larger than `packet.LARGEST_PACKET`.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        kind = sniff(file.read(HEADER_BYTES))
        if kind in (Format.PNG, Format.WEBP):
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                for size in _sizes_in_chunks(data, kind):
                    refuse_large(size)
        elif kind in (Format.TIFF, Format.RAW):
            # What is wrong with the rest of it, the library tells.
            with suppress(BrokenStructure):
                refuse_large(_size_in_tiff(file))


def _sizes_in_chunks(data: mmap.mmap, kind: Format) -> Iterator[int]:
    for name, start, end in chunks(data, kind):
        if name == b"XMP ":
            yield end - start
        elif name == b"iTXt" and data[start : start + len(_KEYWORD)] == _KEYWORD:
            yield _unpacked_size(data[start + len(_KEYWORD) : end])


def _unpacked_size(text: bytes) -> int:
    """Of what follows an iTXt's keyword: a flag, a method, a language, a translated keyword, the text."""
    packed = text[2:].split(b"\0", 2)[-1]
    if text[:1] != b"\1":
        return len(packed)
    try:
        return len(zlib.decompressobj().decompress(packed, LARGEST_PACKET + 1))
    except zlib.error:
        return len(packed)


def _size_in_tiff(file: BinaryIO) -> int:
    reader = TiffReader(file)
    entry = reader.first().get(Tag.XMP)
    return 0 if entry is None else entry.bytes
