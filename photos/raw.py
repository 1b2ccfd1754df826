"""Cameras' raw files, as far as this program goes: their facts and the preview that the camera put inside.

Developing a raw file is a photographer's decision; the camera's own preview is what the photographer saw.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import rawpy

from photos.containers.bmff import check_boxes
from photos.containers.exif import NO_EXIF, Exif
from photos.containers.jpeg import read_jpeg
from photos.containers.reading import BrokenStructure
from photos.containers.tiff import TiffReader
from photos.errors import Damaged, RawWithoutPreview
from photos.formats import HEADER_BYTES
from photos.inspection import as_file, exif_in_tiff
from photos.memory import refuse_copies
from photos.opening import telling

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_ORIENTATION_OF_FLIP = {0: 1, 3: 3, 5: 8, 6: 6}
_UPRIGHT_ON_ITS_SIDE = frozenset({6, 8})
_COPIES_OF_A_PREVIEW = 4
"""LibRaw holds it, copies it and hands on a third; a profile as large may be held as well."""


@dataclass(frozen=True, slots=True)
class RawHeader:
    """What LibRaw and the EXIF directory say about a raw file.

    Attributes:
        width: Sensor pixels a row, as the sensor lies.
        height: Sensor rows.
        exif: The orientation is LibRaw's, as makers keep it in places of their own.
    """

    width: int
    height: int
    exif: Exif


@dataclass(frozen=True, slots=True)
class EmbeddedPreview:
    """The largest preview inside a raw file: a JPEG, or bare RGB pixels.

    Attributes:
        data: The JPEG's bytes, or HxWx3 uint8.
        orientation: EXIF's 1-8: what is to be done to it.
    """

    data: bytes | NDArray[np.uint8]
    orientation: int


def read_raw_header(path: Path, file: BinaryIO) -> RawHeader:
    """Read what is known without touching the sensor's data.

    Raises:
        Truncated: It ends before its boxes do (CR3).
        Damaged: LibRaw cannot read it.
    """
    with _opened(path, file) as raw:
        return _header(raw, file)


def read_embedded_preview(path: Path, file: BinaryIO) -> EmbeddedPreview:
    """Take the largest preview out of a raw file.

    Raises:
        RawWithoutPreview: It has none.
        FileTooLarge: The preview may be as large as the file, and would be in memory too often.
        Truncated: It ends before its boxes do (CR3).
        Damaged: LibRaw cannot read it.
    """
    # How large it is, LibRaw tells only when it is there.
    refuse_copies(path, file.seek(0, os.SEEK_END), _COPIES_OF_A_PREVIEW)
    with _opened(path, file) as raw:
        try:
            preview = raw.extract_thumb()
        except (rawpy.LibRawNoThumbnailError, rawpy.LibRawUnsupportedThumbnailError) as error:
            raise RawWithoutPreview(
                path, "is a raw file without an embedded preview; export it as JPEG and use that"
            ) from error
        header = _header(raw, file)
    orientation = header.exif.orientation or 1
    if preview.format is not rawpy.ThumbFormat.JPEG:
        return EmbeddedPreview(np.ascontiguousarray(preview.data, np.uint8), orientation)
    with telling(path):
        inside = read_jpeg(as_file(preview.data))
    if inside.exif.orientation is not None:
        orientation = inside.exif.orientation
    elif (
        orientation in _UPRIGHT_ON_ITS_SIDE and inside.height > inside.width and header.width > header.height
    ):
        # The camera has turned the preview already: it stands while the sensor lies.
        orientation = 1
    return EmbeddedPreview(preview.data, orientation)


@contextmanager
def _opened(path: Path, file: BinaryIO) -> Iterator[rawpy.RawPy]:
    file.seek(0)
    if file.read(HEADER_BYTES)[4:8] == b"ftyp":
        with telling(path):
            check_boxes(file)
    try:
        # By the name of its descriptor, so that it is not read into memory as a whole.
        with rawpy.imread(f"/dev/fd/{file.fileno()}") as raw:
            yield raw
    except rawpy.LibRawError as error:
        raise Damaged(path, f"is no raw file that LibRaw can read: {_words(error)}; copy it again") from error


def _header(raw: rawpy.RawPy, file: BinaryIO) -> RawHeader:
    sizes = raw.sizes
    try:
        exif = exif_in_tiff(TiffReader(file))
    except BrokenStructure:
        # CR3, RAF and others are no TIFFs; what else EXIF says is not needed to go on.
        exif = NO_EXIF
    orientation = _ORIENTATION_OF_FLIP.get(sizes.flip, 1)
    return RawHeader(
        width=sizes.width,
        height=sizes.height,
        # (A raw file has no color space yet, whatever the camera was set to.)
        exif=replace(exif, orientation=orientation, color_space=None),
    )


def _words(error: Exception) -> str:
    text = error.args[0] if error.args else ""
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
