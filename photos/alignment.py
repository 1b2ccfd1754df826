"""How one picture lies over another: the similarity between them, and how well they then agree in each place.

ORB's corners (Rublee et al. 2011, "ORB: an efficient alternative to SIFT or SURF") have to agree on it. A blurred
picture has few of them: when its hash is near it is laid over whole, and what correlates best decides.

Laid over each other, block by block, the pictures are normalized by mean and spread, so that tones do not count. Two
numbers tell an edit from another frame, each where the other is blind: the correlation, which drops where detail has
moved, and how far a block would have to move to fit (Lucas and Kanade 1981), which shows in what is too blurred for a
correlation to drop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CORNERS, _FIRST_CORNERS, _FIRST_MATCHES = 250, 100, 4
_THINNEST = 32
_RATIO = 0.85
_INLIERS = 15
_REACH = 4.0
_BLUR = 1.2
_BLOCK = 24
_TEXTURE = 3.0
_WORST = 0.1
_TEXTURED = 0.03
_STIFF = 0.002
_UNTIL = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 60, 1e-6)
_COARSE = 4


@dataclass(frozen=True, slots=True)
class Corners:
    """ORB's corners of a picture, the strongest first.

    Attributes:
        places: Nx2, x and y.
        descriptors: Nx32.
    """

    places: NDArray[np.float32]
    descriptors: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Laid:
    """How two pictures agree where both are seen.

    Attributes:
        overlap: Share of the smaller field that both show, 0-1.
        agreement: Correlation of the worst tenth of the blocks, -1 to 1.
        usual: Correlation of the median block.
        moved: Pixels by which the worst tenth of the blocks is out of place.
    """

    overlap: float
    agreement: float = 0.0
    usual: float = 0.0
    moved: float = 0.0


def corners_of(grey: NDArray[np.uint8]) -> Corners:
    """The corners of HxW luma, of at most 400 pixels."""
    none = Corners(np.empty((0, 2), np.float32), np.empty((0, 32), np.uint8))
    if min(grey.shape) < _THINNEST:
        # ORB cannot reduce it by its eight steps.
        return none
    detector = cv2.ORB.create(
        nfeatures=_CORNERS, scaleFactor=1.2, nlevels=8, edgeThreshold=15, fastThreshold=4
    )
    points, descriptors = detector.detectAndCompute(grey, None)
    if descriptors is None:
        return none
    strongest = sorted(range(len(points)), key=lambda index: -points[index].response)
    places = np.array([points[index].pt for index in strongest], np.float32)
    return Corners(places, np.asarray(descriptors[strongest], np.uint8))


def similarity(one: Corners, other: Corners) -> NDArray[np.float64] | None:
    """What takes the other's corners onto those of `one`, 2x3, when enough of them agree on it."""
    if min(len(one.places), len(other.places)) < _INLIERS:
        return None
    if len(_matches(other.descriptors[:_FIRST_CORNERS], one.descriptors)) < _FIRST_MATCHES:
        return None
    good = _matches(other.descriptors, one.descriptors)
    if len(good) < _INLIERS:
        return None
    source = other.places[[match.queryIdx for match in good]]
    target = one.places[[match.trainIdx for match in good]]
    found, inliers = cv2.estimateAffinePartial2D(source, target, ransacReprojThreshold=_REACH)
    if found is None or int(inliers.sum()) < _INLIERS:
        return None
    return np.asarray(found, np.float64)


def _matches(descriptors: NDArray[np.uint8], others: NDArray[np.uint8]) -> list[cv2.DMatch]:
    """Corners whose best match is clearly better than the next one (Lowe 2004)."""
    pairs = cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(descriptors, others, k=2)
    return [best for best, next_best in pairs if best.distance < _RATIO * next_best.distance]


def whole_onto(
    one: NDArray[np.uint8], other: NDArray[np.uint8], quarter_turns: int
) -> NDArray[np.float64] | None:
    """Lay all of `other`, turned against the clock, over all of `one`, then look for the best fit from there.

    None where none is found, and for pictures that are too thin.
    """
    if min(*one.shape, *other.shape) < _THINNEST:
        return None
    height, width = other.shape
    ends = np.array([[0, 0], [width, 0], [0, height]], np.float32)
    for _ in range(quarter_turns):
        ends = np.stack([ends[:, 1], width - ends[:, 0]], axis=1)
        width, height = height, width
    onto = np.asarray(
        cv2.getAffineTransform(
            np.array([[0, 0], [other.shape[1], 0], [0, other.shape[0]]], np.float32),
            (ends * (one.shape[1] / width, one.shape[0] / height)).astype(np.float32),
        )
    )
    small, small_other = (
        cv2.resize(grey, None, fx=1 / _COARSE, fy=1 / _COARSE, interpolation=cv2.INTER_AREA)
        for grey in (one, other)
    )
    onto[:, 2] /= _COARSE
    coarse = refined(np.asarray(small, np.uint8), np.asarray(small_other, np.uint8), onto)
    if coarse is None:
        return None
    coarse[:, 2] *= _COARSE
    return refined(one, other, coarse)


