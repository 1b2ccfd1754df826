"""Whether a photo is monochrome as clubs define it: grey, or grey with one tint over all.

In a monochrome photo color depends on lightness alone: a* and b* of CIELAB are two curves over L*, however it
was toned. What is off these curves is color of its own, so a spot of it is found by where it is, and a photo in
golden light is told from a toned one though both have a single hue. The hues along the curves then tell one
tint from two. The curves are medians within steps of L*, which a spot does not move.

It is looked at as a small picture, slightly blurred, and a pixel's color may be that of a lightness beside it: JPEG's
chroma lags behind its luma at edges.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

from photos.evidence import beside, shrunk

if TYPE_CHECKING:
    from numpy.typing import NDArray

MONOCHROME_VERSION = 2
"""Raised whenever what follows changes, so that kept findings are made anew."""

MonoKind = Literal["grey", "toned", "split", "partial", "color", "unsure"]

_SIDE = 384
_STEPS = 25
_LEAST_IN_STEP = 0.002
_SEEN = 8.0, 97.0
_BLUR = 2.0

_OFF_CURVE = 5.0
_OFF_OVER_TINT, _OFF_MOST = 0.25, 6.5
_COLOR_SHARE, _CLEAN_SHARE = 0.005, 0.0025
_ALL_OVER = 0.3
_STRAY_SHARE, _STRAY = 0.1, 2.5
_TINT, _STRONGEST_TINT = 3.0, 36.0
_HUED = 3.0
_TAIL = 0.01
_ONE_TINT, _TWO_TINTS = 36.0, 50.0


@dataclass(frozen=True, slots=True)
class Monochrome:
    """How much of a monochrome picture a photo is.

    Attributes:
        kind: `grey`; `toned`, with one tint; `split`, with tints of two hues; `partial`, with color in less than 30 %
            of the picture; `color`; `unsure` between two of them.
        confidence: 0-1, that this kind is right.
        color_share: Share of the picture, 0-1, with color of its own.
        tint: Mean chroma C* of the curves, weighted by how much of the picture has that lightness.
        hue_spread: Degrees between the hues of the curves, but for the 1 % at either end; 0 without a tint.
    """

    kind: MonoKind
    confidence: float
    color_share: float
    tint: float
    hue_spread: float

    @property
    def eligible(self) -> bool | None:
        """Whether it is monochrome: one tint at most; None where that is unsure."""
        return None if self.kind == "unsure" else self.kind in ("grey", "toned")


def find_monochrome(pixels: NDArray[np.uint8]) -> Monochrome:
    """Tell how a photo is colored.

    Args:
        pixels: HxWx3, uint8, RGB in sRGB.
    """
    lab = _lab(pixels)
    off, curve, weights = _off_curve(lab)
    tint = _tint(curve, weights)
    share = float(np.mean(off > _limit(tint)))
    strays = float(np.quantile(off, 1 - _STRAY_SHARE)) > _STRAY
    chroma = np.hypot(curve[:, 0], curve[:, 1])
    spread = _hue_spread(curve, np.where(chroma >= _HUED, weights, 0))
    kind, confidence = _named(share, tint, spread, strays=strays)
    return Monochrome(kind, round(confidence, 2), round(share, 4), round(tint, 2), round(spread, 1))


def _tint(curve: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    return float((np.hypot(curve[:, 0], curve[:, 1]) * weights).sum() / max(1e-9, weights.sum()))


def _limit(tint: float) -> float:
    """Behind which a pixel has color of its own: a strong tint's curves are steep."""
    return min(_OFF_MOST, max(_OFF_CURVE, _OFF_OVER_TINT * tint))


