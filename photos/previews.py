"""The small JPEGs that models and reports look at."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2

if TYPE_CHECKING:
    from photos.decoding import Picture


@dataclass(frozen=True, slots=True)
class PreviewSpec:
    """What a preview is made like; part of every request that shows it.

    Attributes:
        long_side: Pixels of the longer side, at most.
        quality: JPEG quality, 1-100.
        full_chroma: Whether color is kept at full resolution; JPEG halves it otherwise.
    """

    long_side: int
    quality: int
    full_chroma: bool = False

    def __post_init__(self) -> None:
        if self.long_side < 1 or not 1 <= self.quality <= 100:  # noqa: PLR2004 - JPEG's scale
            raise ValueError(
                f"a preview of {self.long_side} px at quality {self.quality} cannot be made; "
                "the long side is at least 1, the quality 1-100"
            )


@dataclass(frozen=True, slots=True)
class Preview:
    """A preview.

    Attributes:
        jpeg: The file's bytes: baseline, RGB in sRGB, no metadata.
        digest: SHA-256 of them, in hexadecimal.
        width: Pixels a row.
        height: Rows.
    """

    jpeg: bytes
    digest: str
    width: int
    height: int


def preview(picture: Picture, spec: PreviewSpec) -> Preview:
    """Shrink a picture by the mean of the pixels that each new one covers; never enlarge it.

    Args:
        picture: Decoded and upright.
        spec: What it is made like.
    """
    height, width = picture.pixels.shape[:2]
    scale = spec.long_side / max(width, height)
    pixels = picture.pixels
    if scale < 1:
        width, height = max(1, round(width * scale)), max(1, round(height * scale))
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    options = [cv2.IMWRITE_JPEG_QUALITY, spec.quality]
    if spec.full_chroma:
        options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    made, encoded = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)
    if not made:
        raise ValueError(f"OpenCV cannot write a JPEG of {width} x {height} pixels; use a smaller long side")
    jpeg = encoded.tobytes()
    return Preview(jpeg=jpeg, digest=hashlib.sha256(jpeg).hexdigest(), width=width, height=height)
