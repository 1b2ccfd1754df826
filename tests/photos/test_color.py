from __future__ import annotations

import tracemalloc

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from photos.color import (
    MAX_PROFILE_BYTES,
    adobe_rgb_profile,
    describe_profile,
    matrix_profile,
    stripe_to_srgb,
    to_srgb,
)

# Adobe RGB (1998) and IEC 61966-2-1: to XYZ with the white of D65, and back.
FROM_ADOBE = np.array([[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]])
TO_SRGB = np.array(
    [[3.24063, -1.53721, -0.49863], [-0.96893, 1.87576, 0.04152], [0.05571, -0.20402, 1.05700]]
)


def srgb_of_adobe(color) -> np.ndarray:
    light = TO_SRGB @ FROM_ADOBE @ ((np.array(color) / 255) ** (563 / 256))
    light = np.clip(light, 0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_adobe_rgb_becomes_srgb(color):
    pixels = np.full((300, 2, 3), color, np.uint8)
    to_srgb(pixels, adobe_rgb_profile())
    # Near black littlecms' 8-bit tables are coarser than elsewhere.
    assert np.abs(pixels - srgb_of_adobe(color)).max() <= 4


def test_our_adobe_rgb_is_recognized_as_adobe_rgb():
    profile = describe_profile(adobe_rgb_profile())
    assert profile is not None
    assert (profile.space, profile.model) == ("Adobe RGB", "RGB")


@given(st.binary(max_size=600))
def test_no_bytes_upset_the_reading_of_a_profile(data):
    assert describe_profile(data) is None


@given(st.integers(0, 400), st.binary(min_size=1, max_size=8))
def test_a_damaged_profile_upsets_nothing(at, noise):
    icc = bytearray(matrix_profile("x", ((0.64, 0.33), (0.3, 0.6), (0.15, 0.06)), 2.2))
    icc[at : at + len(noise)] = noise
    describe_profile(bytes(icc))
    pixels = np.full((2, 2, 3), 77, np.uint8)
    to_srgb(pixels, bytes(icc))


def test_a_profile_larger_than_any_real_one_counts_as_unreadable():
    icc = matrix_profile("x", ((0.64, 0.33), (0.3, 0.6), (0.15, 0.06)), 2.2)
    assert describe_profile(icc + bytes(MAX_PROFILE_BYTES - len(icc))) is not None
    assert describe_profile(icc + bytes(MAX_PROFILE_BYTES - len(icc) + 1)) is None


def test_nothing_of_a_profiles_size_is_kept():
    icc = matrix_profile("x", ((0.64, 0.33), (0.3, 0.6), (0.15, 0.06)), 2.2)
    tracemalloc.start()
    try:
        for number in range(8):
            describe_profile(icc + bytes([number]) * (1 << 20))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 1 << 20


def test_a_profile_of_another_color_model_is_left_out(srgb):
    grey = Image.new("L", (3, 3), 90)
    assert stripe_to_srgb(grey, srgb).getpixel((0, 0)) == (90, 90, 90)
    cmyk = Image.new("CMYK", (3, 3), (0, 0, 0, 255))
    assert stripe_to_srgb(cmyk, srgb).getpixel((0, 0)) == (0, 0, 0)
