"""PNG and APNG: chunks (PNG third edition, W3C 2025)."""

from __future__ import annotations

import binascii
import struct
from dataclasses import dataclass, field
from typing import BinaryIO

from photos.containers.anatomy import Anatomy
from photos.containers.exif import NO_EXIF, Exif, read_exif
from photos.containers.parts import Part, add_part
from photos.containers.reading import (
    BrokenStructure,
    Feed,
    inflate,
    pass_on,
    read_exactly,
    read_metadata,
    read_optional,
)

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MODES = {0: "L", 2: "RGB", 3: "P", 4: "LA", 6: "RGBA"}
# Chunks that decide the picture, besides IDAT and fdAT whose boundaries do not.
_DECIDING = frozenset({b"IHDR", b"PLTE", b"tRNS", b"acTL", b"fcTL", b"gAMA", b"cHRM", b"sRGB", b"cICP"})
_DATA = frozenset({b"IDAT", b"fdAT"})
# All that a decoder of the first frame needs.
_SHOWN = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_TEXT = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_RAW_EXIF = (b"Raw profile type exif", b"Raw profile type APP1")


@dataclass(slots=True)
class _Found:
    header: bytes = b""
    profile_seen: bool = False
    icc: bytes | None = None
    exif: Exif | None = None
    srgb: bool = False
    transparent: bool = False
    frames: int = 1
    parts: list[Part] = field(default_factory=list)


def read_png(file: BinaryIO, *, feed: Feed | None = None) -> Anatomy:
    """Walk a PNG's chunks to IEND.

    Metadata that cannot be read are taken for absent: they are no reason to lose the picture.

    Args:
        file: Positioned at its start.
        feed: Takes the picture data: header, palette, transparency, frames, color-space chunks.

    Raises:
        CutShort: It ends before IEND.
        BrokenStructure: No PNG, or a chunk of impossible size that decides the picture.
    """
    if read_exactly(file, 8, "its signature") != _SIGNATURE:
        raise BrokenStructure("it does not begin like a PNG")
    found = _Found(parts=[(0, 8)])
    kind = b""
    while kind != b"IEND":
        length, kind = struct.unpack(">I4s", read_exactly(file, 8, "its PNG chunks"))
        if not found.header and kind != b"IHDR":
            raise BrokenStructure("its first PNG chunk is not the header")
        start = file.tell()
        if kind in _DATA:
            pass_on(file, length, "its picture", feed)
        elif kind in _DECIDING:
            payload = read_metadata(file, length, f"PNG chunk {kind.decode('ascii')}")
            if feed is not None:
                feed(kind + struct.pack(">I", length) + payload)
            _note(found, kind, payload)
        else:
            _pass_metadata(file, kind, length, found)
        read_exactly(file, 4, "its PNG chunks")
        if kind in _SHOWN:
            add_part(found.parts, start - 8, start + length + 4)
    return _anatomy(found)


def _note(found: _Found, kind: bytes, payload: bytes) -> None:
    if kind == b"IHDR":
        found.header = found.header or payload
    elif kind == b"acTL":
        found.frames = max(1, int.from_bytes(payload[:4], "big"))
    elif kind == b"sRGB":
        found.srgb = True
    elif kind == b"tRNS":
        found.transparent = True


def _pass_metadata(file: BinaryIO, kind: bytes, length: int, found: _Found) -> None:
    if kind == b"iCCP" and not found.profile_seen:
        found.profile_seen = True
        found.icc = _profile(read_optional(file, length, "the ICC profile"))
    elif kind == b"eXIf":
        block = read_optional(file, length, "the EXIF block")
        found.exif = found.exif if block is None else read_exif(block)
    elif kind in _TEXT and found.exif is None:
        found.exif = _exif_in_text(file, kind, length)
    else:
        pass_on(file, length, "a PNG chunk", None)


def _anatomy(found: _Found) -> Anatomy:
    if len(found.header) < 13:  # noqa: PLR2004 - IHDR's size
        raise BrokenStructure("its PNG header is too short")
    width, height, bits, color = struct.unpack(">IIBB", found.header[:10])
    if not width or not height or color not in _MODES:
        raise BrokenStructure("its PNG header has no size or an unknown color type")
    return Anatomy(
        width=width,
        height=height,
        mode=_MODES[color],
        bits=bits,
        icc=found.icc,
        exif=found.exif or NO_EXIF,
        declared_srgb=found.srgb,
        frames=found.frames,
        transparent=found.transparent or _MODES[color] in ("LA", "RGBA"),
        parts=tuple(found.parts),
    )


def _profile(payload: bytes | None) -> bytes | None:
    """The profile inside iCCP; its compression is the writer's own and does not count."""
    name, _, rest = (payload or b"").partition(b"\0")
    if not name or not rest:
        return None
    try:
        return inflate(rest[1:], "the ICC profile")
    except BrokenStructure:
        return None


def _exif_in_text(file: BinaryIO, kind: bytes, length: int) -> Exif | None:
    """ImageMagick and older exiv2 keep EXIF as hexadecimal text, for want of a chunk of its own."""
    start = file.tell()
    keyword = read_exactly(file, min(length, 80), "a PNG text").partition(b"\0")[0]
    file.seek(start)
    if keyword not in _RAW_EXIF or kind == b"iTXt":
        pass_on(file, length, "a PNG text", None)
        return None
    payload = (read_optional(file, length, "a PNG text") or b"").partition(b"\0")[2]
    try:
        text = inflate(payload[1:], "a PNG text") if kind == b"zTXt" else payload
        # "\nexif\n   <bytes>\n<hexadecimal, with line ends>"
        digits = b"".join(text.split(b"\n", 3)[3].split())
        return read_exif(binascii.unhexlify(digits))
    except (BrokenStructure, IndexError, binascii.Error):
        # The next one would be as bad, and cost as much to unpack.
        return NO_EXIF
