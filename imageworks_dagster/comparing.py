"""Compare photos with one another by their kept thumbnails, of which few are in memory at a time."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import cv2
import numpy as np

from imageworks.judge_vision.seen import AlikePhotos
from imageworks_dagster.picturing import thumbnail
from photos.likeness import describe, find_again, find_alike_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

    from imageworks_dagster.picturing import PhotoFile
    from photos.likeness import Likeness
    from store.home import Home
    from store.settings import Settings


class Comparable:
    """Distinct photos that can be decoded, with what they are compared by.

    Attributes:
        ids: Theirs, in order.
        hashes: As `photos.hashing` makes them, in that order.
    """

    def __init__(self, photos: Iterable[PhotoFile], *, home: Home, settings: Settings) -> None:
        """Hash them."""
        self._photos = [photo for _, photo in sorted({photo.photo_id: photo for photo in photos}.items())]
        self._home = home
        self._settings = settings
        self.ids = [photo.photo_id for photo in self._photos]
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            self.hashes = list(pool.map(lambda index: self.describe(index).hashes, range(len(self.ids))))

    def describe(self, index: int) -> Likeness:
        """All that one is compared by."""
        return describe(thumbnail_pixels(thumbnail(self._home, self._settings, self._photos[index])))


def alike_among(photos: Comparable) -> list[AlikePhotos]:
    """Pairs of different photos that show the same."""
    return [
        AlikePhotos(photos.ids[alike.first], photos.ids[alike.second], alike)
        for alike in find_alike_by(photos.hashes, photos.describe)
    ]


def alike_to_earlier(
    photos: Comparable,
    earlier: Mapping[str, NDArray[np.uint64]],
    earlier_thumbnail: Callable[[str], bytes | None],
) -> list[AlikePhotos]:
    """Pairs of an earlier photo, as first, and one of these that show the same.

    Args:
        photos: Those of now.
        earlier: The upright hashes of the others by id.
        earlier_thumbnail: Their thumbnails; of one that has none any longer nothing is found.
    """
    ids = list(earlier)

    def describe_earlier(index: int) -> Likeness | None:
        jpeg = earlier_thumbnail(ids[index])
        return None if jpeg is None else describe(thumbnail_pixels(jpeg))

    return [
        AlikePhotos(ids[alike.first], photos.ids[alike.second], alike)
        for alike in find_again(photos.hashes, photos.describe, list(earlier.values()), describe_earlier)
    ]


def thumbnail_pixels(jpeg: bytes) -> NDArray[np.uint8]:
    """A kept thumbnail, HxWx3, RGB."""
    pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert pixels is not None  # noqa: S101 - we encoded it
    return np.asarray(pixels, np.uint8)
