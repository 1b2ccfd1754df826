from __future__ import annotations

import pytest

from imageworks import signal_bands as bands
from imageworks.signal_bands import is_monochrome, word_for
from photos.signals import Signals


def test_the_signals_are_those_that_photos_are_measured_for(signals):
    assert set(bands.SIGNAL_NAMES) == set(Signals.__dataclass_fields__)


@pytest.mark.parametrize(
    "scale",
    [
        bands.EXPOSURE,
        bands.CONTRAST,
        bands.CLIPPING,
        bands.COLOR,
        bands.SHARPNESS,
        bands.NOISE,
        bands.DETAIL,
        bands.BLOCKINESS,
    ],
)
def test_every_number_has_one_word(scale):
    edges = [band.below for band in scale]
    assert edges == sorted(set(edges))
    assert word_for(-1.0, scale) == scale[0].word
    assert word_for(1e12, scale) == scale[-1].word
    assert len({band.word for band in scale}) == len(scale)


def test_a_tint_is_color_and_grey_is_not(signals):
    assert is_monochrome({**signals, "colorfulness": 1.2, "saturation": 0.01})
    assert not is_monochrome({**signals, "colorfulness": 20.0, "saturation": 0.15})
