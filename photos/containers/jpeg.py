"""JPEG: segments and scans (ITU-T T.81; JFIF; Adobe TN 5116; ICC.1 annex B.4)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import BinaryIO

from photos.containers.anatomy import Anatomy
from photos.containers.exif import NO_EXIF, Exif, read_exif
from photos.containers.reading import BLOCK_BYTES, BrokenStructure, CutShort, Feed, read_exactly

_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_APP0, _APP1, _APP2, _APP14, _APP15, _COM = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF, 0xFE
# No quantifier and no group: so the search for 0xFF is memchr's, 30 times faster.
_MARKER_IN_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_ICC_LABEL = b"ICC_PROFILE\0"
_ICC_HEADER = len(_ICC_LABEL) + 2


@dataclass(slots=True)
class _Found:
    frame: bytes | None = None
    frame_marker: int = 0
    exif: Exif | None = None
    icc_parts: dict[int, bytes] = field(default_factory=dict)
    jfif: bool = False
    adobe: int | None = None
    first_scan_components: int = 0


def read_jpeg(file: BinaryIO, *, feed: Feed | None = None, whole: bool = False) -> Anatomy:
    """Walk a JPEG's segments.

    Args:
        file: Positioned at its start.
        feed: Takes the picture data: everything between SOI and EOI except application segments and
            comments. What follows EOI (second pictures, makers' trailers) is not part of the photo.
        whole: Walk to EOI, even without `feed`; otherwise stop where the first scan begins.

    Raises:
        CutShort: It ends before EOI (or, when not `whole`, before the first scan).
        BrokenStructure: No JPEG, or no frame before the first scan.
    """
    if read_exactly(file, 2, "its first marker") != bytes((0xFF, _SOI)):
        raise BrokenStructure("it does not begin like a JPEG")
    found = _Found()
    whole = whole or feed is not None
    marker = _next_marker(file)
    while marker != _EOI:
        if marker in _STANDALONE:
            marker = _next_marker(file)
            continue
        length = read_exactly(file, 2, "a JPEG segment")
        size = int.from_bytes(length, "big")
        if size < 2:  # noqa: PLR2004 - the length counts its own two bytes
            raise BrokenStructure("a JPEG segment claims a negative length")
        payload = read_exactly(file, size - 2, "a JPEG segment")
        _note(found, marker, payload)
        if feed is not None and not (_APP0 <= marker <= _APP15 or marker == _COM):
            feed(bytes((0xFF, marker)) + length + payload)
        if marker != _SOS:
            marker = _next_marker(file)
            continue
        if not whole:
            break
        marker = _pass_scan(file, feed)
    return _anatomy(found)


def _next_marker(file: BinaryIO) -> int:
    byte = read_exactly(file, 1, "its JPEG segments")
    if byte != b"\xff":
        raise BrokenStructure("a JPEG segment does not begin with a marker")
    while byte == b"\xff":
        byte = read_exactly(file, 1, "its JPEG segments")
    return byte[0]


def _pass_scan(file: BinaryIO, feed: Feed | None) -> int:
    """Step over entropy-coded data; answers the marker that ends them and stands behind it."""
    while True:
        at = file.tell()
        block = file.read(BLOCK_BYTES)
        if not block:
            raise CutShort("the file ends within its picture: there is no end-of-image marker")
        match = _MARKER_IN_SCAN.search(block)
        if match is not None:
            if feed is not None:
                feed(block[: match.start()])
            file.seek(at + match.end())
            return match.group()[1]
        # A marker may be split by the block's end: give its first byte to the next block.
        keep = len(block) - len(block.rstrip(b"\xff"))
        if keep == len(block):
            raise CutShort("the file ends in filler bytes, not in its picture")
        if feed is not None:
            feed(block[: len(block) - keep])
        file.seek(at + len(block) - keep)


def _note(found: _Found, marker: int, payload: bytes) -> None:
    if marker in _FRAMES:
        if found.frame is None:
            found.frame, found.frame_marker = payload, marker
    elif marker == _SOS:
        if found.first_scan_components == 0:
            found.first_scan_components = payload[0] if payload else 0
    elif marker == _APP0 and payload.startswith(b"JFIF\0"):
        found.jfif = True
    elif marker == _APP1 and payload.startswith(b"Exif\0\0"):
        if found.exif is None:
            found.exif = read_exif(payload)
    elif marker == _APP2 and payload.startswith(_ICC_LABEL) and len(payload) > _ICC_HEADER:
        found.icc_parts.setdefault(payload[len(_ICC_LABEL)], payload[_ICC_HEADER:])
    elif marker == _APP14 and payload.startswith(b"Adobe") and len(payload) >= 12:  # noqa: PLR2004 - TN 5116
        found.adobe = payload[11]


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
