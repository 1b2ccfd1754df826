"""Small pictures on which a finding is drawn, for people who decide about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

EVIDENCE_SIDE = 480
"""Pixels of the longer side, at most."""

MARK = 255, 0, 255
"""RGB of what is drawn: a color that photos hardly hold."""


def shrunk(pixels: NDArray[np.uint8], long_side: int = EVIDENCE_SIDE) -> NDArray[np.uint8]:
    """A copy of HxWx3 that is no longer than `long_side`; never enlarged."""
    height, width = pixels.shape[:2]
    scale = long_side / max(height, width)
    if scale >= 1:
        return pixels.copy()
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def beside(*pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures in one row, on grey, with a gap between them."""
    gap, height = 8, max(picture.shape[0] for picture in pictures)
    width = sum(picture.shape[1] for picture in pictures) + gap * (len(pictures) - 1)
    row = np.full((height, width, 3), 128, np.uint8)
    left = 0
    for picture in pictures:
        tall, wide = picture.shape[:2]
        top = (height - tall) // 2
        row[top : top + tall, left : left + wide] = picture
        left += wide + gap
    return row
