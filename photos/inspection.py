"""The format and structure of an open file, whichever format it is in; no pixel is decoded here."""

from __future__ import annotations

import io
import os
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

import pillow_heif
from PIL import Image, UnidentifiedImageError

from photos.containers.anatomy import Anatomy
from photos.containers.bmff import check_boxes
from photos.containers.exif import NO_EXIF, Exif, exif_of, read_exif
from photos.containers.jpeg import read_jpeg
from photos.containers.png import read_png
from photos.containers.reading import METADATA_BYTES, BrokenStructure, CutShort, read_exactly
from photos.containers.tiff import Tag, TiffReader
from photos.containers.webp import read_webp
from photos.formats import HEADER_BYTES, RAW_EXTENSIONS, Format, sniff

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from photos.containers.tiff import Directory

# Every decoder checks sizes against its caller's own limit before it decodes, by `read_anatomy`; Pillow's
# limit is one number for the whole process, and its warning below that number would be noise.
Image.MAX_IMAGE_PIXELS = None

PILLOW_NAMES: Mapping[Format, str] = {
    Format.JPEG: "JPEG",
    Format.PNG: "PNG",
    Format.WEBP: "WEBP",
    Format.TIFF: "TIFF",
    Format.GIF: "GIF",
    Format.BMP: "BMP",
    Format.AVIF: "AVIF",
    Format.PSD: "PSD",
}
"""Pillow's names of the formats that it may be asked to open; it is never left to guess."""

_CFA, _LINEAR_RAW = 32803, 34892
_TIFF_MODES = {
    0: "L",
    1: "L",
    2: "RGB",
    3: "P",
    5: "CMYK",
    6: "YCbCr",
    8: "LAB",
    _CFA: "CFA",
    _LINEAR_RAW: "CFA",
}
# Sony's, two of Epson and Nikon, Samsung's two, Kodak's and Pentax's (ExifTool's list of TIFF's tag 259).
_MAKERS_COMPRESSIONS = frozenset({32767, 32769, 34713, 32770, 32772, 65000, 65535})
_ANIMATED = frozenset({Format.GIF, Format.AVIF})
_UNCOMPRESSED = 1
_EIGHT_BITS = 8
_WHITE_IS_ZERO = 0
_PSD_HEADER = 26
_MAX_RESOURCES = 256 << 20
_PLANAR = 2


class UnknownStructure(BrokenStructure):
    """The format is named by its first bytes, but its decoder does not recognize the rest."""


def format_of(path: Path, file: BinaryIO) -> Format:
    """The format of an open file, by content; where that says no more than TIFF, a raw file's extension counts.

    Leaves the file at its start.
    """
    found = format_by_content(file)
    if found is Format.TIFF and path.suffix.lower() in RAW_EXTENSIONS:
        return Format.DNG if path.suffix.lower() == ".dng" else Format.RAW
    return found


def format_by_content(file: BinaryIO) -> Format:
    """The format of an open file, whatever its name; a raw file that does not show for one is a TIFF.

    Leaves the file at its start.
    """
    file.seek(0)
    found = sniff(file.read(HEADER_BYTES))
    if found is Format.TIFF:
        found = _kind_of_tiff(file)
    file.seek(0)
    return found


def _kind_of_tiff(file: BinaryIO) -> Format:
    """Cameras' raw files are TIFFs whose makers differ only in what they put inside."""
    try:
        reader = TiffReader(file)
        if Tag.DNG_VERSION in reader.first():
            return Format.DNG
        for directory in reader.directories():
            if (
                reader.integer(directory, Tag.PHOTOMETRIC, 0) == _CFA
                or reader.integer(directory, Tag.COMPRESSION, 0) in _MAKERS_COMPRESSIONS
            ):
                return Format.RAW
    except BrokenStructure:
        # What is wrong with it is reported where it is read; here it is still a TIFF.
        return Format.TIFF
    return Format.TIFF


