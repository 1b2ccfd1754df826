"""From any color space to sRGB, and what a color space is called.

Conversions are littlecms transforms (through Pillow's ImageCms), relative colorimetric with black point
compensation, made once a profile and kept. A picture without a profile is taken for sRGB, as browsers do,
unless its EXIF block marks it as Adobe RGB by the rules of DCF.
"""

from __future__ import annotations

import hashlib
import io
import struct
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from PIL import Image, ImageCms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from photos.containers.anatomy import Anatomy

_Key = TypeVar("_Key")
_Made = TypeVar("_Made")

SRGB, ADOBE_RGB, DISPLAY_P3, PROPHOTO_RGB, REC_2020 = (
    "sRGB",
    "Adobe RGB",
    "Display P3",
    "ProPhoto RGB",
    "Rec. 2020",
)
OTHER_RGB, GRAY, CMYK, LAB, UNKNOWN = "other RGB", "Gray", "CMYK", "Lab", "unknown"

_SPACE_OF_MODEL = {"GRAY": GRAY, "CMYK": CMYK, "LAB": LAB}
_STRIPE_ROWS = 256
_SAME_LEVELS = 2
_SAME_COLORANT = 0.004
_Primaries = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
_ADOBE_PRIMARIES: _Primaries = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
_ADOBE_GAMMA = 563 / 256
_D65 = (0.3127, 0.3290)
_D50_XYZ = (0.9642, 1.0, 0.8249)

# Red, green and blue in XYZ, adapted to D50, as the profiles carry them (ICC registry; Lindbloom).
_COLORANTS = {
    ADOBE_RGB: ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446)),
    DISPLAY_P3: ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841)),
    PROPHOTO_RGB: ((0.7977, 0.2880, 0.0), (0.1352, 0.7119, 0.0), (0.0313, 0.0001, 0.8249)),
    REC_2020: ((0.6735, 0.2790, -0.0019), (0.1657, 0.6753, 0.0300), (0.1251, 0.0456, 0.7969)),
}


@dataclass(frozen=True, slots=True)
class Profile:
    """An ICC profile as far as it matters here.

    Attributes:
        name: Its description, at most 120 characters.
        space: One of the names at the top of this module.
        model: "RGB", "GRAY", "CMYK", "LAB", or what else it says.
    """

    name: str
    space: str
    model: str


MAX_PROFILE_BYTES = 8 << 20
"""A larger profile counts as one that cannot be read; those of printing presses have some 2 MB."""

_profiles: dict[str, Profile | None] = {}
_transforms: dict[tuple[str, str], ImageCms.ImageCmsTransform | None] = {}
_KEPT = 32


def describe_profile(icc: bytes) -> Profile | None:
    """Name a profile by what it does, not by what it calls itself.

    Args:
        icc: The profile's bytes.

    Returns:
        None when littlecms cannot read it, or it has more than `MAX_PROFILE_BYTES`.
    """
    # By its digest, so that nothing of a profile's own size is kept.
    key = hashlib.sha256(icc).hexdigest()
    with suppress(KeyError):
        return _profiles[key]
    return _keep(_profiles, key, _describe(icc) if len(icc) <= MAX_PROFILE_BYTES else None)


def _keep(kept: dict[_Key, _Made], key: _Key, made: _Made) -> _Made:
    while len(kept) >= _KEPT:
        kept.pop(next(iter(kept)), None)
    kept[key] = made
    return made


def _describe(icc: bytes) -> Profile | None:
    try:
        inner = ImageCms.ImageCmsProfile(io.BytesIO(icc)).profile
        name = " ".join((inner.profile_description or "").split())[:120]
        model = inner.xcolor_space.strip().upper()
    except (OSError, ValueError):
        # ValueError: a signature that is not ASCII.
        return None
    if model != "RGB":
        return Profile(name, _SPACE_OF_MODEL.get(model, UNKNOWN), model)
    if _acts_like_srgb(icc):
        return Profile(name, SRGB, model)
    return Profile(name, _space_by_colorants(inner), model)


def _space_by_colorants(profile: Any) -> str:
    colorants = (profile.red_colorant, profile.green_colorant, profile.blue_colorant)
    found = np.array([colorant[0] for colorant in colorants if colorant is not None])
    for space, expected in _COLORANTS.items():
        if found.shape == (3, 3) and np.abs(found - np.array(expected)).max() < _SAME_COLORANT:
            return space
    return OTHER_RGB


def color_space_of(anatomy: Anatomy) -> tuple[str, str | None]:
    """Name a picture's color space.

    Returns:
        The space, and the profile's own name (None without one). A profile that cannot be read gives
        "unknown".
    """
    if anatomy.icc is not None:
        profile = describe_profile(anatomy.icc)
        return (UNKNOWN, "unreadable profile") if profile is None else (profile.space, profile.name)
    if anatomy.mode in ("CMYK", "LAB"):
        return {"CMYK": CMYK, "LAB": LAB}[anatomy.mode], None
    if anatomy.declared_srgb:
        return SRGB, None
    return anatomy.exif.color_space or UNKNOWN, None


