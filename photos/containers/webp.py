"""WebP: RIFF chunks (RFC 9649)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from photos.containers.anatomy import Anatomy
from photos.containers.exif import NO_EXIF, Exif, read_exif
from photos.containers.reading import (
    BrokenStructure,
    CutShort,
    Feed,
    file_size,
    pass_on,
    read_exactly,
    read_optional,
)

_FRAMES = frozenset({b"VP8 ", b"VP8L"})
_DATA = _FRAMES | {b"ALPH", b"ANIM", b"ANMF"}
_METADATA = frozenset({b"ICCP", b"EXIF", b"XMP "})
_ALPHA_FLAG, _ANIMATION_FLAG = 0x10, 0x02
_FIRST_CHUNK = 12


@dataclass(slots=True)
class _Found:
    canvas: tuple[int, int] | None = None
    frame: tuple[int, int] | None = None
    alpha: bool = False
    lossless: bool = False
    animated: bool = False
    frames: int = 0
    icc: bytes | None = None
    exif: Exif | None = None
    metadata_bytes: int = 0


def read_webp(file: BinaryIO, *, feed: Feed | None = None) -> Anatomy:
    """Walk a WebP's chunks.

    The extended header VP8X is not picture data: programs that add metadata to a simple file add it too. Only
    an animation's canvas counts. Decoders know it as the first chunk alone, and so does this.

    Args:
        file: Positioned anywhere.
        feed: Takes the picture data: frames, alpha, animation.

    Raises:
        CutShort: It is shorter than its RIFF header says.
        BrokenStructure: No WebP, or no frame in it.
    """
    size = file_size(file)
    riff, claimed, webp = struct.unpack("<4sI4s", read_exactly(file, 12, "its RIFF header"))
    if riff != b"RIFF" or webp != b"WEBP":
        raise BrokenStructure("it does not begin like a WebP")
    end = claimed + 8
    if end > size:
        raise CutShort(f"the file has {size:,} bytes of the {end:,} that its header states")
    found = _Found()
    while file.tell() + 8 <= end:
        kind, length = struct.unpack("<4sI", read_exactly(file, 8, "its WebP chunks"))
        start = file.tell()
        if kind in _DATA:
            _pass_data(file, kind, length, found, feed)
        else:
            _note(file, kind, length, found)
        file.seek(start + length + (length & 1))
    # They are the same, or a decoder refuses; until it does, the larger one counts.
    width, height = (max(sides) for sides in zip(found.canvas or (0, 0), found.frame or (0, 0), strict=True))
    if (found.frame is None and not found.frames) or not width or not height:
        raise BrokenStructure("it holds no frame")
    if feed is not None and found.animated:
        feed(struct.pack("<II", width, height))
    return Anatomy(
        width=width,
        height=height,
        mode="RGBA" if found.alpha else "RGB",
        bits=8,
        icc=found.icc,
        exif=found.exif or NO_EXIF,
        frames=max(1, found.frames),
        transparent=found.alpha,
        # libwebp decodes lossless frames, and composes animations, in buffers of four bytes a pixel.
        buffer_bytes=width * height * ((4 if found.lossless else 0) + (8 if found.animated else 0)),
        metadata_bytes=found.metadata_bytes,
    )


def _pass_data(file: BinaryIO, kind: bytes, length: int, found: _Found, feed: Feed | None) -> None:
    if kind in _FRAMES and found.frame is None:
        start = file.tell()
        width, height, has_alpha = _frame_size(kind, file.read(10))
        file.seek(start)
        found.frame, found.lossless = (width, height), kind == b"VP8L"
        found.alpha = found.alpha or has_alpha
    found.alpha = found.alpha or kind == b"ALPH"
    found.frames += kind == b"ANMF"
    if feed is not None:
        feed(kind + struct.pack("<I", length))
    pass_on(file, length, "its picture", feed)


def _note(file: BinaryIO, kind: bytes, length: int, found: _Found) -> None:
    if kind in _METADATA:
        found.metadata_bytes += length
    if kind == b"VP8X" and file.tell() == _FIRST_CHUNK + 8:
        flags, right, bottom = struct.unpack("<B3x3s3s", read_exactly(file, 10, "its WebP header"))
        found.canvas = 1 + int.from_bytes(right, "little"), 1 + int.from_bytes(bottom, "little")
        found.alpha, found.animated = bool(flags & _ALPHA_FLAG), bool(flags & _ANIMATION_FLAG)
    elif kind == b"ICCP":
        found.icc = read_optional(file, length, "the ICC profile") or None
    elif kind == b"EXIF" and found.exif is None:
        block = read_optional(file, length, "the EXIF block")
        found.exif = None if block is None else read_exif(block)


def _frame_size(kind: bytes, head: bytes) -> tuple[int, int, bool]:
    if len(head) < 10:  # noqa: PLR2004 - both frame headers fit into 10 bytes
        raise CutShort("the file ends within its picture")
    if kind == b"VP8L":
        if head[0] != 0x2F:  # noqa: PLR2004 - its signature
            raise BrokenStructure("its lossless frame has no signature")
        bits = int.from_bytes(head[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1)
    if head[3:6] != b"\x9d\x01\x2a":
        raise BrokenStructure("its frame has no start code")
    width, height = struct.unpack("<HH", head[6:10])
    return width & 0x3FFF, height & 0x3FFF, False
