from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageOps

from photos.turning import turn


def stored_as(upright, orientation):
    """The pixels that a camera stores under an orientation for a picture that is to be seen upright."""
    return {
        1: lambda: upright,
        2: lambda: upright[:, ::-1],
        3: lambda: upright[::-1, ::-1],
        4: lambda: upright[::-1],
        5: lambda: upright.transpose(1, 0, 2),
        6: lambda: np.rot90(upright, 1),
        7: lambda: upright[::-1, ::-1].transpose(1, 0, 2),
        8: lambda: np.rot90(upright, -1),
    }[orientation]().copy()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_orientation_is_undone(corners, orientation):
    assert np.array_equal(turn(stored_as(corners, orientation), orientation), corners)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pillow_agrees(corners, orientation):
    stored = stored_as(corners, orientation)
    picture = Image.fromarray(stored)
    picture.getexif()[0x0112] = orientation
    assert np.array_equal(turn(stored.copy(), orientation), np.asarray(ImageOps.exif_transpose(picture)))


@pytest.mark.parametrize("nonsense", [0, 9, -1])
def test_nonsense_leaves_pixels_alone(corners, nonsense):
    assert np.array_equal(turn(corners.copy(), nonsense), corners)
