"""Pictures of a batch's photos: previews for models, thumbnails for people.

Decoding is bounded: at most one photo of more than 25 megapixels is in memory at a time, so that a folder of
huge files stays below a gigabyte however many threads work.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from backends.request import Image
from photos.decoding import decode
from photos.errors import PictureError
from photos.evidence import shrunk
from photos.facts import read_facts
from photos.previews import PreviewSpec, preview

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from photos.decoding import Picture
    from store.home import Home
    from store.settings import Settings

log = logging.getLogger(__name__)

LARGE_PIXELS = 25_000_000
THUMBNAIL = PreviewSpec(long_side=480, quality=82)
SCORED = PreviewSpec(long_side=1024, quality=97, full_chroma=True)
"""What image-quality models see, whatever the settings: they measure what a smaller file has lost."""
PREVIEW_VERSION = 1
"""Raised when decoding, color or scaling changes what a model sees: then every photo is asked about anew."""

PREVIEW_CACHE_BYTES = 48 * 1024 * 1024

_large = threading.Lock()


@dataclass(frozen=True)
class PhotoFile:
    """A photo to look at: its id and where it lies."""

    photo_id: str
    path: Path


@contextmanager
def decoded(path: Path, settings: Settings) -> Iterator[Picture]:
    """The decoded photo, one large one at a time.

    Raises:
        photos.errors.PictureError: with the reason, when it cannot be decoded within the limits.
    """
    facts = read_facts(path)
    if facts.width * facts.height <= LARGE_PIXELS:
        yield decode(path, max_pixels=settings.max_pixels, max_file_bytes=settings.max_file_bytes)
        return
    with _large:
        yield decode(path, max_pixels=settings.max_pixels, max_file_bytes=settings.max_file_bytes)


class Previews:
    """Makes the previews that travel with requests, when they are asked for, and keeps the last few."""

    def __init__(
        self, settings: Settings, spec: PreviewSpec | None = None, *, max_long_side: int | None = None
    ) -> None:
        """Previews of this kind, or by the settings and no larger than the model that sees them takes."""
        self._settings = settings
        long_side = min(settings.preview_long_side, max_long_side or settings.preview_long_side)
        self._spec = spec or PreviewSpec(long_side=long_side, quality=settings.preview_quality)
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._kept_bytes = 0
        self._lock = threading.Lock()

    def image(self, photo: PhotoFile) -> Image:
        """The preview as part of a request: named by content now, made only when it is sent."""
        return Image(
            digest=picture_digest(photo.photo_id, self._spec),
            media_type="image/jpeg",
            load=lambda: self._load(photo),
        )

    def _load(self, photo: PhotoFile) -> bytes:
        with self._lock:
            if (jpeg := self._kept.get(photo.photo_id)) is not None:
                self._kept.move_to_end(photo.photo_id)
                return jpeg
        with decoded(photo.path, self._settings) as picture:
            jpeg = preview(picture, self._spec).jpeg
        with self._lock:
            if photo.photo_id not in self._kept:
                self._kept[photo.photo_id] = jpeg
                self._kept_bytes += len(jpeg)
            while self._kept_bytes > PREVIEW_CACHE_BYTES:
                self._kept_bytes -= len(self._kept.popitem(last=False)[1])
        return jpeg


def picture_digest(photo_id: str, spec: PreviewSpec) -> str:
    """SHA-256 that names a preview by what it is made from: the photo, what it is made like, and how it is made.

    Known without decoding, so that a kept answer is recalled without touching the file.
    """
    name = f"{PREVIEW_VERSION}:{photo_id}:{spec.long_side}:{spec.quality}{':444' if spec.full_chroma else ''}"
    return hashlib.sha256(name.encode("ascii")).hexdigest()


def thumbnail_path(home: Home, photo_id: str) -> Path:
    """Where a photo's thumbnail is kept; a cache that may be deleted at any time."""
    return home.thumbnail(photo_id)


def keep_thumbnail(home: Home, photo_id: str, picture: Picture) -> None:
    """Make the photo's thumbnail, unless it is there."""
    path = thumbnail_path(home, photo_id)
    if path.exists() and path.stat().st_size:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # A cache needs no sync: a thumbnail lost with the power is made again.
    beside = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    beside.write_bytes(preview(picture, THUMBNAIL).jpeg)
    beside.replace(path)


def thumbnail(home: Home, settings: Settings, photo: PhotoFile) -> bytes:
    """The photo's thumbnail as JPEG, made if it is not there."""
    path = thumbnail_path(home, photo.photo_id)
    if not path.exists() or not path.stat().st_size:
        with decoded(photo.path, settings) as picture:
            keep_thumbnail(home, photo.photo_id, picture)
    return path.read_bytes()


def kept_thumbnail(home: Home, photo_id: str) -> bytes | None:
    """The thumbnail of a photo whose file may be gone, or hold another picture by now; None where none is kept."""
    path = thumbnail_path(home, photo_id)
    return path.read_bytes() if path.exists() and path.stat().st_size else None


def thumbnails(home: Home, settings: Settings, photos: Iterable[PhotoFile]) -> list[bytes]:
    """The thumbnails of those photos that can be opened now: a picture for people must not fail a stage."""
    found = []
    for photo in photos:
        try:
            found.append(thumbnail(home, settings, photo))
        except PictureError as error:
            log.warning("No thumbnail: %s", error)
    return found


def reduced(picture: bytes, *, long_side: int, quality: int) -> bytes:
    """A JPEG or WebP of ours as a smaller WebP, no longer than ``long_side``, for a page that holds many."""
    pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert pixels is not None  # noqa: S101 - we encoded it
    return webp(np.asarray(pixels, np.uint8), long_side=long_side, quality=quality)


def webp(pixels: NDArray[np.uint8], *, long_side: int, quality: int) -> bytes:
    """Pixels, HxWx3, RGB, as a WebP that is no longer than ``long_side``; never enlarged."""
    small = cv2.cvtColor(shrunk(pixels, long_side), cv2.COLOR_RGB2BGR)
    written, data = cv2.imencode(".webp", small, [cv2.IMWRITE_WEBP_QUALITY, quality])
    assert written  # noqa: S101 - an 8-bit array of three channels always encodes
    return data.tobytes()


def contact_sheet(thumbnails: Sequence[bytes], *, columns: int = 6, cell: int = 128) -> bytes:
    """One JPEG of many thumbnails, row by row; each is fitted into a ``cell`` x ``cell`` square."""
    rows = max(1, -(-len(thumbnails) // columns))
    sheet = np.full((rows * cell, min(columns, max(1, len(thumbnails))) * cell, 3), 32, np.uint8)
    for index, jpeg in enumerate(thumbnails):
        pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert pixels is not None  # noqa: S101 - we encoded it
        scale = (cell - 6) / max(pixels.shape[:2])
        # A very thin picture still has a pixel.
        size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
        small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        height, width = small.shape[:2]
        top = (index // columns) * cell + (cell - height) // 2
        left = (index % columns) * cell + (cell - width) // 2
        sheet[top : top + height, left : left + width] = small
    encoded, data = cv2.imencode(".jpg", sheet, [cv2.IMWRITE_JPEG_QUALITY, 78])
    assert encoded  # noqa: S101 - an 8-bit array of three channels always encodes
    return data.tobytes()
