"""A photo's measured signals as a report draws them: each on a scale, with its word."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imageworks import signal_bands as bands
from imageworks.signal_bands import rounded_signals, word_for
from imageworks.signal_words import percent, plain

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Meter:
    """A measured signal on a scale; positions in percent of its width."""

    name: str
    word: str
    value: str
    at: float
    start: float | None = None


def _clamped(share: float) -> float:
    return round(100 * min(1.0, max(0.0, share)), 1)


def meters_of(signals: Mapping[str, object]) -> tuple[Meter, ...]:
    """The signals that say most, in the order of a report.

    Raises:
        SignalsMissing: The photo was not measured.
    """
    value = rounded_signals(signals)
    clipped = max(value["clipped_shadows"], value["clipped_highlights"])
    mono = bands.is_monochrome(value)
    return (
        Meter(
            "Tones",
            word_for(value["luma_mean"], bands.EXPOSURE),
            f"{plain(value['luma_p1'])} to {plain(value['luma_p99'])} of 255, median {plain(value['luma_p50'])}",
            _clamped(value["luma_p99"] / 255),
            _clamped(value["luma_p1"] / 255),
        ),
        Meter(
            "Contrast",
            word_for(value["contrast"], bands.CONTRAST),
            plain(value["contrast"]),
            _clamped(value["contrast"] / 0.45),
        ),
        Meter(
            "Color",
            "monochrome" if mono else word_for(value["colorfulness"], bands.COLOR),
            f"colorfulness {plain(value['colorfulness'])}",
            _clamped(value["colorfulness"] / 120),
        ),
        Meter(
            "Sharpness",
            word_for(value["sharpness"], bands.SHARPNESS),
            plain(value["sharpness"]),
            _clamped(math.log10(max(1.0, value["sharpness"])) / 3.7),
        ),
        Meter(
            "Noise",
            word_for(value["noise"], bands.NOISE),
            f"{plain(value['noise'])} levels",
            _clamped(value["noise"] / 20),
        ),
        Meter("Clipping", word_for(clipped, bands.CLIPPING), percent(clipped), _clamped(math.sqrt(clipped))),
    )