def _named(share: float, tint: float, spread: float, *, strays: bool) -> tuple[MonoKind, float]:
    if share >= _COLOR_SHARE:
        sure = min(1.0, 0.7 + 0.3 * (share / _COLOR_SHARE - 1) / 4)
        return ("color" if share >= _ALL_OVER else "partial"), 0.99 * sure
    if share >= _CLEAN_SHARE:
        return "unsure", 0.5
    if tint < _TINT and spread < _TWO_TINTS:
        return "grey", 0.99 - 0.3 * max(0.0, tint / _TINT - 0.5)
    if spread >= _TWO_TINTS:
        return "split", min(0.97, 0.6 + (spread - _TWO_TINTS) / 60)
    # No toning is that strong, or leaves so much of the picture off its curves, even after JPEG at quality 50;
    # colored light does both.
    if spread >= _ONE_TINT or tint > _STRONGEST_TINT or strays:
        return "unsure", 0.5
    return "toned", 0.97 - 0.3 * spread / _ONE_TINT


def _lab(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    small = shrunk(pixels, _SIDE)
    return np.asarray(cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2Lab), np.float32)


def _off_curve(
    lab: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]:
    """How far each pixel is from the curves; the curves' a* and b* by step of L*; and the steps' weights."""
    lightness, ab = lab[..., 0], lab[..., 1:]
    steps = np.clip((lightness / 100 * _STEPS).astype(np.int64), 0, _STEPS - 1)
    counts = np.bincount(steps.ravel(), minlength=_STEPS).astype(np.float64)
    filled = counts >= max(1.0, _LEAST_IN_STEP * lightness.size)
    curve = np.zeros((_STEPS, 2))
    for step in np.flatnonzero(filled):
        curve[step] = np.median(ab[steps == step], axis=0)
    middles = (np.arange(_STEPS) + 0.5) * 100 / _STEPS
    apart = ab - _on_curve(lightness, middles[filled], curve[filled])
    for near in _lightness_around(lightness):
        other = ab - _on_curve(near, middles[filled], curve[filled])
        closer = (other**2).sum(axis=2) < (apart**2).sum(axis=2)
        apart[closer] = other[closer]
    apart = cv2.GaussianBlur(apart, (0, 0), _BLUR)
    # In black and in white no hue is seen.
    seen = filled & (middles > _SEEN[0]) & (middles < _SEEN[1])
    return np.hypot(apart[..., 0], apart[..., 1]), curve, np.where(seen, counts, 0.0)


def _on_curve(
    lightness: NDArray[np.float32], middles: NDArray[np.float64], curve: NDArray[np.float64]
) -> NDArray[np.float32]:
    expected = [np.interp(lightness, middles, curve[:, channel]) for channel in (0, 1)]
    return np.stack(expected, axis=2).astype(np.float32)


def _lightness_around(lightness: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
    """What a pixel's color may belong to: JPEG keeps chroma at half the resolution of luma."""
    near = np.ones((3, 3), np.uint8)
    return (
        np.asarray(cv2.erode(lightness, near), np.float32),
        np.asarray(cv2.dilate(lightness, near), np.float32),
        np.asarray(cv2.GaussianBlur(lightness, (0, 0), _BLUR), np.float32),
    )


def _hue_spread(curve: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    if not weights.any():
        return 0.0
    hues = curve[:, 0] + 1j * curve[:, 1]
    # From the hue of most of the tint, so that no hue lies across the ends of the circle.
    heaviest = hues[int(np.argmax(weights * np.abs(hues)))]
    turned = np.degrees(np.angle(hues * np.conj(heaviest)))
    order = np.argsort(turned)
    below = np.cumsum(weights[order]) / weights.sum()
    low = turned[order][int(np.searchsorted(below, _TAIL))]
    high = turned[order][min(len(order) - 1, int(np.searchsorted(below, 1 - _TAIL)))]
    return float(high - low)


def draw_monochrome(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The evidence, HxWx3: the photo, beside a map in which only what has color of its own keeps it."""
    small = shrunk(pixels, _SIDE)
    off, curve, weights = _off_curve(_lab(pixels))
    grey = np.repeat(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    colored = np.where((off > _limit(_tint(curve, weights)))[..., None], small, grey // 2)
    return beside(small, np.asarray(colored, np.uint8))
