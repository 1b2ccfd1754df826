"""From any kind of pixels (grey, palette, CMYK, Lab, 16-bit, see-through) to 8-bit RGB in sRGB, in stripes.

Stripes, so that next to the decoder's picture and the result nothing of their size is in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from photos.color import stripe_to_srgb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_STRIPE_ROWS = 256
_SIXTEEN_BITS = frozenset({"I;16", "I;16L", "I;16B", "I;16N"})
_TRANSPARENT = frozenset({"RGBA", "LA", "PA", "RGBa", "La"})
_GREY = frozenset({"1", "L", "LA", "La"})
_OPAQUE = 255


def flatten(picture: Image.Image, icc: bytes | None, *, inverted: bool = False) -> NDArray[np.uint8]:
    """Convert a loaded Pillow picture.

    Args:
        picture: In any mode but those of 32-bit samples. 16-bit samples keep their upper 8 bits.
        icc: The profile to convert from; None takes RGB and grey for sRGB.
        inverted: 16-bit samples count from white, which Pillow leaves to its callers.

    Returns:
        HxWx3; see-through pixels are laid on white.

    Raises:
        ValueError: The mode has 32-bit samples, whose white is unknown.
    """
    if picture.mode in ("I", "F"):
        raise ValueError("32-bit samples do not say what is white")
    pixels = np.empty((picture.height, picture.width, 3), np.uint8)
    transparent = picture.mode in _TRANSPARENT or "transparency" in picture.info
    for top, bottom in _stripes(picture.height):
        stripe = picture.crop((0, top, picture.width, bottom))
        if stripe.mode in _SIXTEEN_BITS:
            upper = (np.asarray(stripe) >> 8).astype(np.uint8)
            stripe = Image.fromarray(_OPAQUE - upper if inverted else upper)
        elif transparent:
            # Grey stays grey: a grey profile does not fit three channels.
            plain, seen_through = ("L", "LA") if stripe.mode in _GREY else ("RGB", "RGBA")
            stripe = stripe.convert(seen_through)
            color = np.asarray(stripe_to_srgb(stripe.convert(plain), icc))
            pixels[top:bottom] = _on_white(color, np.asarray(stripe.getchannel("A")))
            continue
        elif stripe.mode in ("1", "P"):
            stripe = stripe.convert("L" if stripe.mode == "1" else "RGB")
        pixels[top:bottom] = np.asarray(stripe_to_srgb(stripe, icc))
    return pixels


def flatten_bgra(stored: NDArray[np.uint8], icc: bytes | None) -> NDArray[np.uint8]:
    """Convert OpenCV's HxWx4 pixels (blue, green, red, alpha), laid on white."""
    pixels = np.empty((*stored.shape[:2], 3), np.uint8)
    for top, bottom in _stripes(stored.shape[0]):
        stripe = stored[top:bottom]
        color = stripe_to_srgb(Image.fromarray(np.ascontiguousarray(stripe[..., 2::-1])), icc)
        pixels[top:bottom] = _on_white(np.asarray(color), stripe[..., 3])
    return pixels


def flatten_grey(stored: NDArray[np.uint8], icc: bytes) -> NDArray[np.uint8]:
    """Convert HxW grey pixels by their profile."""
    pixels = np.empty((*stored.shape, 3), np.uint8)
    for top, bottom in _stripes(stored.shape[0]):
        pixels[top:bottom] = np.asarray(stripe_to_srgb(Image.fromarray(stored[top:bottom]), icc))
    return pixels


def _stripes(height: int) -> Iterator[tuple[int, int]]:
    for top in range(0, height, _STRIPE_ROWS):
        yield top, min(top + _STRIPE_ROWS, height)


def _on_white(color: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Color * alpha + white * (1 - alpha), rounded."""
    share = alpha[..., None].astype(np.uint16)
    mixed = color * share + _OPAQUE * (_OPAQUE - share) + _OPAQUE // 2
    return (mixed // _OPAQUE).astype(np.uint8)
