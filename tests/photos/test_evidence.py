from __future__ import annotations

import cv2
import numpy as np
import pytest
from public_photos import public_photo

from photos.evidence import shrunk

SIZES = [((4000, 6000), (256, 384)), ((5999, 3001), (384, 192)), ((1, 9000), (1, 384))]


@pytest.mark.parametrize(("shape", "size"), SIZES)
def test_a_large_picture_is_shrunk_to_its_averages_but_for_less_than_a_pixel(shape, size):
    photo = cv2.resize(public_photo("astronaut"), shape[::-1], interpolation=cv2.INTER_CUBIC)
    small = shrunk(photo, 384)
    assert small.shape == (*size, 3)
    averages = cv2.resize(photo, size[::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - averages).mean() < 2.5


def test_a_small_picture_is_copied_and_never_enlarged():
    photo = public_photo("chelsea")
    small = shrunk(photo, 4000)
    assert np.array_equal(small, photo)
    assert not np.shares_memory(small, photo)