def read_anatomy(file: BinaryIO, kind: Format, *, whole: bool = False) -> Anatomy:
    """Read what the headers say.

    Args:
        file: The open file.
        kind: Its format, as `format_of` says; one that `PILLOW_NAMES` or this module knows.
        whole: Also check that the file does not end before its picture, as far as its structure tells.

    Raises:
        CutShort: The file ends too early.
        BrokenStructure: The headers contradict the format.
        KeyError: The format has no reader here (raw, JPEG XL, unknown).
    """
    file.seek(0)
    if kind is Format.JPEG:
        return read_jpeg(file, whole=whole)
    if kind is Format.PNG:
        return read_png(file)
    if kind is Format.WEBP:
        return read_webp(file)
    if kind in (Format.TIFF, Format.DNG):
        return _read_tiff(file, whole=whole, raw=kind is Format.DNG)
    if kind in (Format.HEIC, Format.AVIF):
        check_boxes(file)
        file.seek(0)
    return _read_heic(file) if kind is Format.HEIC else _read_with_pillow(file, kind)


def _read_tiff(file: BinaryIO, *, whole: bool, raw: bool) -> Anatomy:
    reader = TiffReader(file)
    main = reader.first()
    pages = [directory for directory in reader.directories() if reader.is_image(directory)]
    if not pages:
        raise BrokenStructure("none of its TIFF directories holds a picture")
    # A DNG's directory 0 is often a thumbnail; a TIFF's is the picture.
    page = max(pages, key=lambda one: _size(reader, one)) if raw else pages[0]
    width, height = _size(reader, page)
    if not raw and not (width and height):
        raise BrokenStructure("its first picture has no size")
    profile = reader.values(main, Tag.ICC_PROFILE) or reader.values(page, Tag.ICC_PROFILE)
    largest_extent = 0
    for one in (pages if raw else [page]) if whole else ():
        # Old writers leave byte counts out; then only the decoder can tell whether the picture is all there.
        if not one.keys() & {Tag.STRIP_BYTE_COUNTS, Tag.TILE_BYTE_COUNTS, Tag.JPEG_INTERCHANGE_LENGTH}:
            continue
        for at, count in reader.extents(one):
            if at + count > reader.size:
                raise CutShort("the file ends within its picture")
            largest_extent = max(largest_extent, count)
    bits = max(reader.integers(page, Tag.BITS_PER_SAMPLE) or (1,))
    mode = _tiff_mode(reader, page, bits)
    return Anatomy(
        width=width,
        height=height,
        mode=mode,
        bits=bits,
        icc=profile if isinstance(profile, bytes) and profile else _as_bytes(profile),
        exif=exif_of(reader, main),
        frames=1 if raw else len(pages),
        transparent=mode in ("LA", "RGBA"),
        inverted=reader.integer(page, Tag.PHOTOMETRIC, 1) == _WHITE_IS_ZERO,
        planar=reader.integer(page, Tag.PLANAR_CONFIGURATION, 1) == _PLANAR,
        compressed=reader.integer(page, Tag.COMPRESSION, _UNCOMPRESSED) != _UNCOMPRESSED,
        buffer_bytes=_tiff_buffer(reader, page, width, height, bits) + largest_extent,
        metadata_bytes=_tag_bytes(reader, main),
    )


def _as_bytes(profile: bytes | tuple[int | float, ...]) -> bytes | None:
    """Some writers type the profile as BYTE instead of UNDEFINED."""
    try:
        return bytes(int(value) for value in profile) or None
    except ValueError:
        return None


def _size(reader: TiffReader, page: Directory) -> tuple[int, int]:
    return reader.integer(page, Tag.IMAGE_WIDTH, 0), reader.integer(page, Tag.IMAGE_LENGTH, 0)


def _tiff_mode(reader: TiffReader, page: Directory, bits: int) -> str:
    photometric = reader.integer(page, Tag.PHOTOMETRIC, 1)
    mode = _TIFF_MODES.get(photometric, f"photometric {photometric}")
    if mode == "L" and bits == 1:
        return "1"
    if mode in ("L", "RGB") and Tag.EXTRA_SAMPLES in page and any(reader.integers(page, Tag.EXTRA_SAMPLES)):
        return {"L": "LA", "RGB": "RGBA"}[mode]
    return mode


