"""Measured signals in words: which band of a scale a number lies in, and how it is rounded for a prompt.

The bands were set by looking at photographs of 0.1 to 24 megapixels beside their numbers; they order photos
by what was measured and claim nothing about what is in them. Sources of the measures are in `photos.signals`.
"""

from __future__ import annotations

import math
from numbers import Real
from typing import TYPE_CHECKING, Final, NamedTuple

from imageworks.errors import SignalsMissing

if TYPE_CHECKING:
    from collections.abc import Mapping

SIGNAL_NAMES: Final = (
    "luma_p1",
    "luma_p50",
    "luma_p99",
    "luma_mean",
    "clipped_shadows",
    "clipped_highlights",
    "contrast",
    "saturation",
    "colorfulness",
    "sharpness",
    "noise",
    "edge_density",
    "blockiness",
)

_DECIMALS: Final = {
    "luma_p1": 0,
    "luma_p50": 0,
    "luma_p99": 0,
    "luma_mean": 0,
    "clipped_shadows": 3,
    "clipped_highlights": 3,
    "contrast": 2,
    "saturation": 2,
    "colorfulness": 0,
    "noise": 1,
    "edge_density": 2,
    "blockiness": 2,
}


class Band(NamedTuple):
    """A stretch of a scale that ends below `below`, and its word."""

    below: float
    word: str


_END = math.inf

EXPOSURE = (
    Band(45, "very dark"),
    Band(85, "dark"),
    Band(165, "mid-toned"),
    Band(210, "bright"),
    Band(_END, "very bright"),
)
CONTRAST = (
    Band(0.08, "flat"),
    Band(0.15, "gentle"),
    Band(0.24, "moderate"),
    Band(0.32, "strong"),
    Band(_END, "harsh"),
)
CLIPPING = (Band(0.002, "hardly any"), Band(0.01, "slight"), Band(0.05, "visible"), Band(_END, "heavy"))
COLOR = (Band(3, "none"), Band(15, "muted"), Band(45, "natural"), Band(80, "vivid"), Band(_END, "very vivid"))
"""Of colorfulness, after the words in Hasler and Süsstrunk (2003), table 2, with fewer steps."""
SHARPNESS = (
    Band(6, "blurred"),
    Band(40, "soft"),
    Band(150, "fair"),
    Band(900, "sharp"),
    Band(_END, "very crisp"),
)
NOISE = (Band(1.5, "clean"), Band(3, "low"), Band(6, "noticeable"), Band(12, "high"), Band(_END, "very high"))
DETAIL = (
    Band(0.02, "sparse"),
    Band(0.1, "calm"),
    Band(0.36, "balanced"),
    Band(0.6, "busy"),
    Band(_END, "crowded"),
)
BLOCKINESS = (Band(1.1, "none"), Band(1.3, "slight"), Band(1.8, "visible"), Band(_END, "strong"))


def word_for(value: float, bands: tuple[Band, ...]) -> str:
    """The word of the band that a value lies in."""
    for band in bands:
        if value < band.below:
            return band.word
    return bands[-1].word


def is_monochrome(signals: Mapping[str, float]) -> bool:
    """Whether a photo measures as having no color at all, by colorfulness and saturation.

    Toned monochrome is not recognized: a tint measures as color.
    """
    return signals["colorfulness"] < 3 and signals["saturation"] < 0.04  # noqa: PLR2004 - grey JPEGs reach these


def rounded_signals(signals: Mapping[str, object]) -> dict[str, float]:
    """The known signals, rounded to what matters: a library's last digit must not ask everything again.

    Sharpness keeps two significant digits, because its scale is a ratio.

    Args:
        signals: At least every name in `SIGNAL_NAMES`, each a finite number; others are left out.

    Raises:
        SignalsMissing: A signal is not there or not a finite number; names which.
    """
    rounded: dict[str, float] = {}
    for name in SIGNAL_NAMES:
        value = signals.get(name)
        if isinstance(value, bool) or not isinstance(value, (float, Real)) or not math.isfinite(value):
            raise SignalsMissing(
                f"The signal {name!r} is {value!r}, not a finite number: measure this photo first."
            )
        if name == "sharpness":
            rounded[name] = _two_digits(float(value))
        else:
            # Adding zero turns -0.0 into 0.0: equal numbers must have equal digests.
            rounded[name] = round(float(value), _DECIMALS[name]) + 0.0
    return rounded


def _two_digits(value: float) -> float:
    if value == 0:
        return 0.0
    return round(value, 1 - math.floor(math.log10(abs(value)))) + 0.0
