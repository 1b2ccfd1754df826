"""Borders around a photo: strokes, frames, mats and bars, found as lines of one color that end in a step.

Each side is looked at as a strip of lines, from the edge inwards. A border's lines are of one color along
their length, and the picture begins at the same depth everywhere: in most columns the pixel behind that depth
has another color. A clear sky has such lines but no step; a night has no step at one depth; a wall or a
horizon can have both, on one side, which is why one side alone is only *possible*.

Distances are |ΔY| + (|ΔCr| + |ΔCb|)/2 in YCrCb (ITU-R BT.601, 0-255): what JPEG errs in, and as fine in the
dark as in the light, where near-black borders lie on dark pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

from photos.evidence import MARK, beside, shrunk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

BORDERS_VERSION = 1
"""Raised whenever what follows changes, so that kept findings are made anew."""

BorderKind = Literal["none", "possible", "stroke", "frame", "mat", "bars"]
Sides = tuple[int, int, int, int]
"""Pixels at the top, right, bottom and left."""

_SMALLEST = 16
_DEEPEST = 0.3
_SAMPLES = 256
# The corners belong to the sides beside: what is looked at is the middle of each side.
_MIDDLE = 0.7
_CHUNK = 32

_FLAT = 20.0
_STEP, _STEP_OVER_SPREAD = 3.0, 1.5
_RAMP, _ABRUPT = 5, 0.6
_STRONG, _WEAK = 0.8, 0.35
_SAME_COLOR = 20.0
_SAME_DEPTH = 0.03

_STROKE, _MAT = 0.012, 0.06
_CORNER = 96


@dataclass(frozen=True, slots=True)
class Borders:
    """What surrounds a photo.

    Attributes:
        kind: `stroke` (all around, at most 1.2 % of the short side), `mat` (at least 6 %), `frame` (between
            them), `bars` (on two opposite sides), `possible` (on one side, or on two that meet, where a wall or a
            horizon looks the same), `none`.
        confidence: 0-1, that this kind is right.
        widths: Pixels of border at the top, right, bottom and left.
        color: RGB of the outermost line; None without a border.
    """

    kind: BorderKind
    confidence: float
    widths: Sides = (0, 0, 0, 0)
    color: tuple[int, int, int] | None = None


@dataclass(frozen=True, slots=True)
class _Side:
    """One side's lines.

    Attributes:
        shares: Share of columns, 0-1, in which the picture begins behind d lines, for d = 0, 1, …; 0 where they are
            few.
        color: YCrCb of the outermost line.
    """

    shares: NDArray[np.float32]
    color: NDArray[np.float32]

    def at(self, depth: int) -> tuple[float, int]:
        """The greatest share around a depth, and its own depth."""
        slack = max(1, round(depth * _SAME_DEPTH))
        first = max(1, depth - slack)
        near = self.shares[first : depth + slack + 1]
        if not near.size:
            return 0.0, depth
        best = int(near.argmax())
        return float(near[best]), first + best

    def strong(self) -> list[int]:
        """Depths at which nearly all columns begin; of neighbors the best."""
        depths = [int(depth) for depth in np.flatnonzero(self.shares >= _STRONG)]
        return sorted({self.at(depth)[1] for depth in depths})


def find_borders(pixels: NDArray[np.uint8]) -> Borders:
    """Find what surrounds a photo.

    Args:
        pixels: HxWx3, uint8, RGB, upright, at full resolution: a stroke is a pixel or two wide.
    """
    short = min(pixels.shape[:2])
    if short < _SMALLEST:
        return Borders("none", 1.0)
    # Quarter turns against the clock bring the top, the right, the bottom, the left to the top.
    sides = [_side(np.rot90(pixels, turns)) for turns in range(4)]
    depths = sorted({depth for side in sides for depth in side.strong()} | set(_shared(sides)))
    found = [_around(sides, depth, short) for depth in depths]
    # Of a mat with a keyline, the deeper one is the whole border.
    kind, confidence, widths = max(
        found,
        key=lambda one: (one[0] not in ("none", "possible"), round(one[1], 1), sum(one[2])),
        default=("none", 1.0, (0, 0, 0, 0)),
    )
    if kind == "none":
        return Borders("none", 1.0)
    first = next(turns for turns, width in enumerate(widths) if width)
    red, green, blue = (int(level) for level in np.median(np.rot90(pixels, first)[0], axis=0))
    return Borders(kind, round(confidence, 2), widths, (red, green, blue))


def _side(lines: NDArray[np.uint8]) -> _Side:
    """Look at the upper side of a picture."""
    height, width = lines.shape[:2]
    deepest = max(2, min(round(min(height, width) * _DEEPEST), height // 2 - 3))
    margin = round(width * (1 - _MIDDLE) / 2)
    step = max(1, (width - 2 * margin) // _SAMPLES)
    seen = lines[: deepest + 3, margin : width - margin : step]
    strips: list[NDArray[np.float32]] = []
    medians: list[NDArray[np.float32]] = []
    spreads: list[NDArray[np.float32]] = []
    for first in range(0, seen.shape[0], _CHUNK):
        part = cv2.cvtColor(np.ascontiguousarray(seen[first : first + _CHUNK]), cv2.COLOR_RGB2YCrCb)
        strips.append(part.astype(np.float32))
        medians.append(np.median(strips[-1], axis=1).astype(np.float32))
        residual = _distance(strips[-1], medians[-1][:, None])
        spreads.append(np.quantile(residual, 0.9, axis=1).astype(np.float32))
        if spreads[-1][:-3].max(initial=0) > _FLAT:
            break
    return _Side(
        _shares(np.concatenate(strips), np.concatenate(medians), np.concatenate(spreads)), medians[0][0]
    )


def _shares(
    strip: NDArray[np.float32], medians: NDArray[np.float32], spreads: NDArray[np.float32]
) -> NDArray[np.float32]:
    """As `_Side` has them; 0 behind the first line that is not of one color."""
    shares = np.zeros(max(1, strip.shape[0] - 2), np.float32)
    for depth in range(1, shares.size):
        # The last line of a border may be blurred into the picture; those before it are not.
        clean = max(0, depth - 2)
        spread = float(spreads[: clean + 1].max())
        if spread > _FLAT:
            break
        border = medians[clean if depth > 2 else depth - 1]  # noqa: PLR2004 - a thin one has no other line
        gap = np.minimum(_distance(strip[depth + 1], border), 2 * _distance(strip[depth], border))
        share = float(np.mean(gap > max(_STEP, _STEP_OVER_SPREAD * spread)))
        if share >= _WEAK and not _fades(gap, strip[min(depth + _RAMP, strip.shape[0] - 1)], border):
            shares[depth] = share
    return shares


def _fades(gap: NDArray[np.float32], further: NDArray[np.float32], border: NDArray[np.float32]) -> bool:
    """Whether the color goes on changing behind the step, as at a sky's lower end."""
    return bool(np.median(gap) < _ABRUPT * np.median(_distance(further, border)))


