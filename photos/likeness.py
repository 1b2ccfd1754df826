"""Photos that are the same picture under other files: turned, mirrored, cropped, toned, resized or saved again.

Two steps, the cheap one for all pairs. A perceptual hash of 119 bits in all eight orientations and a few crops (the
lowest frequencies of a cosine transform, above or below their median; Zauner 2010, "Implementation and benchmarking
of perceptual image hash functions") leaves a few pairs in a hundred. Of these, ORB's corners (Rublee et al. 2011,
"ORB: an efficient alternative to SIFT or SURF") have to agree on one similarity or mirrored similarity that lays one
picture over most of the other.

An edit of a picture then lies over it in every part, whatever its tones; in another frame of a burst something has
moved. So the aligned pictures are compared block by block by normalized correlation, and the worst blocks tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

from photos.evidence import MARK, beside, shrunk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

LIKENESS_VERSION = 1
"""Raised whenever what follows changes, so that kept findings are made anew."""

_SIDE = 400
_HASH_FIELD, _HASH_SIDE, _HASH_FREQUENCIES = 64, 32, 15
_LOWEST = np.add.outer(range(_HASH_FREQUENCIES), range(_HASH_FREQUENCIES)) < _HASH_FREQUENCIES
# The mean is no shape.
_LOWEST[0, 0] = False
_CROP = 0.87
_HASH_APART = 38
_CORNERS, _FIRST_CORNERS, _FIRST_MATCHES = 250, 100, 4
_THINNEST = 32
_RATIO = 0.85
_INLIERS = 15
_REACH = 4.0
_OVERLAP = 0.6
_BLOCK = 24
_TEXTURE = 3.0
_WORST = 0.1
_TEXTURED = 0.03
_EDIT, _RELATED = 0.93, 0.3
_DOUBTFUL = 0.5, 0.97


@dataclass(frozen=True, slots=True)
class Likeness:
    """What a photo is compared by.

    Attributes:
        hashes: 6x8x2, hashes of 119 bits. Rows are the whole field and five crops of it; columns the four quarter
            turns, then those of the mirrored picture.
        grey: The picture in luma, at most 400 pixels long.
        corners: Nx2, x and y of ORB's corners in it.
        descriptors: Nx32, their descriptors.
    """

    hashes: NDArray[np.uint64]
    grey: NDArray[np.uint8]
    corners: NDArray[np.float32]
    descriptors: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Alike:
    """Two photos that show the same.

    Attributes:
        first: Index of one photo.
        second: Index of the other, greater than `first`.
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
    return Likeness(_hashes(grey), grey, *_corners(grey))


def find_alike(photos: Sequence[Likeness]) -> list[Alike]:
    """All pairs of photos that show the same, in order."""
    # Few are compared mirrored, but some of them often.
    mirrored = lru_cache(maxsize=256)(lambda index: _mirrored(photos[index]))
    found = (
        _compare(
            first, second, photos[first], mirrored(second) if flipped else photos[second], flipped=flipped
        )
        for first, second, flipped in _near(photos)
    )
    return [alike for alike in found if alike is not None]


