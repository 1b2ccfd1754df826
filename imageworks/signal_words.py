"""What was measured about a photo, as lines that a judging model or a person can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageworks import signal_bands as bands
from imageworks.signal_bands import rounded_signals, word_for

if TYPE_CHECKING:
    from collections.abc import Mapping


def percent(share: float) -> str:
    """A share of one as a percentage with the digits that matter: `0 %`, `0.4 %`, `12 %`."""
    hundredths = share * 100
    if hundredths == 0:
        return "0 %"
    return f"{round(hundredths, 1):g} %" if hundredths < 10 else f"{hundredths:.0f} %"  # noqa: PLR2004 - two digits


def plain(value: float) -> str:
    """A rounded number without a trailing `.0`."""
    return f"{value:g}" if abs(value) < 1e6 else f"{value:.0f}"  # noqa: PLR2004 - where %g turns to exponents


def signal_words(signals: Mapping[str, object]) -> str:
    """One line a signal: its name, its band in words, and the rounded number.

    Args:
        signals: As `photos.signals.Signals.as_dict()` gives them.

    Raises:
        SignalsMissing: A signal is not there or not a finite number.
    """
    value = rounded_signals(signals)

    def word(name: str, scale: tuple[bands.Band, ...]) -> str:
        return word_for(value[name], scale)

    def number(name: str) -> str:
        return plain(value[name])

    def share(name: str) -> str:
        return percent(value[name])

    if bands.is_monochrome(value):
        color = "none: measures as monochrome"
    else:
        color = (
            f"{word('colorfulness', bands.COLOR)} (colorfulness {number('colorfulness')}, "
            f"mean saturation {number('saturation')})"
        )
    rows = {
        "Exposure": (
            f"{word('luma_mean', bands.EXPOSURE)} "
            f"(mean luma {number('luma_mean')} of 255, median {number('luma_p50')})"
        ),
        "Tonal range": f"{number('luma_p1')} to {number('luma_p99')} of 255 (1st to 99th percentile)",
        "Clipped shadows": f"{word('clipped_shadows', bands.CLIPPING)} ({share('clipped_shadows')})",
        "Clipped highlights": f"{word('clipped_highlights', bands.CLIPPING)} ({share('clipped_highlights')})",
        "Contrast": f"{word('contrast', bands.CONTRAST)} ({number('contrast')})",
        "Color": color,
        "Sharpness": f"{word('sharpness', bands.SHARPNESS)} ({number('sharpness')})",
        "Noise or fine texture": f"{word('noise', bands.NOISE)} ({number('noise')} levels)",
        "Detail": f"{word('edge_density', bands.DETAIL)} ({share('edge_density')} of the frame is edges)",
        "JPEG blocks": f"{word('blockiness', bands.BLOCKINESS)} ({number('blockiness')})",
    }
    return "\n".join(f"{name}: {words}" for name, words in rows.items())
