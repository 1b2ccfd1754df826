"""Folders of made-up photos for the benches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path


def make_folder(folder: Path, count: int, *, width: int, height: int, first: int = 0) -> Path:
    """A folder of ``count`` different JPEGs, named as entries of a competition, from number ``first``."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        # Each its own picture: a folder of near-duplicates would have every one compared with every other.
        generator = np.random.default_rng((11, number))
        coarse = generator.integers(0, 256, (height // 16, width // 16, 3), np.uint8)
        picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        path = folder / f"Entry {number:05d} by Member {number % 97:02d}.jpg"
        path.write_bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes())
    return folder
