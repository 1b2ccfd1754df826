"""The parts of a JPEG that a metadata tool can break: the picture data, second images, the IPTC digest.

Sources: ITU-T T.81 annex B (segments); CIPA DC-007 (Multi-Picture Format: phones keep gain maps and
portraits' depth in second images, found by an offset that counts from the MPF segment itself); Adobe's
Photoshop File Formats (image resources).
"""

from __future__ import annotations

import hashlib
import io
import struct
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Self, cast

from photos.containers.jpeg import SOS, Segment, first_segment, next_segment
from photos.containers.reading import BrokenStructure
from photos.metadata.errors import MetadataUnreadable, PictureWouldChange
from photos.metadata.stretches import same_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from photos.metadata.stretches import Buffer

_SOI = b"\xff\xd8"
_APP0, _APP1, _APP2, _APP13, _APP15, _COM = 0xE0, 0xE1, 0xE2, 0xED, 0xEF, 0xFE

_EXIF = b"Exif\x00\x00"
_XMP = b"http://ns.adobe.com/xap/1.0/\x00"
_MPF = b"MPF\x00"
_PHOTOSHOP = b"Photoshop 3.0\x00"

_MP_ENTRIES_TAG = 0xB002
_MP_ENTRY = 16
_IPTC_RESOURCE, _DIGEST_RESOURCE = 0x0404, 0x0425


@dataclass(frozen=True)
class Patch:
    """Bytes to be put at a place, replacing as many."""

    position: int
    data: bytes


@dataclass(frozen=True)
class _Pictures:
    """An MPF index: where its TIFF header lies, its byte order, each entry's place, size and offset."""

    header: int
    order: str
    entries: tuple[tuple[int, int, int], ...]


def segments(data: Buffer) -> Iterator[Segment]:
    """The segments from the start of the file to the first scan, that one included.

    Raises:
        MetadataUnreadable: the file does not start as a JPEG or ends before its first scan.
    """
    # A mapped file reads and seeks like any other.
    file = io.BytesIO(data) if isinstance(data, bytes) else cast("BinaryIO", data)
    file.seek(0)
    try:
        first_segment(file)
        while (segment := next_segment(file)) is not None and segment.end <= len(data):
            yield segment
            if segment.marker == SOS:
                return
            file.seek(segment.end)
    except BrokenStructure as problem:
        raise MetadataUnreadable(f"the JPEG is damaged before its picture data: {problem}") from problem
    raise MetadataUnreadable("the JPEG ends before its picture data: it is truncated")


@dataclass(frozen=True)
class Walked:
    """A JPEG with its segments up to the first scan."""

    data: Buffer
    segments: tuple[Segment, ...]

    @classmethod
    def through(cls, data: Buffer) -> Self:
        """Walk a JPEG's segments.

        Raises:
            MetadataUnreadable: it does not start as a JPEG or ends before its first scan.
        """
        return cls(data, tuple(segments(data)))


def check_same_picture(before: Walked, after: Walked) -> int:
    """Everything but Exif, XMP, Photoshop resources and the MPF index is in both files, byte for byte.

    That is the scan with all that follows it (second images, trailers of phones) and every other segment:
    tables, frame header, ICC profile, comments but for a null byte at their end, content credentials. The tables are
    in their old order too.

    Returns:
        How many bytes at the end of both are the same: the scan and what follows it.

    Raises:
        PictureWouldChange: something differs.
    """
    if _kept(before) != _kept(after) or _tables(before) != _tables(after):
        raise PictureWouldChange(
            "the rewritten JPEG lacks a segment that was there, or has one more; the photo was left alone",
        )
    # The scan is the last segment of the walk.
    start, other = before.segments[-1].start, after.segments[-1].start
    size = len(before.data) - start
    if size != len(after.data) - other or not same_bytes(before.data, start, after.data, other, size):
        raise PictureWouldChange("the rewritten JPEG's picture data differs; the photo was left alone")
    return size


def patches(before: Walked, after: Walked) -> tuple[Patch, ...]:
    """What must be mended in a rewritten JPEG: the offsets of second images, and the IPTC digest.

    Raises:
        PictureWouldChange: a second image that could be found before cannot be found any more.
    """
    return (*_second_images(before, after), *_iptc_digest(before, after))


def _kept(jpeg: Walked) -> Counter[bytes]:
    kept: Counter[bytes] = Counter()
    for segment in jpeg.segments:
        payload = jpeg.data[segment.start : segment.end]
        ours = (segment.marker == _APP1 and payload.startswith((_EXIF, _XMP))) or (
            segment.marker == _APP13 and payload.startswith(_PHOTOSHOP)
        )
        if segment.marker == _APP2 and payload.startswith(_MPF):
            payload = _MPF
        if segment.marker == _COM:
            # Exiv2 ends a comment with a null byte, as most programs do; its words are the same.
            payload = payload.removesuffix(b"\0")
        if not ours:
            kept[hashlib.sha256(bytes([segment.marker]) + payload).digest()] += 1
    return kept


