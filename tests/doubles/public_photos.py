"""Public-domain photos from scikit-image's package data, and pieces of them that serve as photos of their own.

Detectors are tuned on `TUNING` and tested on `HELD_OUT`: no source is in both.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
import skimage.data

if TYPE_CHECKING:
    from numpy.typing import NDArray

TUNING = ("astronaut", "brick", "chelsea", "gravel", "hubble_deep_field")
HELD_OUT = ("camera", "clock", "coffee", "grass", "retina", "rocket")
TUNING_IN_COLOR = ("astronaut", "chelsea", "hubble_deep_field")
HELD_OUT_IN_COLOR = ("coffee", "retina", "rocket")


@lru_cache(maxsize=16)
def public_photo(name: str) -> NDArray[np.uint8]:
    """The whole photo, HxWx3, RGB; not to be written into."""
    pixels = np.asarray(getattr(skimage.data, name)())
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    whole = np.ascontiguousarray(pixels[..., :3])
    whole.setflags(write=False)
    return whole


def piece(
    name: str, generator: np.random.Generator, *, long_side: int, least: float = 0.6, most: float = 1
) -> NDArray[np.uint8]:
    """A random cut of a photo, from `least` to `most` of either side, enlarged or reduced."""
    whole = public_photo(name)
    height, width = whole.shape[:2]
    tall = int(height * generator.uniform(least, most))
    wide = int(width * generator.uniform(least, most))
    top, left = generator.integers(0, height - tall + 1), generator.integers(0, width - wide + 1)
    cut = whole[top : top + tall, left : left + wide]
    scale = long_side / max(tall, wide)
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(
        cv2.resize(cut, (round(wide * scale), round(tall * scale)), interpolation=way), np.uint8
    )


def as_jpeg(pixels: NDArray[np.uint8], quality: int) -> bytes:
    """The picture as a JPEG file."""
    made = cv2.imencode(".jpg", np.ascontiguousarray(pixels[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return made[1].tobytes()


def through_jpeg(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """What is left of a picture when it was saved as a JPEG."""
    back = cv2.imdecode(np.frombuffer(as_jpeg(pixels, quality), np.uint8), cv2.IMREAD_COLOR)
    return np.ascontiguousarray(back[..., ::-1])


def with_grain(pixels: NDArray[np.uint8], generator: np.random.Generator, sigma: float) -> NDArray[np.uint8]:
    """White noise in luma, as a sensor adds."""
    grain = generator.normal(0, sigma, (*pixels.shape[:2], 1))
    return np.clip(np.round(pixels + grain), 0, 255).astype(np.uint8)


@dataclass
class Tally:
    """How often a detector was right."""

    hits: int = 0
    false_alarms: int = 0
    misses: int = 0

    def count(self, *, truth: bool, found: bool) -> None:
        self.hits += truth and found
        self.false_alarms += found and not truth
        self.misses += truth and not found

    @property
    def precision(self) -> float:
        return self.hits / max(1, self.hits + self.false_alarms)

    @property
    def recall(self) -> float:
        return self.hits / max(1, self.hits + self.misses)

    @property
    def f1(self) -> float:
        return 2 * self.hits / max(1, 2 * self.hits + self.false_alarms + self.misses)
