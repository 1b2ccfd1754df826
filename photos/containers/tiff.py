"""TIFF and BigTIFF directories: the container of TIFF, DNG, most raw files, and of EXIF blocks.

Source: TIFF 6.0 (Adobe, 1992), TIFF Technical Note 1 (SubIFDs), BigTIFF, DNG 1.7. Every count and offset is
hostile until it is checked: directories are visited once, their number, entries and values are bounded, and
one reader reads little more than twice what the file has, whatever points at the same bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import BinaryIO

from photos.containers.reading import (
    BLOCK_BYTES,
    METADATA_BYTES,
    BrokenStructure,
    CutShort,
    Feed,
    file_size,
    read_exactly,
)

MAX_DIRECTORIES = 1_024
MAX_EXTENTS = 1_000_000
MAX_VALUES = 4_000_000


class Tag(IntEnum):
    """The tags that this program reads."""

    IMAGE_WIDTH = 256
    IMAGE_LENGTH = 257
    BITS_PER_SAMPLE = 258
    COMPRESSION = 259
    PHOTOMETRIC = 262
    STRIP_OFFSETS = 273
    ORIENTATION = 274
    SAMPLES_PER_PIXEL = 277
    ROWS_PER_STRIP = 278
    STRIP_BYTE_COUNTS = 279
    PLANAR_CONFIGURATION = 284
    TILE_WIDTH = 322
    TILE_LENGTH = 323
    TILE_OFFSETS = 324
    TILE_BYTE_COUNTS = 325
    SUB_IFDS = 330
    EXTRA_SAMPLES = 338
    JPEG_INTERCHANGE = 513
    JPEG_INTERCHANGE_LENGTH = 514
    XMP = 700
    EXIF_IFD = 34665
    ICC_PROFILE = 34675
    GPS_IFD = 34853
    DNG_VERSION = 50706
    DATE_TIME_ORIGINAL = 36867
    DATE_TIME_DIGITIZED = 36868
    OFFSET_TIME_ORIGINAL = 36881
    OFFSET_TIME_DIGITIZED = 36882
    COLOR_SPACE = 40961
    INTEROPERABILITY_IFD = 40965
    INTEROPERABILITY_INDEX = 1
    GPS_LATITUDE = 2
    GPS_LONGITUDE = 4


PICTURE_TAGS = frozenset(
    {
        254, 256, 257, 258, 259, 262, 266, 277, 278, 284, 292, 293, 301, 317, 318, 319, 320, 322, 323, 332, 338,
        339, 340, 341, 347, 529, 530, 531, 532, 512, 515, 517, 518, 519, 520, 521, 34675,
        # DNG: how the sensor's numbers become a picture (DNG 1.7, chapter 4).
        33421, 33422, 50706, 50710, 50711, 50712, 50713, 50714, 50715, 50716, 50717, 50718, 50719, 50720, 50721,
        50722, 50727, 50728, 50729, 50730, 50778, 50779, 50829, 50830, 50964, 50965, 51008, 51009, 51022,
    }
)  # fmt: skip
"""The tags that say how the stored bytes become a picture; orientation (274) is taken from directory 0
apart."""

_TYPE_FORMAT = {
    1: "B", 2: "s", 3: "H", 4: "I", 5: "II", 6: "b", 7: "s", 8: "h", 9: "i", 10: "ii", 11: "f", 12: "d", 13: "I",
    16: "Q", 17: "q", 18: "Q",
}  # fmt: skip
_BYTE_TYPES = frozenset({2, 7})
_EXTENT_COST, _SPELLING_COST = 8, 8
"""What a strip counts for, and a number spelled out for the digest, next to a byte that is merely read."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a directory; `at` is where its values lie in the file."""

    type: int
    count: int
    at: int

    @property
    def bytes(self) -> int:
        """How many bytes its values take."""
        return struct.calcsize("<" + _TYPE_FORMAT[self.type].replace("s", "B")) * self.count


Directory = Mapping[int, Entry]


