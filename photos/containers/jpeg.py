"""JPEG: segments and scans (ITU-T T.81; JFIF; Adobe TN 5116; ICC.1 annex B.4)."""

from __future__ import annotations

import os
import re
import struct
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np

from photos.containers.anatomy import Anatomy
from photos.containers.exif import NO_EXIF, Exif, read_exif
from photos.containers.parts import Part, add_part
from photos.containers.reading import BLOCK_BYTES, BrokenStructure, CutShort, Feed, read_exactly

MAX_SCANS = 100
"""A progressive JPEG has some ten; a decoder goes over the whole picture for each."""

SOI, SOS = 0xD8, 0xDA
_EOI = 0xD9
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_APP0, _APP1, _APP2, _APP14, _APP15, _COM = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF, 0xFE
_NO_SEGMENT = _STANDALONE | {_EOI, 0xFF}
_METADATA = frozenset({*range(_APP0, _APP15 + 1), _COM})
# JFIF and Adobe's segment say how the samples become colors.
_NOT_SHOWN = _METADATA - {_APP0, _APP14}
# No quantifier and no group: so the search for 0xFF is memchr's, 30 times faster.
_MARKER_IN_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_ICC_LABEL = b"ICC_PROFILE\0"
_ICC_HEADER = len(_ICC_LABEL) + 2


@dataclass(frozen=True, slots=True)
class Segment:
    """A marker segment: its marker, and where its payload begins and ends."""

    marker: int
    start: int
    end: int


@dataclass(slots=True)
class _Found:
    frame: bytes | None = None
    frame_marker: int = 0
    exif: Exif | None = None
    icc_parts: dict[int, bytes] = field(default_factory=dict)
    jfif: bool = False
    adobe: int | None = None
    first_scan_components: int = 0
    scans: int = 0
    parts: list[Part] = field(default_factory=list)


def read_jpeg(file: BinaryIO, *, feed: Feed | None = None, whole: bool = False) -> Anatomy:
    """Walk a JPEG's segments.

    Args:
        file: Positioned at its start.
        feed: Takes the picture data: everything between SOI and EOI except application segments and
            comments. What follows EOI (second pictures, makers' trailers) is not part of the photo.
        whole: Walk to EOI, even without `feed`; otherwise stop where the first scan begins.

    Raises:
        CutShort: It ends before EOI (or, when not `whole`, before the first scan).
        BrokenStructure: No JPEG, no frame before the first scan, or more than `MAX_SCANS` scans.
    """
    first_segment(file)
    found = _Found(parts=[(0, 2)])
    whole = whole or feed is not None
    while (segment := next_segment(file)) is not None:
        payload = read_exactly(file, segment.end - segment.start, "a JPEG segment")
        _note(found, segment.marker, payload)
        if feed is not None and segment.marker not in _METADATA:
            feed(struct.pack(">BBH", 0xFF, segment.marker, len(payload) + 2) + payload)
        if segment.marker == SOS:
            if not whole:
                found.parts.clear()
                return _anatomy(found)
            _pass_scan(file, feed)
        if segment.marker not in _NOT_SHOWN:
            add_part(found.parts, segment.start - 4, file.tell())
    add_part(found.parts, file.tell() - 2, file.tell())
    return _anatomy(found)


def first_segment(file: BinaryIO) -> None:
    """Step over the marker that every JPEG begins with.

    Raises:
        BrokenStructure: It begins with something else.
        CutShort: It has fewer than two bytes.
    """
    if read_exactly(file, 2, "its first marker") != bytes((0xFF, SOI)):
        raise BrokenStructure("it does not begin like a JPEG")


def next_segment(file: BinaryIO) -> Segment | None:
    """The segment that begins here, or behind fill bytes and markers that stand alone; None at the end marker.

    Leaves the file where the segment's payload begins.

    Raises:
        CutShort: The file ends within the segment's head.
        BrokenStructure: What is here is no segment.
    """
    head = file.read(4)
    if len(head) == 4 and head[0] == 0xFF and head[1] not in _NO_SEGMENT:  # noqa: PLR2004 - marker and length, T.81 B.1
        marker, size = head[1], int.from_bytes(head[2:], "big")
    else:
        file.seek(-len(head), os.SEEK_CUR)
        marker = _next_marker(file)
        while marker in _STANDALONE:
            marker = _next_marker(file)
        if marker == _EOI:
            return None
        size = int.from_bytes(read_exactly(file, 2, "a JPEG segment"), "big")
    if size < 2:  # noqa: PLR2004 - the length counts its own two bytes
        raise BrokenStructure("a JPEG segment claims a negative length")
    start = file.tell()
    return Segment(marker, start, start + size - 2)


def _next_marker(file: BinaryIO) -> int:
    byte = read_exactly(file, 1, "its JPEG segments")
    if byte != b"\xff":
        raise BrokenStructure("a JPEG segment does not begin with a marker")
    while byte == b"\xff":
        byte = read_exactly(file, 1, "its JPEG segments")
    return byte[0]


