"""How favorable each measured signal is, from 0 to 1, and the three marks made of them.

The curves are piecewise linear through points set by hand on photographs with known faults. They know nothing
of subject, moment or light: that is what makes them a baseline.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from imageworks import signal_bands as bands
from imageworks.errors import SignalsMissing
from imageworks.judge_vision.critiquing import half_up, weighted
from imageworks.signal_bands import is_monochrome, rounded_signals

_LAPLACIAN_NOISE_GAIN: Final = 20.0
"""The Laplacian kernel's squares sum to 20, so white noise of sigma s adds 20 s² to its variance."""

_LOWEST: Final = 5.0
_RANGE: Final = 14.0
"""Marks run from 5 to 19: club judges rarely give less, and no rule can find the photo that earns a 20."""

_LONGEST_USUAL_FORMAT: Final = 2.2

Curve = tuple[tuple[float, float], ...]

_SHARPNESS: Curve = ((0.3, 0.0), (0.8, 0.15), (1.3, 0.4), (1.9, 0.75), (2.5, 0.95), (2.9, 1.0))
_NOISE: Curve = ((1.0, 1.0), (3.0, 0.9), (6.0, 0.65), (12.0, 0.25), (25.0, 0.0))
_SHADOWS: Curve = ((0.0, 1.0), (0.02, 0.95), (0.08, 0.75), (0.25, 0.35), (0.6, 0.0))
_HIGHLIGHTS: Curve = ((0.0, 1.0), (0.005, 0.95), (0.03, 0.7), (0.1, 0.35), (0.3, 0.0))
_BLOCKS: Curve = ((1.05, 1.0), (1.2, 0.85), (1.6, 0.45), (2.5, 0.0))
_CONTRAST: Curve = ((0.03, 0.0), (0.08, 0.25), (0.14, 0.6), (0.2, 0.9), (0.25, 1.0), (0.32, 0.8), (0.45, 0.3))
_TONES: Curve = ((0.2, 0.0), (0.45, 0.35), (0.7, 0.75), (0.85, 1.0), (1.0, 1.0))
_COLOR: Curve = ((0.0, 0.35), (12.0, 0.4), (35.0, 0.75), (60.0, 1.0), (90.0, 0.9), (140.0, 0.45))
_EXPOSURE: Curve = (
    (15.0, 0.0),
    (50.0, 0.5),
    (85.0, 0.9),
    (115.0, 1.0),
    (150.0, 0.9),
    (200.0, 0.45),
    (245.0, 0.0),
)
_DETAIL: Curve = ((0.0, 0.1), (0.03, 0.45), (0.1, 0.8), (0.2, 1.0), (0.33, 0.9), (0.55, 0.5), (0.85, 0.1))
_FORMAT: Curve = ((1.0, 0.85), (1.25, 0.95), (1.5, 1.0), (1.8, 0.9), (2.2, 0.75), (4.0, 0.4))


def _at(value: float, curve: Curve) -> float:
    xs, ys = zip(*curve, strict=True)
    return float(np.interp(value, xs, ys))


