"""How one picture lies over another: the similarity between them, and how well they then agree in each place.

ORB's corners (Rublee et al. 2011, "ORB: an efficient alternative to SIFT or SURF") have to agree on it. A blurred
picture has few of them: when its hash is near, the place and size at which small pictures correlate best is the start.

Laid over each other, one takes the other's tones, and blocks are normalized by mean and spread, so that tones do not
count. Two numbers tell an edit from another frame, each where the other is blind: the correlation, which drops where
detail has moved, and how far a block would have to move to fit (Lucas and Kanade 1981), which shows in what is too
blurred for a correlation to drop.
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
_TONE_STEP = 4
_ROUNDS, _AT_AN_END = 30, 0.01
_WITHIN = 0.99
_COARSE = 4
_GLANCE = 8
_ASTRAY = 24.0
_SIZES = (1.0, 0.955, 0.91, 0.865, 0.82)
_ALIKE_AT_A_GLANCE = 0.5


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
        seen: Share of the first picture where both show more than a plain wall or sky, 0-1.
        beyond: Pixels by which either field reaches beyond the other's edges, the lesser of the two: 0 for a crop.
    """

    overlap: float
    agreement: float = 0.0
    usual: float = 0.0
    moved: float = 0.0
    seen: float = 0.0
    beyond: float = 0.0


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
    """Lay `other`, turned against the clock, over `one` where they correlate best: one whole inside the other.

    None where they do not correlate, and for pictures that are too thin.
    """
    if min(*one.shape, *other.shape) < _THINNEST:
        return None
    turned = np.ascontiguousarray(np.rot90(other, quarter_turns))
    correlation, onto = _placed(turned, one)
    reverse, back = _placed(one, turned)
    if reverse > correlation:
        correlation, onto = reverse, cv2.invertAffineTransform(back)
    if correlation < _ALIKE_AT_A_GLANCE:
        return None
    better = refined(one, turned, refined(one, turned, onto, reduced=_COARSE))
    # What correlates best at a glance is right to a pixel of the glance and half a step of size: whoever strays further
    # has followed an edge that fits anywhere, such as a circle's.
    if _apart(better, onto, turned.shape) <= _ASTRAY:
        onto = better
    return onto @ _turning(other.shape, quarter_turns)


def _apart(one: NDArray[np.float64], other: NDArray[np.float64], shape: tuple[int, ...]) -> float:
    """How far a picture's ends lie apart by two maps, at most."""
    ends = _ends(shape)
    return float(np.linalg.norm(_taken(ends, one) - _taken(ends, other), axis=1).max())


