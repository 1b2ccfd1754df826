"""Two landscapes that no camera saw: ridges in the mist, and still water below them; made by code.

The ridge lines are fractal noise: octaves of interpolated random heights, each half as high and twice as fine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imageworks_dagster.demo.darkroom import Picture

_SKY_TOP = (0.36, 0.52, 0.74)
_SKY_LOW = (1.0, 0.83, 0.62)
_FAR = (0.80, 0.73, 0.68)
_NEAR = (0.05, 0.10, 0.13)
_LAYERS = 7


def ridges(width: int, height: int, seed: int) -> Picture:
    """Mountain ridges, one behind the other, the far ones lost in morning haze."""
    random = np.random.default_rng(seed)
    rows = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    picture = _mix(_SKY_TOP, _SKY_LOW, np.clip(rows / 0.55, 0, 1) ** np.float32(1.3))
    picture = np.repeat(picture, width, axis=1) + _glow(width, height)
    for layer in range(_LAYERS):
        depth = layer / (_LAYERS - 1)
        line = height * (0.40 + 0.46 * depth**1.1) - height * (0.13 - 0.05 * depth) * _line(
            width, random, depth
        )
        top = max(0, int(line.min()) - 1)
        below = np.arange(top, height, dtype=np.float32)[:, None] - line[None, :]
        # Haze gathers in the valleys: each ridge fades downwards into the color of the air before it.
        fade = np.clip(below / (height * 0.30), 0, 1)[..., None] * np.float32(0.75 * (1 - depth))
        body = _mix(_FAR, _NEAR, np.float32(depth**0.85))
        color = body + fade * (np.array(_SKY_LOW, np.float32) * 0.92 - body)
        cover = np.clip(below + 0.5, 0, 1)[..., None]
        picture[top:] += cover * (color - picture[top:])
    lit: Picture = np.clip(picture, 0, 1).astype(np.float32)
    return lit


def still_water(width: int, height: int, seed: int) -> Picture:
    """Ridges over a lake that mirrors them, darker and slightly moved by ripples."""
    shore = round(height * 0.62)
    land = ridges(width, round(shore / 0.72), seed)[:shore]
    water = height - shore
    mirrored = cv2.resize(land[::-1], (width, round(shore * 0.8)), interpolation=cv2.INTER_AREA)[:water]
    random = np.random.default_rng(seed + 1)
    depth = np.linspace(0, 1, water, dtype=np.float32)[:, None]
    shift = random.standard_normal((water, 1)).astype(np.float32) * (1 + 9 * depth)
    shift = cv2.GaussianBlur(shift, (1, 0), sigmaX=0.1, sigmaY=1.4) if water > 1 else shift
    x = np.arange(width, dtype=np.float32)[None, :] + shift
    y = np.repeat(np.arange(water, dtype=np.float32)[:, None], width, axis=1)
    rippled = cv2.remap(mirrored, np.ascontiguousarray(x), y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    light = np.float32(0.86) - np.float32(0.25) * depth[..., None]
    dimmed = rippled * light * np.array([0.96, 0.99, 1.02], np.float32)
    lake: Picture = np.clip(np.concatenate([land, dimmed]), 0, 1).astype(np.float32)
    return lake


def _mix(
    first: tuple[float, ...],
    second: tuple[float, ...],
    share: NDArray[np.float32] | np.float32,
) -> NDArray[np.float32]:
    start, end = np.array(first, np.float32), np.array(second, np.float32)
    return np.asarray(start + share * (end - start), np.float32)


def _glow(width: int, height: int) -> NDArray[np.float32]:
    """The sun low behind the ridges, off center."""
    # The halo is smooth: a quarter of the rows and columns holds all of it.
    small = cv2.resize(_distance(width // 4, height // 4), (width, height), interpolation=cv2.INTER_LINEAR)
    halo = cv2.resize(np.exp(-5 * _distance(width // 4, height // 4)), (width, height))
    disc = np.clip((0.042 - small) * height / 6, 0, 1)
    return np.asarray(
        halo[..., None] * np.array([0.55, 0.36, 0.12], np.float32)
        + disc[..., None] * np.array([0.5, 0.5, 0.42], np.float32),
        np.float32,
    )


def _distance(width: int, height: int) -> NDArray[np.float32]:
    """How far each place is from the sun, in heights of the picture."""
    y = (np.arange(height, dtype=np.float32)[:, None] - height * 0.34) / height
    x = (np.arange(width, dtype=np.float32)[None, :] - width * 0.64) / height
    return np.sqrt(x * x + y * y)


def _line(width: int, random: np.random.Generator, depth: float) -> NDArray[np.float32]:
    """Heights of a ridge from left to right, about -1 to 1."""
    heights = np.zeros(width, np.float32)
    x = np.linspace(0, 1, width)
    points, share = 4 + round(3 * depth), 1.0
    while points < width / 2:
        knots = random.uniform(-1, 1, points + 1)
        heights += np.float32(share) * np.interp(x * points, np.arange(points + 1), knots).astype(np.float32)
        points, share = points * 2, share * 0.48
    return heights
