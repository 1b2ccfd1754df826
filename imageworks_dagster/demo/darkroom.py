"""What a photographer does to a picture, good and bad: crops, tones, enlargements, and the demo's faults.

Pictures are float32 arrays of rows, columns and RGB, from 0 to 1, in sRGB's own curve. Everything random has
its seed.
"""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image, ImageCms

from imageworks_dagster.demo.profiles import SRGB, RgbSpace, icc_profile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Picture = NDArray[np.float32]

_SOURCES = Path(__file__).parent / "sources"
_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
_TILE = 512


@cache
def _source(name: str) -> Picture:
    pixels = cv2.imread(str(_SOURCES / f"{name}.jpg"), cv2.IMREAD_COLOR_RGB)
    if pixels is None:
        raise FileNotFoundError(f"{_SOURCES / name}.jpg is missing: reinstall, or run demo.collect_sources")
    picture: Picture = pixels.astype(np.float32) / 255
    picture.flags.writeable = False
    return picture


def source(name: str, *, left: float = 0, top: float = 0, right: float = 1, bottom: float = 1) -> Picture:
    """One of the committed pictures, or a part of it; edges as shares of its width and height."""
    whole = _source(name)
    height, width = whole.shape[:2]
    return whole[round(top * height) : round(bottom * height), round(left * width) : round(right * width)]


def enlarge(picture: Picture, width: int, height: int, *, crisp: float = 0.9, seed: int = 1) -> Picture:
    """Fill a frame: centered crop to its shape, Lanczos, then the crispness and grain that enlarging loses."""
    rows, columns = picture.shape[:2]
    scale = max(width / columns, height / rows)
    keep_rows, keep_columns = min(rows, round(height / scale)), min(columns, round(width / scale))
    top, left = (rows - keep_rows) // 2, (columns - keep_columns) // 2
    part = picture[top : top + keep_rows, left : left + keep_columns]
    large = cv2.resize(part, (width, height), interpolation=cv2.INTER_LANCZOS4)
    radius = max(1.0, scale)
    # Cut at twice its deviation: what OpenCV takes for floats is twice as wide and looks the same here.
    soft = cv2.GaussianBlur(large, (2 * round(2 * radius) + 1,) * 2, radius)
    filled: Picture = cv2.addWeighted(large, 1 + crisp, soft, -crisp, 0, dst=soft)
    filled += _grain(height, width, seed) * np.float32(0.012)
    return _within(filled)


def tone(
    picture: Picture,
    *,
    exposure: float = 0,
    contrast: float = 0,
    warmth: float = 0,
    saturation: float = 1,
    vignette: float = 0,
) -> Picture:
    """Develop a picture.

    Args:
        picture: what it is.
        exposure: stops, applied to the coded values with a soft shoulder.
        contrast: 0 none, 1 a full S-curve.
        warmth: share by which red rises and blue falls.
        saturation: factor on the distance from gray.
        vignette: share of light that the corners lose.
    """
    result: Picture = picture * np.float32(2 ** (exposure / 2.2))
    _within(result)
    if contrast:
        curve = np.float32(3) - 2 * result
        curve *= result
        curve -= 1
        curve *= result
        curve *= np.float32(contrast)
        result += curve
    if saturation != 1:
        gray = (result @ _LUMA)[..., None]
        result -= gray
        result *= np.float32(saturation)
        result += gray
    if warmth:
        result *= np.array([1 + warmth, 1, 1 - warmth], np.float32)
    if vignette:
        rows, columns = result.shape[:2]
        y = np.linspace(-1, 1, rows, dtype=np.float32)[:, None, None]
        x = np.linspace(-1, 1, columns, dtype=np.float32)[None, :, None]
        far = (x * x + y * y) / 2
        result *= 1 - np.float32(vignette) * far * np.sqrt(far)
    return _within(result)


def mono(picture: Picture, *, contrast: float = 0.5, tint: tuple[float, float, float] = (1, 1, 1)) -> Picture:
    """One tone: gray, with one tint all over."""
    gray = np.clip(picture @ np.array([0.34, 0.5, 0.16], np.float32), 0, 1)
    curve = gray * gray * (3 - 2 * gray)
    gray = gray + np.float32(contrast) * (curve - gray)
    toned: Picture = np.clip(gray[..., None] * np.array(tint, np.float32), 0, 1)
    return toned


def blurred(picture: Picture, radius: float) -> Picture:
    """Out of focus, by a Gaussian of so many pixels."""
    soft: Picture = cv2.GaussianBlur(picture, (0, 0), radius)
    return soft


def noisy(picture: Picture, amount: float, seed: int) -> Picture:
    """As from a sensor pushed too far: noise in each channel, more of it in the blue."""
    rows, columns = picture.shape[:2]
    noise = np.stack([_grain(rows, columns, seed + channel)[..., 0] for channel in range(3)], axis=-1)
    return np.clip(picture + noise * np.float32(amount) * np.array([1, 0.85, 1.3], np.float32), 0, 1)


def clipped(picture: Picture, *, stops: float) -> Picture:
    """Overexposed without mercy."""
    burnt: Picture = np.clip(picture * np.float32(2**stops) - np.float32(0.06), 0, 1)
    return burnt


def jpeg(
    picture: Picture,
    *,
    space: RgbSpace | None = SRGB,
    quality: int = 88,
    xmp: bytes = b"",
    exif: Image.Exif | None = None,
) -> bytes:
    """A JPEG in a color space whose profile it carries; None embeds none."""
    return _encoded(
        picture, space, "JPEG", quality=quality, subsampling=0, xmp=xmp, exif=exif or Image.Exif()
    )


def png(picture: Picture) -> bytes:
    """A PNG in sRGB."""
    return _encoded(picture, SRGB, "PNG", compress_level=3)


def _encoded(picture: Picture, space: RgbSpace | None, kind: str, **options: object) -> bytes:
    image = Image.fromarray((picture * 255 + np.float32(0.5)).astype(np.uint8))
    if space is not None and space is not SRGB:
        _to(space).apply_in_place(image)
    if space is not None:
        options["icc_profile"] = icc_profile(space)
    held = io.BytesIO()
    image.save(held, kind, **options)
    return held.getvalue()


@cache
def _to(space: RgbSpace) -> ImageCms.ImageCmsTransform:
    profiles = [ImageCms.ImageCmsProfile(io.BytesIO(icc_profile(each))) for each in (SRGB, space)]
    return ImageCms.ImageCmsTransform(
        profiles[0], profiles[1], "RGB", "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC
    )


def _within(picture: Picture) -> Picture:
    """Cut off what no screen shows, in place."""
    np.clip(picture, 0, 1, out=picture)
    return picture


@cache
def _tile(seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((_TILE, _TILE), np.float32)


def _grain(rows: int, columns: int, seed: int) -> NDArray[np.float32]:
    """Gaussian noise of deviation 1, with one channel, from one small tile: nobody sees it repeat."""
    tile = _tile(seed)
    return np.tile(tile, (rows // _TILE + 1, columns // _TILE + 1))[:rows, :columns, None]
