"""Small pictures on which a finding is drawn, for people who decide about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

EVIDENCE_SIDE = 480
"""Pixels of the longer side, at most."""

MOST_PIXELS = EVIDENCE_SIDE * EVIDENCE_SIDE * 3
"""Of a picture of the evidence as it is kept."""

_QUALITY = 74

MARK = 255, 0, 255
"""RGB of what is drawn: a color that photos hardly hold."""


def shrunk(pixels: NDArray[np.uint8], long_side: int = EVIDENCE_SIDE) -> NDArray[np.uint8]:
    """A copy of HxWx3 that is no longer than `long_side`; never enlarged."""
    height, width = pixels.shape[:2]
    scale = long_side / max(height, width)
    if scale >= 1:
        return pixels.copy()
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(
        cv2.resize(_by_a_whole_factor(pixels, size), size, interpolation=cv2.INTER_AREA), np.uint8
    )


def _by_a_whole_factor(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """At least twice the size that is wanted: OpenCV averages whole blocks four times as fast as parts of them.

    What does not fill a block at the right and at the bottom is left out: less than a pixel of the result.
    """
    height, width = pixels.shape[:2]
    factor = min(width // (2 * size[0]), height // (2 * size[1]))
    if factor <= 1:
        return pixels
    blocks = width // factor, height // factor
    whole = pixels[: blocks[1] * factor, : blocks[0] * factor]
    return np.asarray(cv2.resize(whole, blocks, interpolation=cv2.INTER_AREA), np.uint8)


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


def encoded(picture: NDArray[np.uint8]) -> bytes:
    """A drawn picture, HxWx3, RGB, as a small WebP file; one of more than `MOST_PIXELS` is reduced."""
    height, width = picture.shape[:2]
    if height * width > MOST_PIXELS:
        picture = shrunk(picture, int(max(height, width) * (MOST_PIXELS / (height * width)) ** 0.5))
    written, data = cv2.imencode(
        ".webp", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_WEBP_QUALITY, _QUALITY]
    )
    assert written  # noqa: S101 - an 8-bit array of three channels always encodes
    return data.tobytes()