def source_profile(anatomy: Anatomy) -> bytes | None:
    """The profile to convert from; None when the picture is sRGB already or nobody says otherwise.

    A profile that cannot be read is no reason to lose a photo: it is ignored, as every viewer does, and
    `color_space_of` says "unknown".
    """
    if anatomy.icc is not None:
        profile = describe_profile(anatomy.icc)
        return None if profile is None or profile.space in (SRGB, UNKNOWN) else anatomy.icc
    if anatomy.exif.color_space == ADOBE_RGB and not anatomy.declared_srgb:
        return adobe_rgb_profile()
    return None


def to_srgb(pixels: NDArray[np.uint8], icc: bytes) -> None:
    """Convert RGB pixels (HxWx3) in place, stripe by stripe.

    A profile that is not of RGB does not fit them, and does nothing.
    """
    transform = _transform(icc, "RGB")
    if transform is None:
        return
    for top in range(0, pixels.shape[0], _STRIPE_ROWS):
        stripe = Image.fromarray(pixels[top : top + _STRIPE_ROWS])
        ImageCms.applyTransform(stripe, transform, inPlace=True)
        pixels[top : top + _STRIPE_ROWS] = np.asarray(stripe)


def stripe_to_srgb(stripe: Image.Image, icc: bytes | None) -> Image.Image:
    """Convert a Pillow picture of mode L, RGB, CMYK, YCbCr or LAB to RGB in sRGB.

    Without a profile, or with one of another color model, Pillow's own conversion is taken (for CMYK: the
    complement, as a viewer without color management shows it).
    """
    if stripe.mode == "LAB":
        return ImageCms.applyTransform(stripe, _lab_transform()) or stripe
    if stripe.mode == "YCbCr":
        stripe = stripe.convert("RGB")
    if icc is not None:
        if stripe.mode == "L" and (profile := describe_profile(icc)) is not None and profile.model == "RGB":
            stripe = stripe.convert("RGB")
        transform = _transform(icc, stripe.mode)
        if transform is not None:
            return ImageCms.applyTransform(stripe, transform) or stripe
    return stripe.convert("RGB")


@lru_cache(maxsize=1)
def adobe_rgb_profile() -> bytes:
    """An ICC profile of Adobe RGB (1998), for pictures that only EXIF marks as such."""
    return matrix_profile("Adobe RGB (by EXIF)", _ADOBE_PRIMARIES, _ADOBE_GAMMA)


def matrix_profile(
    name: str, primaries: Sequence[tuple[float, float]], gamma: float, white: tuple[float, float] = _D65
) -> bytes:
    """Make an ICC version 2 display profile from chromaticities and a gamma.

    Source: ICC.1:2001-04; the white point is adapted to D50 by the linear Bradford method.

    Args:
        name: Its description, ASCII.
        primaries: Chromaticities (x, y) of red, green and blue.
        gamma: The tone curve's exponent.
        white: Chromaticity of the white point.
    """
    columns = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in primaries]).T
    white_xyz = np.array([white[0] / white[1], 1.0, (1 - white[0] - white[1]) / white[1]])
    columns = columns * np.linalg.solve(columns, white_xyz)
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    scale = (bradford @ np.array(_D50_XYZ)) / (bradford @ white_xyz)
    adapted = np.linalg.inv(bradford) @ np.diag(scale) @ bradford @ columns

    def xyz(values: Sequence[float]) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))

    text = name.encode("ascii") + b"\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + b"\0" * 78
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
    tags = [(b"desc", description), (b"cprt", b"text\0\0\0\0public domain\0"), (b"wtpt", xyz(_D50_XYZ))]
    tags += [(tag, xyz(adapted[:, index])) for index, tag in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))]
    tags += [(tag, curve) for tag in (b"rTRC", b"gTRC", b"bTRC")]
    at = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for tag, data in tags:
        table += tag + struct.pack(">II", at + len(body), len(data))
        body += data + b"\0" * (-len(data) % 4)
    header = struct.pack(
        ">I4sI4s4s4s12x4s", at + len(body), b"\0\0\0\0", 0x02400000, b"mntr", b"RGB ", b"XYZ ", b"acsp"
    )
    header = header.ljust(68, b"\0") + struct.pack(">3i", *(round(value * 65536) for value in _D50_XYZ))
    return header.ljust(128, b"\0") + table + body


def _acts_like_srgb(icc: bytes) -> bool:
    """Whether the profile leaves a cube of colors where it is, within two levels."""
    transform = _transform(icc, "RGB")
    if transform is None:
        return False
    levels = np.linspace(0, 255, 6).astype(np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 3)
    moved = np.asarray(ImageCms.applyTransform(Image.fromarray(cube), transform))
    return int(np.abs(moved.astype(int) - cube).max()) <= _SAME_LEVELS


def _transform(icc: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The kept transform from a profile to sRGB; None when it does not fit pixels of this mode."""
    key = hashlib.sha256(icc).hexdigest(), mode
    with suppress(KeyError):
        return _transforms[key]
    try:
        made = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(icc)),
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        made = None
    return _keep(_transforms, key, made)


@lru_cache(maxsize=1)
def _lab_transform() -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(
        ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )  # fmt: skip
