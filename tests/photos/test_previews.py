from __future__ import annotations

import hashlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photos.decoding import decode
from photos.previews import PreviewSpec, preview


@pytest.fixture
def picture(save, scene):
    return decode(save("a.png", scene))


def test_the_long_side_is_what_was_asked_for(picture):
    made = preview(picture, PreviewSpec(long_side=160, quality=88))
    assert (made.width, made.height) == (160, 120)
    assert cv2.imdecode(np.frombuffer(made.jpeg, np.uint8), cv2.IMREAD_COLOR).shape == (120, 160, 3)


def test_a_small_picture_is_not_enlarged(picture):
    made = preview(picture, PreviewSpec(long_side=4096, quality=88))
    assert (made.width, made.height) == (320, 240)


def test_the_digest_is_of_the_bytes_and_the_same_each_time(picture):
    one, other = (preview(picture, PreviewSpec(160, 88)) for _ in range(2))
    assert one == other
    assert one.digest == hashlib.sha256(one.jpeg).hexdigest()


def test_size_and_quality_are_part_of_the_digest(picture):
    specs = [PreviewSpec(160, 88), PreviewSpec(160, 87), PreviewSpec(161, 88)]
    assert len({preview(picture, spec).digest for spec in specs}) == 3


def test_colors_are_kept(picture):
    made = preview(picture, PreviewSpec(320, 100))
    shown = cv2.imdecode(np.frombuffer(made.jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.abs(shown.astype(int) - picture.pixels).mean() < 3


def test_full_chroma_keeps_colors_that_change_from_pixel_to_pixel(save):
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, ::2, 0], pixels[:, 1::2, 2] = 255, 255
    picture = decode(save("a.png", pixels))

    def loss(full_chroma):
        made = preview(picture, PreviewSpec(64, 97, full_chroma))
        shown = cv2.imdecode(np.frombuffer(made.jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
        return np.abs(shown.astype(int) - pixels).mean()

    assert loss(full_chroma=True) < 4 < loss(full_chroma=False)


def test_a_preview_carries_no_metadata(save, scene, exif, srgb):
    path = save("a.jpg", scene, exif=exif(6, taken="2024:05:01 12:30:05"), icc_profile=srgb)
    made = preview(decode(path), PreviewSpec(160, 88))
    assert b"Exif" not in made.jpeg
    assert b"ICC_PROFILE" not in made.jpeg
    assert (made.width, made.height) == (120, 160)


def test_fine_patterns_are_averaged_and_not_picked(save):
    pixels = np.zeros((512, 512, 3), np.uint8)
    pixels[:, ::2] = 255
    made = preview(decode(save("a.png", pixels)), PreviewSpec(128, 95))
    shown = cv2.imdecode(np.frombuffer(made.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(shown.astype(int) - 128).max() <= 2


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 300))
def test_any_shape_fits_and_keeps_its_proportions(width, height, long_side):
    picture = type("Made", (), {"pixels": np.full((height, width, 3), 99, np.uint8)})()
    made = preview(picture, PreviewSpec(long_side, 80))
    assert max(made.width, made.height) == min(long_side, max(width, height))
    scale = max(made.width, made.height) / max(width, height)
    assert abs(made.width - max(1, width * scale)) <= 1
    assert abs(made.height - max(1, height * scale)) <= 1


@pytest.mark.parametrize(("long_side", "quality"), [(0, 88), (-1, 88), (100, 0), (100, 101)])
def test_an_impossible_specification_is_refused(long_side, quality):
    with pytest.raises(ValueError, match="cannot be made"):
        PreviewSpec(long_side, quality)
