"""ICC profiles of three RGB color spaces, made from their published primaries; the same bytes every time.

Pillow's own `createProfile` stamps the hour into its profile, and Adobe's and Apple's may not be passed on.
Layout: ICC.1:2022, matrix/TRC profiles with parametric curves (version 4.3).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache

Vector = tuple[float, float, float]

_D50: Vector = (0.9642, 1.0, 0.8249)
_D65_TO_D50 = (
    (1.0478112, 0.0228866, -0.0501270),
    (0.0295424, 0.9904844, -0.0170491),
    (-0.0092345, 0.0150436, 0.7521316),
)
"""Bradford adaptation (ICC.1:2022, annex E)."""

_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
"""IEC 61966-2-1, as parametric curve type 3: g a b c d."""


@dataclass(frozen=True)
class RgbSpace:
    """An RGB color space.

    Attributes:
        name: what the profile calls itself.
        colorants: XYZ of red, green and blue, adapted to D50, as they stand in a profile.
        curve: parameters of the tone curve: one of type 0 (a gamma), or five of type 3.
    """

    name: str
    colorants: tuple[Vector, Vector, Vector]
    curve: tuple[float, ...]


SRGB = RgbSpace(
    "sRGB IEC61966-2.1",
    ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)),
    _SRGB_CURVE,
)
ADOBE_RGB = RgbSpace(
    "Compatible with Adobe RGB (1998)",
    ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)),
    (563 / 256,),
)
DISPLAY_P3 = RgbSpace(
    "Display P3",
    ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)),
    _SRGB_CURVE,
)


@cache
def icc_profile(space: RgbSpace) -> bytes:
    """The profile of a color space, some 600 bytes."""
    curve = _parametric(space.curve)
    red, green, blue = space.colorants
    tags = {
        b"desc": _text(space.name),
        b"cprt": _text("CC0 1.0: no rights reserved"),
        b"wtpt": _xyz(_D50),
        b"chad": b"sf32\0\0\0\0" + b"".join(_fixed(value) for row in _D65_TO_D50 for value in row),
        b"rXYZ": _xyz(red),
        b"gXYZ": _xyz(green),
        b"bXYZ": _xyz(blue),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    table, body = b"", b""
    start = 128 + 4 + 12 * len(tags)
    placed: dict[bytes, int] = {}
    for signature, content in tags.items():
        if content not in placed:
            placed[content] = start + len(body)
            body += content + b"\0" * (-len(content) % 4)
        table += struct.pack(">4sII", signature, placed[content], len(content))
    return _header(start + len(body)) + struct.pack(">I", len(tags)) + table + body


def _header(size: int) -> bytes:
    made = struct.pack(">6H", 2024, 1, 1, 0, 0, 0)
    return b"".join(
        (
            struct.pack(">I4sI4s4s4s", size, b"\0\0\0\0", 0x04300000, b"mntr", b"RGB ", b"XYZ "),
            made,
            b"acsp",
            # platform, flags, manufacturer, model, attributes, rendering intent
            b"\0" * 28,
            b"".join(_fixed(value) for value in _D50),
            b"\0" * 48,
        ),
    )


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def _xyz(value: Vector) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(_fixed(each) for each in value)


def _text(value: str) -> bytes:
    encoded = value.encode("utf-16-be")
    return struct.pack(">4sIII4sII", b"mluc", 0, 1, 12, b"enUS", len(encoded), 28) + encoded


def _parametric(parameters: tuple[float, ...]) -> bytes:
    kind = {1: 0, 5: 3}[len(parameters)]
    return struct.pack(">4sIHH", b"para", 0, kind, 0) + b"".join(_fixed(each) for each in parameters)
