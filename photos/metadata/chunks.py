"""The parts of a PNG or WebP that a metadata tool can lose: others' chunks and texts, and what follows the end.

Sources: PNG third edition (W3C 2025), chapter 11; RFC 9649 (WebP).
"""

from __future__ import annotations

import hashlib
import struct
from collections import Counter
from typing import TYPE_CHECKING

from photos.containers.reading import BrokenStructure, inflate
from photos.formats import Format
from photos.metadata.fields import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap

    Buffer = bytes | mmap
    Kept = Counter[tuple[str, bytes]]

XMP_KEYWORD = b"XML:com.adobe.xmp"
_OURS_IN_TEXTS = frozenset(
    {XMP_KEYWORD, *(b"Raw profile type " + each for each in (b"exif", b"APP1", b"iptc", b"xmp"))}
)
# The picture itself is compared as a whole, and EXIF and XMP value by value.
_COMPARED_OTHERWISE = {
    Format.PNG: frozenset({b"IDAT", b"fdAT", b"IEND", b"eXIf"}),
    Format.WEBP: frozenset({b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"EXIF", b"XMP "}),
}
_CHECKSUM = 4
_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})


def chunks(data: Buffer, kind: Format) -> Iterator[tuple[bytes, int, int]]:
    """(name, start, end) of each chunk's payload, as far as they go.

    Args:
        data: the file.
        kind: PNG or WebP.
    """
    if kind is Format.PNG:
        head, at, end, after = ">I4s", 8, len(data), _CHECKSUM
    else:
        head, at, end, after = "<4sI", 12, min(len(data), 8 + int.from_bytes(data[4:8], "little")), 0
    name = b""
    while at + 8 <= end and name != b"IEND":
        first, second = struct.unpack_from(head, data, at)
        length, name = (first, second) if kind is Format.PNG else (second, first)
        at += 8
        yield name, at, min(at + length, end)
        at += length + after + (length & 1 if kind is Format.WEBP else 0)


def lost(before: Buffer, after: Buffer, kind: Format) -> tuple[str, ...]:
    """Names of what is neither picture nor EXIF nor XMP and is not the same in both files, whatever its order.

    Texts count by what they say: tools spell them in chunks of another type, compressed or not.
    """
    old, new = _kept(before, kind), _kept(after, kind)
    return tuple(sorted({name for name, _ in (old - new) + (new - old)}))


def _kept(data: Buffer, kind: Format) -> Kept:
    kept: Kept = Counter()
    behind = 8 + int.from_bytes(data[4:8], "little")
    for name, start, end in chunks(data, kind):
        if kind is Format.PNG:
            behind = end + _CHECKSUM
        if name in _COMPARED_OTHERWISE[kind]:
            continue
        payload = data[start:end]
        if kind is Format.PNG and name in _TEXTS:
            keyword, said = _text(name, payload)
            if keyword not in _OURS_IN_TEXTS:
                kept[f"the text {_readable(keyword)}", _digest(said)] += 1
        else:
            said = _profile(payload) if name == b"iCCP" else payload
            kept[f"the chunk {_readable(name)}", _digest(said)] += 1
    kept["the bytes behind its end", _digest(data[behind:])] += 1
    return kept


def _readable(name: bytes) -> str:
    return printable(name[:79].decode("latin-1"))


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _text(name: bytes, payload: bytes) -> tuple[bytes, bytes]:
    """A text's keyword, and language, translated keyword and text as one value in UTF-8."""
    keyword, _, rest = payload.partition(b"\0")
    try:
        if name == b"tEXt":
            return keyword, b"\0\0" + rest.decode("latin-1").encode()
        if name == b"zTXt":
            return keyword, b"\0\0" + inflate(rest[1:], "a text").decode("latin-1").encode()
        language, _, more = rest[2:].partition(b"\0")
        translated, _, text = more.partition(b"\0")
        if rest[:1] == b"\1":
            text = inflate(text, "a text")
    except BrokenStructure:
        # What does not unpack has to stay byte for byte.
        return keyword, name + rest
    return keyword, b"\0".join((language, translated, text))


def _profile(payload: bytes) -> bytes:
    """The profile itself; its name and how it is compressed are the tool's own."""
    try:
        return inflate(payload.partition(b"\0")[2][1:], "the ICC profile")
    except BrokenStructure:
        return payload