def _hashes(grey: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Crops x 8 orientations."""
    small = cv2.resize(grey, (_HASH_FIELD, _HASH_FIELD), interpolation=cv2.INTER_AREA).astype(np.float32)
    cut, rest = round(_HASH_FIELD * _CROP), _HASH_FIELD - round(_HASH_FIELD * _CROP)
    places = ((0, 0), (0, rest), (rest, 0), (rest, rest), (rest // 2, rest // 2))
    fields = [small, *(small[top : top + cut, left : left + cut] for top, left in places)]
    squares = [cv2.resize(field, (_HASH_SIDE, _HASH_SIDE), interpolation=cv2.INTER_AREA) for field in fields]
    return np.array([_hashes_of(square) for square in squares], np.uint64)


def _hashes_of(square: NDArray[np.float32]) -> list[NDArray[np.uint64]]:
    """Of each quarter turn, then of those of the mirrored picture.

    A flip only changes signs in the transform, and a turn swaps its axes besides.
    """
    low = np.asarray(cv2.dct(square), np.float32)[:_HASH_FREQUENCIES, :_HASH_FREQUENCIES]
    odd = np.where(np.arange(_HASH_FREQUENCIES) % 2, -1, 1).astype(np.float32)
    hashes = []
    for one in (low, low * odd):
        turned = one
        for _ in range(4):
            hashes.append(_hash(turned))
            turned = turned.T * odd[:, None]
    return hashes


def _hash(low: NDArray[np.float32]) -> NDArray[np.uint64]:
    shape = low[_LOWEST]
    packed = np.packbits(shape > np.median(shape))
    return np.pad(packed, (0, -packed.size % 8)).view(np.uint64)


def _corners(grey: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    if min(grey.shape) < _THINNEST:
        # ORB cannot reduce it by its eight steps.
        return np.empty((0, 2), np.float32), np.empty((0, 32), np.uint8)
    detector = cv2.ORB.create(
        nfeatures=_CORNERS, scaleFactor=1.2, nlevels=8, edgeThreshold=15, fastThreshold=4
    )
    points, descriptors = detector.detectAndCompute(grey, None)
    if descriptors is None:
        return np.empty((0, 2), np.float32), np.empty((0, 32), np.uint8)
    strongest = sorted(range(len(points)), key=lambda index: -points[index].response)
    places = np.array([points[index].pt for index in strongest], np.float32)
    return places, np.asarray(descriptors[strongest], np.uint8)


def _near(photos: Sequence[Likeness]) -> Iterator[tuple[int, int, bool]]:
    """Pairs whose hashes are near in some orientation and crop, and whether the nearest is a mirrored one."""
    if not photos:
        return
    upright = np.array([photo.hashes[0, 0] for photo in photos], np.uint64)
    cropped = np.array([photo.hashes[:, 0] for photo in photos], np.uint64)
    for second, photo in enumerate(photos):
        # Either may be a crop of the other.
        of_second = _bits(upright[:second, None, None] ^ photo.hashes[None]).min(axis=1)
        of_first = _bits(cropped[:second, :, None] ^ photo.hashes[0][None, None]).min(axis=1)
        apart = np.minimum(of_second, of_first)
        nearest = apart.argmin(axis=1)
        for first in np.flatnonzero(apart.min(axis=1) <= _HASH_APART):
            yield int(first), second, bool(nearest[first] >= 4)  # noqa: PLR2004 - the mirrored half


def _bits(words: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """How many bits are set in each pair of words."""
    counted = np.bitwise_count(words)
    together: NDArray[np.uint8] = counted[..., 0] + counted[..., 1]
    return together


def _mirrored(photo: Likeness) -> Likeness:
    grey = np.ascontiguousarray(photo.grey[:, ::-1])
    return Likeness(photo.hashes, grey, *_corners(grey))


def _compare(first: int, second: int, one: Likeness, other: Likeness, *, flipped: bool) -> Alike | None:
    onto = _similarity(one, other.corners, other.descriptors)
    if onto is None:
        return None
    grey = other.grey
    overlap, agreement, usual = _laid_over(one.grey, grey, onto)
    if overlap >= _OVERLAP and _DOUBTFUL[0] < agreement < _DOUBTFUL[1]:
        onto = _refined(one.grey, grey, onto)
        overlap, agreement, usual = _laid_over(one.grey, grey, onto)
    if overlap < _OVERLAP or usual < _RELATED:
        return None
    if flipped:
        onto = onto @ np.array([[-1.0, 0, grey.shape[1] - 1], [0, 1, 0], [0, 0, 1]])
    same = agreement >= _EDIT
    confidence = 0.6 + 0.39 * min(1.0, abs(agreement - _EDIT) / ((1 - _EDIT) if same else 0.3))
    return Alike(first, second, "same" if same else "frame", round(confidence, 2), overlap, agreement, onto)


def _similarity(
    one: Likeness, corners: NDArray[np.float32], descriptors: NDArray[np.uint8]
) -> NDArray[np.float64] | None:
    """What takes the corners onto those of `one`, when enough of them agree on it."""
    if min(len(one.corners), len(corners)) < _INLIERS:
        return None
    if len(_matches(descriptors[:_FIRST_CORNERS], one.descriptors)) < _FIRST_MATCHES:
        return None
    good = _matches(descriptors, one.descriptors)
    if len(good) < _INLIERS:
        return None
    source = corners[[match.queryIdx for match in good]]
    target = one.corners[[match.trainIdx for match in good]]
    cv2.setRNGSeed(1)
    found, inliers = cv2.estimateAffinePartial2D(source, target, ransacReprojThreshold=_REACH)
    if found is None or int(inliers.sum()) < _INLIERS:
        return None
    return np.asarray(found, np.float64)


def _matches(descriptors: NDArray[np.uint8], others: NDArray[np.uint8]) -> list[cv2.DMatch]:
    """Corners whose best match is clearly better than the next one (Lowe 2004)."""
    pairs = cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(descriptors, others, k=2)
    return [best for best, next_best in pairs if best.distance < _RATIO * next_best.distance]


def _refined(
    one: NDArray[np.uint8], other: NDArray[np.uint8], onto: NDArray[np.float64]
) -> NDArray[np.float64]:
    """A better fit, by enhanced correlation (Evangelidis and Psarakis 2008); as it was where none is found."""
    until = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-4)
    inverse = cv2.invertAffineTransform(onto).astype(np.float32)
    try:
        _, found = cv2.findTransformECC(one, other, inverse, cv2.MOTION_AFFINE, until, None, 5)
    except cv2.error:
        # It says so when it does not converge.
        return onto
    return np.asarray(cv2.invertAffineTransform(found), np.float64)


def _laid_over(
    one: NDArray[np.uint8], other: NDArray[np.uint8], onto: NDArray[np.float64]
) -> tuple[float, float, float]:
    """How much of the smaller field both show, and how well the worst blocks and the usual ones agree."""
    size = one.shape[1], one.shape[0]
    shown = cv2.warpAffine(np.full_like(other, 255), onto, size) > 0
    scale = abs(float(np.linalg.det(onto[:, :2])))
    smaller = min(one.size, other.size * scale)
    overlap = float(shown.sum()) / max(1.0, smaller)
    laid = cv2.warpAffine(other, onto, size, flags=cv2.INTER_AREA).astype(np.float32)
    window = _BLOCK, _BLOCK

    def mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.boxFilter(values, cv2.CV_32F, window), np.float32)

    base = cv2.GaussianBlur(one.astype(np.float32), (0, 0), 1.2)
    laid = cv2.GaussianBlur(laid, (0, 0), 1.2)
    base_mean, laid_mean = mean(base), mean(laid)
    base_spread = np.sqrt(np.maximum(0, mean(base * base) - base_mean**2))
    laid_spread = np.sqrt(np.maximum(0, mean(laid * laid) - laid_mean**2))
    together = mean(base * laid) - base_mean * laid_mean
    whole = cv2.erode(shown.astype(np.uint8), np.ones(window, np.uint8)) > 0
    textured = whole & (base_spread > _TEXTURE) & (laid_spread > _TEXTURE)
    if float(textured.mean()) < _TEXTURED:
        return min(1.0, overlap), 0.0, 0.0
    correlation = together[textured] / (base_spread[textured] * laid_spread[textured])
    worst, usual = np.quantile(correlation, (_WORST, 0.5))
    return min(1.0, overlap), float(worst), float(usual)


def draw_alike(first: NDArray[np.uint8], second: NDArray[np.uint8], alike: Alike) -> NDArray[np.uint8]:
    """The evidence, HxWx3: both photos, with the second's outline on the first."""
    small, other = shrunk(first, _SIDE), shrunk(second, _SIDE)
    height, width = other.shape[:2]
    outline = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float64)
    laid = outline @ alike.onto[:, :2].T + alike.onto[:, 2]
    cv2.polylines(small, [np.round(laid).astype(np.int32)], isClosed=True, color=MARK, thickness=2)
    return beside(small, other)
