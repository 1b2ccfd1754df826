"""Folders of made-up photos for the benches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path


def make_folder(folder: Path, count: int, *, width: int, height: int) -> Path:
    """A folder of ``count`` different JPEGs, named as entries of a competition."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(11)
    coarse = generator.integers(0, 256, (height // 16, width // 16, 3), np.uint8)
    base = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    for number in range(count):
        picture = np.roll(base, number * 7, axis=1)
        # Each its own picture, not one under many names.
        cv2.putText(picture, str(number), (8, height // 2), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (255, 255, 255), 3)
        path = folder / f"Entry {number:05d} by Member {number % 97:02d}.jpg"
        path.write_bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes())
    return folder
