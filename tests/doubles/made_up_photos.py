"""Made-up photos for tests of several floors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path


def write_photo(path: Path, *, seed: int, width: int = 320, height: int = 240, quality: int = 90) -> Path:
    """A made-up photo of colored blobs; the seed decides the picture, its contrast and its brightness."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (height // 16, width // 16, 3), np.uint8)
    blobs = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    contrast, brightness = 0.2 + 0.8 * generator.random(), 40 + 170 * generator.random()
    pixels = np.clip((blobs - 128) * contrast + brightness, 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    encoded = cv2.imencode(path.suffix, pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    path.write_bytes(encoded.tobytes())
    return path