class TiffReader:
    """Reads the directories of one TIFF file or EXIF block.

    Args:
        file: Seekable, positioned anywhere; offsets count from its start.

    Raises:
        BrokenStructure: It does not begin like a TIFF.
        CutShort: It ends within its header.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file_size(file)
        self._left = 2 * self.size + METADATA_BYTES
        header = read_exactly(file, 8, "the TIFF header")
        orders = {b"II": "<", b"MM": ">"}
        if header[:2] not in orders:
            raise BrokenStructure("the TIFF header names no byte order")
        self.order = orders[header[:2]]
        (magic,) = struct.unpack(self.order + "H", header[2:4])
        if magic not in (42, 43):
            raise BrokenStructure("the TIFF header has the wrong number")
        self.big = magic == 43  # noqa: PLR2004 - BigTIFF's magic number
        if self.big:
            (self._first,) = struct.unpack(self.order + "Q", read_exactly(file, 8, "the BigTIFF header"))
        else:
            (self._first,) = struct.unpack(self.order + "I", header[4:8])

    def directories(self) -> Iterator[Directory]:
        """The chain of directories, each once and followed by its SubIFDs.

        Raises:
            BrokenStructure: There are more than `MAX_DIRECTORIES`.
            CutShort: One lies beyond the end of the file.
        """
        seen: set[int] = set()
        pending = [self._first]
        while pending:
            offset = pending.pop()
            if offset in seen:
                # Some writers also chain the SubIFDs that they list; hostile ones tie a loop.
                continue
            if len(seen) >= MAX_DIRECTORIES:
                raise BrokenStructure(f"it has more than {MAX_DIRECTORIES:,} directories")
            seen.add(offset)
            directory, following = self._read(offset)
            if following:
                pending.append(following)
            if Tag.SUB_IFDS in directory:
                _refuse_many(directory, Tag.SUB_IFDS, MAX_DIRECTORIES)
                pending.extend(at for at in reversed(self.integers(directory, Tag.SUB_IFDS)) if at)
            yield directory

    def first(self) -> Directory:
        """Directory 0 alone."""
        return self._read(self._first)[0]

    def linked(self, directory: Directory, tag: Tag) -> Directory:
        """The directory that an entry such as `Tag.EXIF_IFD` points at; empty when there is none."""
        at = self.integer(directory, tag, 0)
        return self._read(at)[0] if at else {}

    def integers(self, directory: Directory, tag: int) -> tuple[int, ...]:
        """All values of an integer tag; empty when the tag is missing or not of integers."""
        values = self.values(directory, tag)
        if isinstance(values, bytes):
            return ()
        return tuple(value for value in values if isinstance(value, int))

    def integer(self, directory: Directory, tag: int, default: int) -> int:
        """The first value of an integer tag, or `default`; no other value is read."""
        entry = directory.get(tag)
        if entry is None or entry.type in _BYTE_TYPES:
            return default
        values = self._values(replace(entry, count=min(entry.count, 1)), tag)
        return next((value for value in values if isinstance(value, int)), default)

    def text(self, directory: Directory, tag: int) -> str:
        """An ASCII tag up to its NUL; empty when missing."""
        values = self.values(directory, tag)
        return values.split(b"\0")[0].decode("latin-1").strip() if isinstance(values, bytes) else ""

    def values(self, directory: Directory, tag: int) -> bytes | tuple[int | float, ...]:
        """The values of a tag: bytes for ASCII and UNDEFINED, else numbers (rationals as two integers).

        Raises:
            BrokenStructure: It claims more values than any real file has, or too many were read already.
            CutShort: They lie beyond the end of the file.
        """
        entry = directory.get(tag)
        return () if entry is None else self._values(entry, tag)

    def _values(self, entry: Entry, tag: int) -> bytes | tuple[int | float, ...]:
        if entry.count > MAX_VALUES or entry.bytes > METADATA_BYTES * 2:
            raise BrokenStructure(f"TIFF tag {tag} claims {entry.count:,} values")
        if entry.at + entry.bytes > self.size:
            raise CutShort(f"the file ends within TIFF tag {tag}")
        self._charge(entry.bytes)
        self._file.seek(entry.at)
        raw = read_exactly(self._file, entry.bytes, f"TIFF tag {tag}")
        if entry.type in _BYTE_TYPES:
            return raw
        code = _TYPE_FORMAT[entry.type]
        return struct.unpack(f"{self.order}{entry.count * len(code)}{code[0]}", raw)

    def _charge(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise BrokenStructure("its TIFF directories point at the same bytes again and again")

    def _read(self, offset: int) -> tuple[Directory, int]:
        if offset >= self.size:
            raise CutShort("the file ends before one of its TIFF directories")
        self._file.seek(offset)
        head, one, tail = ("Q", "HHQ", "Q") if self.big else ("H", "HHI", "I")
        inline = 8 if self.big else 4
        one_bytes = struct.calcsize("<" + one) + inline
        (count,) = struct.unpack(
            self.order + head, read_exactly(self._file, struct.calcsize(head), "a TIFF directory")
        )
        if count > 0xFFFF:  # noqa: PLR2004 - what classic TIFF can count to
            raise BrokenStructure(f"a TIFF directory claims {count:,} entries")
        self._charge(count * one_bytes)
        at = self._file.tell()
        raw = read_exactly(self._file, count * one_bytes, "a TIFF directory")
        entries: dict[int, Entry] = {}
        for index in range(count):
            start = index * one_bytes
            tag, kind, number = struct.unpack_from(self.order + one, raw, start)
            if kind not in _TYPE_FORMAT:
                continue
            value_at = at + start + one_bytes - inline
            entry = Entry(kind, number, value_at)
            if entry.bytes > inline:
                (far,) = struct.unpack_from(self.order + tail, raw, start + one_bytes - inline)
                entry = Entry(kind, number, far)
            entries.setdefault(tag, entry)
        following = self._file.read(struct.calcsize(tail))
        # Some writers leave out the closing link of the last directory.
        ended = len(following) < struct.calcsize(tail)
        return entries, 0 if ended else int(struct.unpack(self.order + tail, following)[0])

    def is_image(self, directory: Directory) -> bool:
        """Whether a directory describes stored pixels."""
        return bool(
            directory.keys() & {Tag.STRIP_OFFSETS, Tag.TILE_OFFSETS, Tag.JPEG_INTERCHANGE}
            and (Tag.IMAGE_WIDTH in directory or Tag.JPEG_INTERCHANGE in directory)
        )

    def extents(self, directory: Directory) -> list[tuple[int, int]]:
        """Where the pixels of one directory lie: (offset, bytes) of each strip, tile or JPEG stream.

        Raises:
            BrokenStructure: There are not as many offsets as byte counts, or more than `MAX_EXTENTS`.
        """
        found: list[tuple[int, int]] = []
        for offsets, counts in (
            (Tag.STRIP_OFFSETS, Tag.STRIP_BYTE_COUNTS),
            (Tag.TILE_OFFSETS, Tag.TILE_BYTE_COUNTS),
            (Tag.JPEG_INTERCHANGE, Tag.JPEG_INTERCHANGE_LENGTH),
        ):
            _refuse_many(directory, offsets, MAX_EXTENTS)
            places, sizes = self.integers(directory, offsets), self.integers(directory, counts)
            if len(places) != len(sizes):
                raise BrokenStructure("a TIFF directory has not as many byte counts as offsets")
            found.extend(zip(places, sizes, strict=True))
        return found

    def feed_pictures(self, feed: Feed) -> None:
        """Hand on every picture of the file: its defining tags, then its strips or tiles in order.

        What moves when another program rewrites the metadata (offsets, the order of tags) is left out.

        Raises:
            BrokenStructure: No directory holds a picture, the directories do not hold together, or their
                strips or values overlap so that far more would be read than the file has.
            CutShort: A strip lies beyond the end of the file.
        """
        left = 2 * self.size
        feed(self.order.encode())
        any_picture = False
        for directory in self.directories():
            if not self.is_image(directory):
                continue
            any_picture = True
            for tag in sorted(directory.keys() & PICTURE_TAGS):
                if directory[tag].type not in _BYTE_TYPES:
                    self._charge(directory[tag].count * _SPELLING_COST)
                feed(f"{tag}={self.values(directory, tag)!r};".encode())
            extents = self.extents(directory)
            self._charge(len(extents) * _EXTENT_COST)
            for at, count in extents:
                left -= count
                if left < 0:
                    raise BrokenStructure("its strips overlap")
                if at + count > self.size:
                    raise CutShort("the file ends within its picture")
                self._feed_extent(at, count, feed)
            feed(b"end")
        if not any_picture:
            raise BrokenStructure("none of its TIFF directories holds a picture")

    def _feed_extent(self, at: int, count: int, feed: Feed) -> None:
        self._file.seek(at)
        while count:
            block = read_exactly(self._file, min(count, BLOCK_BYTES), "its picture")
            feed(block)
            count -= len(block)


def _refuse_many(directory: Directory, tag: Tag, most: int) -> None:
    if tag in directory and directory[tag].count > most:
        raise BrokenStructure(f"TIFF tag {tag} claims {directory[tag].count:,} values")