def _tables(jpeg: Walked) -> list[bytes]:
    """What a decoder goes by before the first scan, in its order."""
    found = [each for each in jpeg.segments if not _APP0 <= each.marker <= _APP15 and each.marker != _COM]
    return [bytes([each.marker]) + jpeg.data[each.start : each.end] for each in found]


def _second_images(first: Walked, second: Walked) -> Iterator[Patch]:
    old = _pictures(first)
    if old is None:
        return
    new = _pictures(second)
    before, after = first.data, second.data
    if new is None or len(new.entries) != len(old.entries):
        raise PictureWouldChange(
            "the photo holds second images (MPF) and their index was lost; it was left alone"
        )
    grown = len(after) - len(before)
    for (_, size, offset), (place, new_size, new_offset) in zip(old.entries, new.entries, strict=True):
        if offset == 0:
            whole = (
                size
                if before[size - 2 : size] == b"\xff\xd9" and before[size : size + 2] in {_SOI, b""}
                else None
            )
            if whole is not None and new_size != size + grown:
                yield Patch(place + 4, struct.pack(f"{new.order}I", size + grown))
            continue
        was = old.header + offset
        if before[was : was + 2] != _SOI:
            continue
        # What follows the scan is carried over whole, so it moved by what the file grew.
        now = was + grown
        if after[now : now + size] != before[was : was + size]:
            raise PictureWouldChange("a second image (MPF) in the photo would change; it was left alone")
        if new_offset != now - new.header:
            yield Patch(place + 8, struct.pack(f"{new.order}I", now - new.header))


def _pictures(jpeg: Walked) -> _Pictures | None:
    """The first MPF index of a JPEG, or None where there is none or it cannot be read."""
    data = jpeg.data
    for segment in jpeg.segments:
        if segment.marker == _APP2 and data[segment.start : segment.start + 4] == _MPF:
            return _read_index(data, segment.start + 4, segment.end)
    return None


def _read_index(data: Buffer, header: int, end: int) -> _Pictures | None:
    order = {b"II": "<", b"MM": ">"}.get(data[header : header + 2])
    if order is None:
        return None
    try:
        (first,) = struct.unpack_from(f"{order}I", data, header + 4)
        (count,) = struct.unpack_from(f"{order}H", data, header + first)
        for number in range(count):
            at = header + first + 2 + 12 * number
            tag, _, length, place = struct.unpack_from(f"{order}HHII", data, at)
            if tag == _MP_ENTRIES_TAG:
                start = header + place
                if start + length > end:
                    return None
                places = range(start, start + length - _MP_ENTRY + 1, _MP_ENTRY)
                return _Pictures(
                    header, order, tuple((at, *_size_and_offset(data, order, at)) for at in places)
                )
    except struct.error:
        return None
    return None


def _size_and_offset(data: Buffer, order: str, at: int) -> tuple[int, int]:
    size, offset = struct.unpack_from(f"{order}II", data, at + 4)
    return int(size), int(offset)


def _iptc_digest(first: Walked, second: Walked) -> Iterator[Patch]:
    """Mend the MD5 that Photoshop notes of the IPTC block.

    When it is off, readers trust IPTC's cut texts over XMP's whole ones.
    """
    old, new = _resources(first), _resources(second)
    before, after = first.data, second.data
    if (
        not {_IPTC_RESOURCE, _DIGEST_RESOURCE} <= old.keys()
        or not {_IPTC_RESOURCE, _DIGEST_RESOURCE} <= new.keys()
    ):
        return
    if _md5(before, old[_IPTC_RESOURCE]) != before[slice(*old[_DIGEST_RESOURCE])]:
        # It was off before: some program changed IPTC alone, and that is still to be seen.
        return
    digest, place = _md5(after, new[_IPTC_RESOURCE]), new[_DIGEST_RESOURCE]
    if after[slice(*place)] != digest and place[1] - place[0] == len(digest):
        yield Patch(place[0], digest)


def _md5(data: Buffer, place: tuple[int, int]) -> bytes:
    return hashlib.md5(data[slice(*place)], usedforsecurity=False).digest()


def _resources(jpeg: Walked) -> dict[int, tuple[int, int]]:
    """Image resources of the first Photoshop APP13: id → (start, end) of the data in the file."""
    data = jpeg.data
    for segment in jpeg.segments:
        if segment.marker != _APP13 or data[segment.start : segment.start + len(_PHOTOSHOP)] != _PHOTOSHOP:
            continue
        found: dict[int, tuple[int, int]] = {}
        at = segment.start + len(_PHOTOSHOP)
        while at + 12 <= segment.end and data[at : at + 4] == b"8BIM":
            resource = int.from_bytes(data[at + 4 : at + 6], "big")
            name = 1 + data[at + 6]
            at += 6 + name + name % 2
            length = int.from_bytes(data[at : at + 4], "big")
            if at + 4 + length > segment.end:
                break
            found[resource] = (at + 4, at + 4 + length)
            at += 4 + length + length % 2
        return found
    return {}