def refined(
    one: NDArray[np.uint8], other: NDArray[np.uint8], onto: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """A better similarity, by enhanced correlation (Evangelidis and Psarakis 2008); None where none is found.

    It is looked for among affine maps, which converge better; what is left of one is the similarity nearest to it, so
    that another frame's movement is not bent away.
    """
    inverse = cv2.invertAffineTransform(onto).astype(np.float32)
    try:
        _, found = cv2.findTransformECC(one, other, inverse, cv2.MOTION_AFFINE, _UNTIL, None, 5)
    except cv2.error:
        # It says so when it does not converge.
        return None
    bent = np.asarray(cv2.invertAffineTransform(found), np.float64)
    middle = np.array([other.shape[1] / 2, other.shape[0] / 2])
    along, across = (bent[0, 0] + bent[1, 1]) / 2, (bent[1, 0] - bent[0, 1]) / 2
    straight = np.array([[along, -across], [across, along]])
    offset = bent[:, :2] @ middle + bent[:, 2] - straight @ middle
    return np.column_stack([straight, offset])


def lay_over(one: NDArray[np.uint8], other: NDArray[np.uint8], onto: NDArray[np.float64]) -> Laid:
    """Compare two pictures, HxW luma, the second laid over the first."""
    size = one.shape[1], one.shape[0]
    shown = cv2.warpAffine(np.full_like(other, 255), onto, size) > 0
    scale = abs(float(np.linalg.det(onto[:, :2])))
    smaller = min(one.size, other.size * scale)
    overlap = min(1.0, float(shown.sum()) / max(1.0, smaller))
    laid = cv2.warpAffine(other.astype(np.float32), onto, size, flags=cv2.INTER_AREA)
    base, laid = (
        np.asarray(cv2.GaussianBlur(grey, (0, 0), _BLUR), np.float32)
        for grey in (one.astype(np.float32), laid)
    )
    base_mean, base_spread = _moments(base)
    laid_mean, laid_spread = _moments(laid)
    whole = cv2.erode(shown.astype(np.uint8), np.ones((_BLOCK, _BLOCK), np.uint8)) > 0
    textured = whole & (base_spread > _TEXTURE) & (laid_spread > _TEXTURE)
    if float(textured.mean()) < _TEXTURED:
        return Laid(overlap)
    together = (_mean(base * laid) - base_mean * laid_mean)[textured]
    worst, usual = np.quantile(together / (base_spread * laid_spread)[textured], (_WORST, 0.5))
    away = _displacement((base - base_mean) / base_spread, (laid - laid_mean) / laid_spread)
    return Laid(overlap, float(worst), float(usual), float(np.quantile(away[textured], 1 - _WORST)))


def _mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Around each pixel, over one block."""
    return np.asarray(cv2.boxFilter(values, cv2.CV_32F, (_BLOCK, _BLOCK)), np.float32)


def _moments(grey: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and spread of the block around each pixel."""
    mean = _mean(grey)
    return mean, np.sqrt(np.maximum(1e-3, _mean(grey * grey) - mean**2))


def _displacement(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Pixels, least squares over the block around each; a small one where an edge shows only one direction."""
    middle = (one + other) / 2
    across, down = (
        cv2.Sobel(middle, cv2.CV_32F, 1, 0, scale=1 / 8),
        cv2.Sobel(middle, cv2.CV_32F, 0, 1, scale=1 / 8),
    )
    apart = one - other
    xx, yy, xy = _mean(across * across) + _STIFF, _mean(down * down) + _STIFF, _mean(across * down)
    xt, yt = _mean(across * apart), _mean(down * apart)
    determinant = xx * yy - xy * xy
    return np.asarray(np.hypot(yy * xt - xy * yt, xx * yt - xy * xt) / determinant, np.float32)
