from __future__ import annotations

import math

import pytest

from imageworks.errors import SignalsMissing
from imageworks.signal_bands import SIGNAL_NAMES, rounded_signals
from imageworks.signal_words import percent, plain, signal_words


def test_each_signal_has_a_line_with_a_word_and_a_rounded_number(signals):
    lines = signal_words(signals).splitlines()
    assert "Sharpness: sharp (640)" in lines
    assert "Contrast: moderate (0.23)" in lines
    assert "Exposure: mid-toned (mean luma 104 of 255, median 103)" in lines
    assert len(lines) == 10


def test_a_change_of_the_last_digit_changes_no_prompt(signals):
    nudged = {name: value * (1 + 1e-6) for name, value in signals.items()}
    assert signal_words(nudged) == signal_words(signals)
    assert rounded_signals(nudged) == rounded_signals(signals)


def test_a_picture_without_color_is_said_to_measure_as_monochrome(signals):
    assert "Color: none: measures as monochrome" in signal_words(
        {**signals, "colorfulness": 0.4, "saturation": 0}
    )


@pytest.mark.parametrize("name", SIGNAL_NAMES)
@pytest.mark.parametrize("value", [None, math.nan, math.inf, "5", True])
def test_a_signal_that_is_no_finite_number_is_refused_by_name(signals, name, value):
    with pytest.raises(SignalsMissing, match=name):
        rounded_signals({**signals, name: value})


def test_numbers_are_printed_with_the_digits_that_matter():
    assert [percent(share) for share in (0, 0.004, 0.099, 0.12, 1)] == [
        "0 %",
        "0.4 %",
        "9.9 %",
        "12 %",
        "100 %",
    ]
    assert [plain(number) for number in (1.0, 0.25, 1_200.0, 1_500_000.0)] == ["1", "0.25", "1200", "1500000"]


def test_negative_zero_is_zero(signals):
    assert str(rounded_signals({**signals, "noise": -0.0})["noise"]) == "0.0"