def _distance(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    apart = np.abs(one - other)
    distance: NDArray[np.float32] = apart[..., 0] + (apart[..., 1] + apart[..., 2]) / 2
    return distance


def _shared(sides: Sequence[_Side]) -> list[int]:
    """Depths at which all four sides have a step in some of their columns: a border that the picture fades into."""
    count = min(side.shares.size for side in sides)
    least = np.min([side.shares[:count] for side in sides], axis=0)
    return [int(depth) for depth in np.flatnonzero(least >= _WEAK)]


def _around(sides: Sequence[_Side], depth: int, short: int) -> tuple[BorderKind, float, Sides]:
    """What the sides make together, when the border is about `depth` wide."""
    shares, widths = [0.0] * 4, [0] * 4
    for index, side in enumerate(sides):
        share, own = side.at(depth)
        if share < _STRONG and (others := side.strong()):
            # Of another width, as mats are at the bottom.
            own = min(others, key=lambda other: abs(other - depth))
            share = float(side.shares[own])
        if share >= _WEAK:
            shares[index], widths[index] = share, own
    strong = [index for index in range(4) if shares[index] >= _STRONG]
    counted = [index for index in range(4) if widths[index]]
    color = sides[strong[0] if strong else 0].color
    alike = [index for index in counted if _distance(sides[index].color, color) <= _SAME_COLOR]
    top, right, bottom, left = (width if index in alike else 0 for index, width in enumerate(widths))
    found = top, right, bottom, left
    share = float(np.mean([shares[index] for index in alike])) if alike else 0.0
    if len(alike) == 4:  # noqa: PLR2004 - all sides
        widest = max(found)
        kind: BorderKind = (
            "stroke" if widest <= max(1, _STROKE * short) else "mat" if widest >= _MAT * short else "frame"
        )
        return kind, 0.6 + 0.39 * share, found
    if len(alike) == 3 and len(set(alike) & set(strong)) >= 2:  # noqa: PLR2004 - the fourth side fades in
        return "frame", 0.5 + 0.4 * share, found
    for one, other in ((0, 2), (1, 3)):
        if {one, other} <= set(alike) & set(strong) and abs(widths[one] - widths[other]) <= max(
            1, 0.1 * depth
        ):
            return "bars", 0.5 + 0.4 * share, found
    return ("possible", 0.5 * share, found) if alike else ("none", 1.0, found)


def draw_borders(pixels: NDArray[np.uint8], borders: Borders) -> NDArray[np.uint8]:
    """The evidence, HxWx3: the photo with a line where the picture begins, beside a corner enlarged.

    Args:
        pixels: What `find_borders` looked at.
        borders: What it found.
    """
    top, right, bottom, left = borders.widths
    height, width = pixels.shape[:2]
    small = shrunk(pixels)
    scale = small.shape[1] / width
    cv2.rectangle(
        small,
        (round(left * scale), round(top * scale)),
        (round((width - right) * scale) - 1, round((height - bottom) * scale) - 1),
        MARK,
        thickness=2,
    )
    # A stroke of two pixels cannot be seen on a reduced photo.
    reach = max(_CORNER // 8, 2 * max(borders.widths))
    rows = np.s_[:reach] if top or not bottom else np.s_[-reach:]
    columns = np.s_[:reach] if left or not right else np.s_[-reach:]
    corner = pixels[rows, columns]
    side = small.shape[0] // 2
    enlarged = cv2.resize(corner, (side, side), interpolation=cv2.INTER_NEAREST)
    return beside(small, np.asarray(enlarged, np.uint8))
