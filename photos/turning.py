"""Bringing stored pixels upright, by EXIF's orientation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDES_SWAPPED = frozenset({5, 6, 7, 8})
"""The orientations that make rows of columns."""

_FLIPS = {2: 1, 3: -1, 4: 0}
_ROTATIONS = {6: cv2.ROTATE_90_CLOCKWISE, 7: cv2.ROTATE_90_CLOCKWISE, 8: cv2.ROTATE_90_COUNTERCLOCKWISE}
_TRANSPOSED, _TRANSVERSED = 5, 7


def turn(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Bring pixels upright.

    Source: EXIF 2.32, tag 274: 1 as it is, 2 mirrored, 3 upside down, 4 mirrored upside down, 5 transposed,
    6 to be turned clockwise, 7 transversed, 8 to be turned counterclockwise.

    Args:
        pixels: HxWx3; may be changed in place.
        orientation: 1-8; anything else leaves them as they are.
    """
    if orientation in _FLIPS:
        cv2.flip(pixels, _FLIPS[orientation], dst=pixels)
        return pixels
    if orientation == _TRANSPOSED:
        return np.asarray(cv2.transpose(pixels), np.uint8)
    if orientation in _ROTATIONS:
        turned = cv2.rotate(pixels, _ROTATIONS[orientation])
        if orientation == _TRANSVERSED:
            cv2.flip(turned, 0, dst=turned)
        return np.asarray(turned, np.uint8)
    return pixels