def _tiff_buffer(reader: TiffReader, page: Directory, width: int, height: int, bits: int) -> int:
    """A compressed strip or tile is decoded as a whole, and one of bare 16-bit planes by way of RGBA."""
    bare = reader.integer(page, Tag.COMPRESSION, _UNCOMPRESSED) == _UNCOMPRESSED
    planar = reader.integer(page, Tag.PLANAR_CONFIGURATION, 1) == _PLANAR
    if bare and not (planar and bits > _EIGHT_BITS):
        return 0
    across = reader.integer(page, Tag.TILE_WIDTH, width)
    down = reader.integer(
        page, Tag.TILE_LENGTH, min(height, reader.integer(page, Tag.ROWS_PER_STRIP, height))
    )
    stored = across * down * reader.integer(page, Tag.SAMPLES_PER_PIXEL, 1) * bits // 8
    return stored + (across * down * 4 if bare else 0)


def _tag_bytes(reader: TiffReader, main: Directory) -> int:
    """What the tags hold that Pillow reads with the first page; layers and histories make them large."""
    read = [main]
    for tag in (Tag.EXIF_IFD, Tag.GPS_IFD):
        try:
            read.append(reader.linked(main, tag))
        except BrokenStructure:
            # Pillow does without a directory that cannot be read.
            continue
    # Of one directory it takes no more than the file has, though tags may point at the same bytes.
    return sum(min(reader.size, sum(entry.bytes for entry in one.values())) for one in read)


def _read_heic(file: BinaryIO) -> Anatomy:
    with _decoder_complaints():
        picture = pillow_heif.open_heif(file)
        width, height = picture.size
        return Anatomy(
            width=width,
            height=height,
            mode=picture.mode.split(";")[0],
            bits=int(picture.info.get("bit_depth", 8)),
            icc=picture.info.get("icc_profile") or None,
            exif=read_exif(picture.info["exif"]) if picture.info.get("exif") else NO_EXIF,
            frames=len(picture),
            turned_by_decoder=True,
            metadata_bytes=_bytes_in(picture.info)
            + sum(len(block["data"]) for block in picture.info["metadata"]),
        )


def _read_with_pillow(file: BinaryIO, kind: Format) -> Anatomy:
    resources = _psd_resource_bytes(file) if kind is Format.PSD else 0
    file.seek(0)
    with _decoder_complaints(), Image.open(file, formats=[PILLOW_NAMES[kind]]) as picture:
        exif_block = picture.info.get("exif", b"")
        icc = picture.info.get("icc_profile")
        return Anatomy(
            width=picture.width,
            height=picture.height,
            mode=picture.mode.split(";")[0],
            bits=1 if picture.mode == "1" else 8,
            icc=icc if isinstance(icc, bytes) and 0 < len(icc) <= METADATA_BYTES else None,
            exif=read_exif(exif_block) if exif_block else NO_EXIF,
            frames=int(getattr(picture, "n_frames", 1)) if kind in _ANIMATED else 1,
            transparent=picture.mode in ("LA", "RGBA", "PA") or "transparency" in picture.info,
            metadata_bytes=resources or _bytes_in(picture.info),
        )


def _bytes_in(info: Mapping[Any, Any]) -> int:
    return sum(len(value) for value in info.values() if isinstance(value, bytes))


def _psd_resource_bytes(file: BinaryIO) -> int:
    """The image resources, which Pillow reads as a whole (Adobe Photoshop File Formats: the sections' order)."""
    file.seek(_PSD_HEADER)
    (palette,) = struct.unpack(">I", read_exactly(file, 4, "its PSD header"))
    file.seek(palette, os.SEEK_CUR)
    (resources,) = struct.unpack(">I", read_exactly(file, 4, "its PSD header"))
    if resources > _MAX_RESOURCES:
        raise BrokenStructure(f"its image resources claim {resources:,} bytes, more than any real ones have")
    return int(resources)


@contextmanager
def _decoder_complaints() -> Iterator[None]:
    """Broken headers make decoders raise whatever they trip over; only the disk's errors are not theirs."""
    try:
        yield
    except UnidentifiedImageError as error:
        raise UnknownStructure("its decoder does not recognize it") from error
    except MemoryError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UnknownStructure(str(error) or f"its decoder stumbles ({error!r})") from error


def exif_in_tiff(reader: TiffReader) -> Exif:
    """EXIF of a TIFF or of a raw file in a TIFF container.

    Raises:
        BrokenStructure: Directory 0 cannot be read.
    """
    return exif_of(reader, reader.first())


def as_file(data: bytes) -> BinaryIO:
    """Bytes as a file, for the readers above."""
    return io.BytesIO(data)
