"""Photos that are the same picture under other files: turned, mirrored, cropped, toned, resized or saved again.

Two steps, the cheap one for all pairs: perceptual hashes leave about one pair in a hundred. Of these, one has to lie
over most of the other by a similarity or a mirrored one.

An edit of a picture then lies over it in every part, whatever its tones; in another frame of a burst something has
moved. So the worst blocks tell.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

from photos.alignment import Corners, Laid, corners_of, lay_over, refined, similarity, whole_onto
from photos.evidence import MARK, beside, shrunk
from photos.hashing import hashes_of, near, near_earlier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from photos.hashing import Near

LIKENESS_VERSION = 4
"""Raised whenever what follows changes, so that kept findings are made anew."""

_SIDE = 400
_IN_MEMORY = 512
_NO_CORNERS_NEEDED = 22
_OVERLAP = 0.6
_EDIT, _RELATED = 0.85, 0.5
_HOPELESS, _GOOD = 0.5, 0.97
_MOVED, _AT_REST = 0.85, 0.4
_MUCH, _WITHIN = 0.2, 1.5


@dataclass(frozen=True, slots=True)
class Likeness:
    """What a photo is compared by.

    Attributes:
        hashes: As `hashes_of` makes them.
        grey: The picture in luma, at most 400 pixels long.
        corners: Its corners.
    """

    hashes: NDArray[np.uint64]
    grey: NDArray[np.uint8]
    corners: Corners


@dataclass(frozen=True, slots=True)
class Alike:
    """Two photos that show the same.

    Attributes:
        first: Index of one photo.
        second: Index of the other, greater than `first` where both are of one list.
        kind: `same`, one picture under two files; `frame`, another frame of the same scene, as of a burst.
        confidence: 0-1, that this kind is right.
        overlap: Share of the smaller field that both show, 0-1.
        agreement: Correlation of the worst tenth of the blocks, -1 to 1.
        onto: 2x3, takes x and y in the second's `grey` to those in the first's.
    """

    first: int
    second: int
    kind: Literal["same", "frame"]
    confidence: float
    overlap: float
    agreement: float
    onto: NDArray[np.float64]


def describe(pixels: NDArray[np.uint8]) -> Likeness:
    """What a photo, HxWx3, RGB, is compared by; a preview of 400 pixels is enough."""
    grey = np.asarray(cv2.cvtColor(shrunk(pixels, _SIDE), cv2.COLOR_RGB2GRAY), np.uint8)
    return Likeness(hashes_of(grey), grey, corners_of(grey))


def find_alike(photos: Sequence[Likeness]) -> list[Alike]:
    """All pairs of photos that show the same, in order."""
    return find_alike_by([photo.hashes for photo in photos], photos.__getitem__)


def find_alike_by(
    hashes: Sequence[NDArray[np.uint64]], describe_one: Callable[[int], Likeness]
) -> list[Alike]:
    """All pairs of photos that show the same, of more photos than are to be in memory.

    Args:
        hashes: Theirs.
        describe_one: All of one, by its index; asked only for those whose hashes are near, and some of the time again.
    """
    describing = lru_cache(maxsize=_IN_MEMORY)(describe_one)
    # Few are compared mirrored, but some of them often.
    mirrored = lru_cache(maxsize=_IN_MEMORY)(lambda index: _mirrored(describing(index)))

    def compare(pair: Near) -> Alike | None:
        other = (mirrored if pair.mirrored else describing)(pair.second)
        return _compare(pair, describing(pair.first), other)

    return _compared(near(hashes), compare)


def find_again(
    hashes: Sequence[NDArray[np.uint64]],
    describe_one: Callable[[int], Likeness],
    earlier: Sequence[NDArray[np.uint64]],
    describe_earlier: Callable[[int], Likeness | None],
) -> list[Alike]:
    """Pairs of an earlier photo, as first, and one of these, as second, that show the same.

    Args:
        hashes: Of the photos of now.
        describe_one: All of one of them, as in `find_alike_by`.
        earlier: The hashes of the earlier ones, upright.
        describe_earlier: The same of an earlier one; None where no picture of it is left.
    """
    describing = lru_cache(maxsize=_IN_MEMORY)(describe_one)
    of_earlier = lru_cache(maxsize=_IN_MEMORY)(describe_earlier)

    def compare(pair: Near) -> Alike | None:
        one, photo = of_earlier(pair.first), describing(pair.second)
        return None if one is None else _compare(pair, one, _mirrored(photo) if pair.mirrored else photo)

    return _compared(near_earlier(hashes, earlier), compare)


def _compared(pairs: Iterable[Near], compare: Callable[[Near], Alike | None]) -> list[Alike]:
    # OpenCV lets go of the interpreter's lock, so threads use all cores.
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        return [alike for alike in pool.map(compare, pairs) if alike is not None]


def _mirrored(photo: Likeness) -> Likeness:
    grey = np.ascontiguousarray(photo.grey[:, ::-1])
    return Likeness(photo.hashes, grey, corners_of(grey))


def _compare(pair: Near, one: Likeness, other: Likeness) -> Alike | None:
    found = _fitted(one, other, similarity(one.corners, other.corners))
    if pair.apart <= _NO_CORNERS_NEEDED and not (found and _one_picture(found[1])):
        # A few corners may lie: what the hashes promise is looked for without them.
        whole = _fitted(one, other, whole_onto(one.grey, other.grey, pair.orientation % 4))
        found = max((way for way in (found, whole) if way), key=lambda way: way[1].agreement, default=None)
    if found is None:
        return None
    onto, laid = found
    if not _one_scene(laid):
        return None
    if pair.mirrored:
        onto = onto @ np.array([[-1.0, 0, other.grey.shape[1] - 1], [0, 1, 0], [0, 0, 1]])
    same = _one_picture(laid)
    confidence = 0.6 + 0.39 * min(1.0, abs(laid.agreement - _EDIT) / ((1 - _EDIT) if same else 0.3))
    kind: Literal["same", "frame"] = "same" if same else "frame"
    return Alike(pair.first, pair.second, kind, round(confidence, 2), laid.overlap, laid.agreement, onto)


def _fitted(
    one: Likeness, other: Likeness, onto: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], Laid] | None:
    """A map, made better where the pictures leave doubt, and how they lie by it."""
    if onto is None:
        return None
    laid = lay_over(one.grey, other.grey, onto)
    doubtful = laid.agreement < _GOOD or laid.moved > _AT_REST
    if laid.overlap >= _OVERLAP and laid.agreement > _HOPELESS and doubtful:
        onto = refined(one.grey, other.grey, onto)
        laid = lay_over(one.grey, other.grey, onto)
    return onto, laid


def _one_scene(laid: Laid) -> bool:
    # One wall is like another: where there is little to be seen, nearly all of that has to agree.
    told = laid.seen >= _MUCH or laid.agreement > _HOPELESS
    return told and laid.overlap >= _OVERLAP and laid.usual >= _RELATED


def _one_picture(laid: Laid) -> bool:
    # Where there is little to be seen, all of it may have moved: then a crop is known by its edges.
    told = laid.seen >= _MUCH or laid.beyond <= _WITHIN
    return told and laid.overlap >= _OVERLAP and laid.agreement >= _EDIT and laid.moved <= _MOVED


def draw_alike(first: NDArray[np.uint8], second: NDArray[np.uint8], alike: Alike) -> NDArray[np.uint8]:
    """The evidence, HxWx3: both photos, with the second's outline on the first."""
    small, other = shrunk(first, _SIDE), shrunk(second, _SIDE)
    height, width = other.shape[:2]
    outline = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float64)
    laid = outline @ alike.onto[:, :2].T + alike.onto[:, 2]
    # An outline beyond the edges would not be seen.
    laid = np.clip(laid, 1, (small.shape[1] - 2, small.shape[0] - 2))
    cv2.polylines(small, [np.round(laid).astype(np.int32)], isClosed=True, color=MARK, thickness=2)
    return beside(small, other)
