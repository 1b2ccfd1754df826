"""From encoded bytes to what the networks look at: upright, RGB in sRGB, within limits of bytes and pixels."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from PIL import Image

from backends.iqa.errors import PictureRefused
from photos.decoding import decode
from photos.errors import PictureError
from photos.memory import MAX_PIXELS
from store.path_text import path_text

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from backends.iqa.metrics import Network

NIMA_SIDE: Final = 224
"""Pixels of both sides of NIMA's square."""

MUSIQ_LONG_SIDE: Final = 1024
"""Pixels of the longer side that MUSIQ sees, at most.

It looks at every 32-pixel patch at the picture's own size, and each patch at each other: 24 megapixels would be 23,500.
KonIQ-10k, one of the sets that it learned from, has photos of 1,024 x 768, which are 768 patches.
"""

_BEST_QUALITY: Final = 100


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A picture as the networks take it.

    Attributes:
        square: 224x224x3, uint8, RGB, for NIMA; None where nobody asked for it.
        jpeg: Encoded, RGB, its longer side capped, for MUSIQ; None where nobody asked for it.
    """

    square: NDArray[np.uint8] | None
    jpeg: bytes | None


def prepare(data: bytes, networks: Collection[Network], *, max_pixels: int = MAX_PIXELS) -> Prepared:
    """Decode a picture and make of it what the networks look at.

    Args:
        data: The encoded picture, in any format that `photos` decodes.
        networks: Those that will look.
        max_pixels: Refuse, from its header, what has more.

    Raises:
        PictureRefused: It cannot be decoded, or not within the limits.
    """
    pixels = _upright(data, max_pixels)
    return Prepared(
        square=nima_square(pixels) if "nima" in networks else None,
        jpeg=musiq_jpeg(pixels) if "musiq" in networks else None,
    )


def nima_square(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Squash a picture into NIMA's square by the nearest pixel, as Keras' ``load_img`` does and as it was trained.

    Args:
        pixels: HxWx3, RGB, upright.
    """
    squashed = Image.fromarray(pixels).resize((NIMA_SIDE, NIMA_SIDE), Image.Resampling.NEAREST)
    return np.asarray(squashed)


def musiq_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """Encode a picture for MUSIQ, its longer side `MUSIQ_LONG_SIDE` at most, with as little loss as JPEG has.

    Args:
        pixels: HxWx3, RGB, upright.
    """
    height, width = pixels.shape[:2]
    scale = MUSIQ_LONG_SIDE / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    options = [
        *(cv2.IMWRITE_JPEG_QUALITY, _BEST_QUALITY),
        *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
    ]
    made, encoded = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)
    assert made  # noqa: S101 - an 8-bit array of three channels always encodes
    return encoded.tobytes()


def _upright(data: bytes, max_pixels: int) -> NDArray[np.uint8]:
    # `photos` reads files: its walkers seek in what may be too large to hold.
    with tempfile.NamedTemporaryFile(prefix="imageworks-iqa-") as file:
        file.write(data)
        file.flush()
        try:
            return decode(Path(file.name), max_pixels=max_pixels, max_file_bytes=max(1, len(data))).pixels
        except PictureError as error:
            what = str(error).removeprefix(f"{path_text(error.path)}: ")
            raise PictureRefused(f"The picture {what}.", error_class=error.error_class) from error