def _ends(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """The middles of a picture's corner pixels, 4x2."""
    return np.array([[x, y] for x in (0.0, shape[1] - 1) for y in (0.0, shape[0] - 1)])


def _taken(places: NDArray[np.float64], onto: NDArray[np.float64]) -> NDArray[np.float64]:
    """Nx2 places by a 2x3 map."""
    return np.asarray(places @ onto[:, :2].T + onto[:, 2], np.float64)


def _placed(whole: NDArray[np.uint8], field: NDArray[np.uint8]) -> tuple[float, NDArray[np.float64]]:
    """Where and at which size the whole of a picture correlates best with a part of another: how well, and the map."""
    small, small_field = _reduced(whole, _GLANCE), _reduced(field, _GLANCE)
    fitting = min(field.shape[0] / whole.shape[0], field.shape[1] / whole.shape[1])
    best, onto = -1.0, np.eye(2, 3)
    for size in _SIZES:
        scale = fitting * size
        height, width = (max(1, int(side * scale)) for side in small.shape)
        template = cv2.resize(small, (width, height), interpolation=cv2.INTER_AREA)
        _, correlation, _, (left, top) = cv2.minMaxLoc(
            cv2.matchTemplate(small_field, template, cv2.TM_CCOEFF_NORMED)
        )
        if correlation > best:
            middle = (scale - 1) / 2
            best = correlation
            onto = np.array([[scale, 0, _GLANCE * left + middle], [0, scale, _GLANCE * top + middle]])
    return best, onto


def _turning(shape: tuple[int, ...], quarter_turns: int) -> NDArray[np.float64]:
    """3x3, takes x and y of a picture to those in it turned against the clock."""
    height, width = shape
    turning = np.eye(3)
    for _ in range(quarter_turns):
        turning = np.array([[0.0, 1, 0], [-1, 0, width - 1], [0, 0, 1]]) @ turning
        width, height = height, width
    return turning


def _reduced(grey: NDArray[np.uint8], times: int) -> NDArray[np.uint8]:
    """The picture so many times smaller, but for what is left over at its right and lower edge."""
    height, width = (side // times for side in grey.shape)
    whole = grey[: height * times, : width * times]
    return np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _enlarged(onto: NDArray[np.float64], times: float) -> NDArray[np.float64]:
    """The same map between pictures so many times larger; a pixel's place is its middle."""
    middle = onto[:, :2].sum(axis=1) / 2 - 0.5
    return np.column_stack([onto[:, :2], (onto[:, 2] - middle) * times + middle])


def refined(
    one: NDArray[np.uint8], other: NDArray[np.uint8], onto: NDArray[np.float64], *, reduced: int = 2
) -> NDArray[np.float64]:
    """A better similarity, looked for by least squares (Lucas and Kanade 1981) in pictures reduced so many times.

    It is found to a tenth of a pixel. Where nothing is to be seen, it stays as it is.
    """
    base, laid = (cv2.GaussianBlur(_reduced(grey, reduced), (0, 0), _BLUR) for grey in (one, other))
    base, laid = base.astype(np.float32), laid.astype(np.float32)
    size = base.shape[1], base.shape[0]
    places = np.arange(size[0], dtype=np.float32)[None, :], np.arange(size[1], dtype=np.float32)[:, None]
    inside = np.ones(laid.shape, np.float32)
    onto = _enlarged(onto, 1 / reduced)
    for _ in range(_ROUNDS):
        seen = cv2.warpAffine(inside, onto, size) > _WITHIN
        if np.count_nonzero(seen) < _THINNEST:
            break
        moved = np.asarray(cv2.warpAffine(laid, onto, size), np.float32)
        moved = _in_tones_of(base, moved, seen)
        middle = (moved + base) / 2
        across = cv2.Sobel(middle, cv2.CV_32F, 1, 0, scale=1 / 8) * seen
        down = cv2.Sobel(middle, cv2.CV_32F, 0, 1, scale=1 / 8) * seen
        # Around the middle, in units of the whole, so that no unknown outweighs another.
        x, y = ((place - place.mean()) / max(size) for place in places)
        ways = np.stack([across, down, across * x + down * y, down * x - across * y]).reshape(4, -1)
        normal = ways @ ways.T
        wanted = ways @ (moved - base).ravel()
        step = np.linalg.lstsq(normal.astype(np.float64), wanted.astype(np.float64), rcond=1e-6)[0]
        grown, turned = step[2] / max(size), step[3] / max(size)
        by = np.array([[1 + grown, -turned], [turned, 1 + grown]])
        center = np.array([places[0].mean(), places[1].mean()])
        offset = center - by @ center + step[:2]
        onto = np.column_stack([by @ onto[:, :2], by @ onto[:, 2] + offset])
        if np.abs(step).max() < _AT_AN_END:
            break
    return _enlarged(onto, reduced)


def lay_over(one: NDArray[np.uint8], other: NDArray[np.uint8], onto: NDArray[np.float64]) -> Laid:
    """Compare two pictures, HxW luma, the second laid over the first."""
    size = one.shape[1], one.shape[0]
    shown = cv2.warpAffine(np.full_like(other, 255), onto, size) > 0
    scale = abs(float(np.linalg.det(onto[:, :2])))
    smaller = min(one.size, other.size * scale)
    overlap = min(1.0, float(shown.sum()) / max(1.0, smaller))
    if not shown.any():
        return Laid(overlap)
    laid = np.asarray(cv2.warpAffine(other.astype(np.float32), onto, size, flags=cv2.INTER_AREA), np.float32)
    base, laid = (
        np.asarray(cv2.GaussianBlur(grey, (0, 0), _BLUR), np.float32)
        for grey in (one.astype(np.float32), laid)
    )
    laid = _in_tones_of(base, laid, shown)
    base_mean, base_spread = _moments(base)
    laid_mean, laid_spread = _moments(laid)
    whole = cv2.erode(shown.astype(np.uint8), np.ones((_BLOCK, _BLOCK), np.uint8)) > 0
    textured = whole & (base_spread > _TEXTURE) & (laid_spread > _TEXTURE)
    seen = float(textured.mean())
    if seen < _TEXTURED:
        return Laid(overlap)
    together = (_mean(base * laid) - base_mean * laid_mean)[textured]
    worst, usual = np.quantile(together / (base_spread * laid_spread)[textured], (_WORST, 0.5))
    away = _displacement((base - base_mean) / base_spread, (laid - laid_mean) / laid_spread)
    moved = float(np.quantile(away[textured], 1 - _WORST))
    return Laid(overlap, float(worst), float(usual), moved, seen, _beyond(one.shape, other.shape, onto))


def _beyond(shape: tuple[int, ...], other_shape: tuple[int, ...], onto: NDArray[np.float64]) -> float:
    """How far the lesser field lies outside the other, in pixels of the first."""

    def outside(inner: tuple[int, ...], outer: tuple[int, ...], laid: NDArray[np.float64]) -> float:
        places = _taken(_ends(inner), laid)
        return float(np.max([-places, places - (outer[1] - 1, outer[0] - 1)]))

    scale = float(np.sqrt(abs(np.linalg.det(onto[:, :2]))))
    back = np.asarray(cv2.invertAffineTransform(onto), np.float64)
    return max(0.0, min(outside(other_shape, shape, onto), outside(shape, other_shape, back) * scale))


def _in_tones_of(
    base: NDArray[np.float32], laid: NDArray[np.float32], shown: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """The second picture by the curve that its tones follow in the first: a bent soft edge would look moved."""
    tones, meant = laid[shown], base[shown]
    steps = (tones / _TONE_STEP).astype(np.int64)
    counts = np.bincount(steps)
    filled = counts > 0
    given, wanted = (np.bincount(steps, weights=values)[filled] / counts[filled] for values in (tones, meant))
    return np.interp(laid, given, wanted).astype(np.float32)


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
    dx, dy = (yy * xt - xy * yt) / determinant, (xx * yt - xy * xt) / determinant
    # What a move does not explain is noise, or a tone that was bent.
    explained = np.clip((dx * xt + dy * yt) / (_mean(apart * apart) + 1e-6), 0, 1)
    return np.asarray(np.hypot(dx, dy) * explained, np.float32)