def _pass_scan(file: BinaryIO, feed: Feed | None) -> None:
    """Step over entropy-coded data, to the marker that ends them."""
    while True:
        at = file.tell()
        block = file.read(BLOCK_BYTES)
        if not block:
            raise CutShort("the file ends within its picture: there is no end-of-image marker")
        match = _MARKER_IN_SCAN.search(block) if _may_hold_marker(block) else None
        if match is not None:
            if feed is not None:
                feed(block[: match.start()])
            file.seek(at + match.start())
            return
        # A marker may be split by the block's end: give its first byte to the next block.
        keep = len(block) - len(block.rstrip(b"\xff"))
        if keep == len(block):
            raise CutShort("the file ends in filler bytes, not in its picture")
        if feed is not None:
            feed(block[: len(block) - keep])
        file.seek(at + len(block) - keep)


def _may_hold_marker(block: bytes) -> bool:
    """Whether entropy-coded data hold 0xFF before anything but zero or a restart marker's code.

    Of ordinary data every 256th byte is 0xFF, at each of which the search begins anew; this takes a third of its time.
    """
    codes = np.frombuffer(block, np.uint8)
    marked = codes[:-1] == 0xFF  # noqa: PLR2004 - what every marker begins with
    following = codes[1:]
    marked &= following != 0
    if not marked.any():
        return False
    marked &= (following & 0xF8) != 0xD0  # noqa: PLR2004 - RST0 to RST7
    return bool(marked.any())


def _note(found: _Found, marker: int, payload: bytes) -> None:
    if marker in _FRAMES:
        if found.frame is None:
            found.frame, found.frame_marker = payload, marker
    elif marker == SOS:
        _note_scan(found, payload)
    elif marker == _APP0 and payload.startswith(b"JFIF\0"):
        found.jfif = True
    elif marker == _APP1 and payload.startswith(b"Exif\0\0"):
        if found.exif is None:
            found.exif = read_exif(payload)
    elif marker == _APP2 and payload.startswith(_ICC_LABEL) and len(payload) > _ICC_HEADER:
        found.icc_parts.setdefault(payload[len(_ICC_LABEL)], payload[_ICC_HEADER:])
    elif marker == _APP14 and payload.startswith(b"Adobe") and len(payload) >= 12:  # noqa: PLR2004 - TN 5116
        found.adobe = payload[11]


def _note_scan(found: _Found, payload: bytes) -> None:
    found.scans += 1
    if found.scans > MAX_SCANS:
        raise BrokenStructure(f"it has more than {MAX_SCANS:,} scans, which no encoder makes")
    if found.first_scan_components == 0:
        found.first_scan_components = payload[0] if payload else 0


_MODES = {1: "L", 3: "RGB", 4: "CMYK"}


def _anatomy(found: _Found) -> Anatomy:
    frame = found.frame
    if frame is None or len(frame) < 6 or len(frame) < 6 + 3 * frame[5]:  # noqa: PLR2004 - T.81 B.2.2
        raise BrokenStructure("it has no frame header")
    height, width = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
    components = frame[5]
    if not width or not height or not components:
        raise BrokenStructure("its frame header has no size")
    return Anatomy(
        width=width,
        height=height,
        mode=_MODES.get(components, f"{components} components"),
        bits=frame[0],
        icc=b"".join(found.icc_parts[part] for part in sorted(found.icc_parts)) or None,
        exif=found.exif or NO_EXIF,
        color_model=_color_model(found, frame),
        buffer_bytes=_coefficient_bytes(found, frame, width, height),
        parts=tuple(found.parts),
    )


def _color_model(found: _Found, frame: bytes) -> str:
    """How libjpeg reads the components (its `default_decompress_parms`), as one word."""
    if frame[5] == 3:  # noqa: PLR2004 - three components
        if found.jfif or found.adobe not in (0, None):
            return "ycc"
        if found.adobe == 0:
            return "rgb"
        return "rgb" if bytes(frame[6::3][:3]) == b"RGB" else "ycc"
    if frame[5] == 4:  # noqa: PLR2004 - four components
        return ("ycck" if found.adobe == 2 else "cmyk") + ("" if found.adobe is None else "-adobe")  # noqa: PLR2004
    return ""


def _coefficient_bytes(found: _Found, frame: bytes, width: int, height: int) -> int:
    """Decoders hold all coefficients of a picture that comes in several scans, two bytes each."""
    components = [frame[6 + 3 * index : 9 + 3 * index] for index in range(frame[5])]
    if found.frame_marker not in _PROGRESSIVE and found.first_scan_components in (0, len(components)):
        return 0
    factors = [(component[1] >> 4 or 1, component[1] & 15 or 1) for component in components]
    widest, tallest = max(h for h, _ in factors), max(v for _, v in factors)
    return sum(2 * (width * h // widest + 8) * (height * v // tallest + 8) for h, v in factors)