@dataclass(frozen=True)
class Facets:
    """What was measured and how favorable each part of it is.

    Attributes:
        signals: Rounded, by name.
        width: Pixels; 0 when unknown.
        height: Pixels; 0 when unknown.
        monochrome: Whether no color was measured.
        quality: From 0 to 1 by facet: `sharpness`, `noise`, `clipping`, `blocks`, `contrast`, `tones`,
            `color` (absent for a monochrome), `exposure`, `detail`.
        noise_hides_sharpness: Whether noise explains most of what was measured as sharpness.
    """

    signals: Mapping[str, float]
    width: int
    height: int
    monochrome: bool
    quality: Mapping[str, float]
    noise_hides_sharpness: bool

    @property
    def format_word(self) -> str:
        """`landscape`, `portrait`, `square`, or `panoramic`; empty when the size is unknown."""
        if not self.width or not self.height:
            return ""
        ratio = self.width / self.height
        if ratio > _LONGEST_USUAL_FORMAT:
            return "panoramic"
        if abs(ratio - 1) < 0.03:  # noqa: PLR2004 - a few pixels off square still reads as square
            return "square"
        return "landscape" if ratio > 1 else "portrait"

    def impact(self) -> float:
        """0 to 1: contrast, range of tones and color; a monochrome is marked on the first two."""
        parts = {"contrast": 0.4, "tones": 0.25, "color": 0.25, "sharpness": 0.1}
        return self._blend(parts)

    def composition(self) -> float:
        """0 to 1, a stand-in: how much of the frame carries detail, its brightness, its format."""
        ratio = (
            max(self.width, self.height) / max(1, min(self.width, self.height)) if self.format_word else 1.5
        )
        rest = self._blend({"detail": 0.6, "exposure": 0.4})
        return 0.85 * rest + 0.15 * _at(ratio, _FORMAT)

    def technique(self) -> float:
        """0 to 1: a geometric mean, so that one bad fault is not made good by three virtues."""
        parts = {"sharpness": 0.4, "noise": 0.2, "clipping": 0.25, "blocks": 0.15}
        return math.exp(
            sum(weight * math.log(max(self.quality[name], 0.02)) for name, weight in parts.items())
        )

    def _blend(self, parts: Mapping[str, float]) -> float:
        present = {name: weight for name, weight in parts.items() if name in self.quality}
        return sum(weight * self.quality[name] for name, weight in present.items()) / sum(present.values())

    def exact_marks(self) -> tuple[float, float, float]:
        """Impact, composition, technique from 0 to 20, not yet rounded.

        A blurred or badly clipped photo loses in all three: nobody is moved by what cannot be seen.
        """
        technique = self.technique()
        damped = 0.45 + 0.55 * min(1.0, technique / 0.7)
        parts = (self.impact() * damped, self.composition() * damped, technique)
        impact, composition, technical = (_LOWEST + _RANGE * part for part in parts)
        return impact, composition, technical

    def marks(self) -> tuple[int, int, int, int]:
        """Impact, composition, technique and score, whole marks from 0 to 20."""
        impact, composition, technique = (half_up(mark) for mark in self.exact_marks())
        return impact, composition, technique, half_up(weighted(impact, composition, technique))

    def exact_score(self) -> float:
        """The weighted score before rounding; compares photos."""
        return weighted(*self.exact_marks())


def facets(variables: Mapping[str, object], *, suffix: str = "") -> Facets:
    """The facets of the photo that an embedded request describes.

    Args:
        variables: `signals`, `width` and `height`; each with `suffix` where one request holds two photos.
        suffix: `_a` or `_b`, or nothing.

    Raises:
        SignalsMissing: The photo was not measured.
    """
    given = variables.get(f"signals{suffix}")
    if not isinstance(given, Mapping):
        raise SignalsMissing(
            f"A baseline judges by measured signals, and {'signals' + suffix!r} is not among the variables."
        )
    value = rounded_signals(given)
    monochrome = is_monochrome(value)
    net_sharpness = max(1.0, value["sharpness"] - _LAPLACIAN_NOISE_GAIN * value["noise"] ** 2)
    quality = {
        "sharpness": _at(math.log10(net_sharpness), _SHARPNESS),
        "noise": _at(value["noise"], _NOISE),
        "clipping": min(
            _at(value["clipped_shadows"], _SHADOWS), _at(value["clipped_highlights"], _HIGHLIGHTS)
        ),
        "blocks": _at(value["blockiness"], _BLOCKS),
        "contrast": _at(value["contrast"], _CONTRAST),
        "tones": _at((value["luma_p99"] - value["luma_p1"]) / 255, _TONES),
        "exposure": _at(value["luma_mean"], _EXPOSURE),
        "detail": _at(value["edge_density"], _DETAIL),
    }
    hidden = value["noise"] > bands.NOISE[2].below and net_sharpness < value["sharpness"] / 2
    if hidden:
        # What is left of so large a number after the noise is an error of subtraction.
        quality["sharpness"] = min(1.0, quality["noise"] + 0.05)
    if not monochrome:
        quality["color"] = _at(value["colorfulness"], _COLOR)
    return Facets(
        signals=value,
        width=_side(variables, f"width{suffix}"),
        height=_side(variables, f"height{suffix}"),
        monochrome=monochrome,
        quality=quality,
        noise_hides_sharpness=hidden,
    )


def _side(variables: Mapping[str, object], name: str) -> int:
    value = variables.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
