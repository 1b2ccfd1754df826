"""Rows of letters in a picture: strokes lighter or darker than what is around them, alike and on one level line.

Strokes are what a top-hat of the luma leaves (Serra 1982): thinner than its kernel, and by their contrast clear of the
grain around them, to which bold letters add no more than strong grain would. Connected strokes are letters; letters of
like height, tone and level, close to one another, are a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_KERNEL = 19
_CONTRAST, _OVER_GRAIN = 28, 2.5
_GRAIN_AROUND, _STRONGEST_GRAIN = 41, 40
_LOWEST, _HIGHEST, _WIDEST = 8, 120, 6
_FILLED = 0.12, 0.95
_MOST_LETTERS = 2500
_FEWEST = 3
_GAP = 1.0
_ALIKE = 2.2
_TONE = 30.0
_SAME_ROW = 0.4


@dataclass(frozen=True, slots=True)
class Row:
    """Letters beside one another.

    Attributes:
        light: Whether they are lighter than what is around them.
        box: Left, top, right and bottom, pixels.
        letters: How many.
        height: Pixels of the median letter.
        level: Share of the letters that stand on one level line, 0-1.
        slope: Rise of a line through their feet (Theil and Sen: a comma or a y does not turn it), in heights of a
            letter over the row.
        even: Spread of tone between letters, levels of 255.
        flat: Spread of tone within a letter, levels of 255.
        contrast: Levels of 255 between the letters and what is around them.
        filled: Share of the letters' boxes that is stroke, 0-1.
        clear: Share of the row's box, outside the strokes, that is no stroke of anything else, 0-1.
    """

    light: bool
    box: tuple[int, int, int, int]
    letters: int
    height: float
    level: float
    slope: float
    even: float
    flat: float
    contrast: float
    filled: float
    clear: float


@dataclass(frozen=True, slots=True)
class _Letters:
    boxes: NDArray[np.float64]
    tones: NDArray[np.float64]
    spreads: NDArray[np.float64]
    filled: NDArray[np.float64]
    contrasts: NDArray[np.float64]


def find_rows(grey: NDArray[np.uint8]) -> Iterator[Row]:
    """All rows of letters in HxW luma, light ones first."""
    for light in (True, False):
        strength = stroke_strength(grey, light=light)
        grain = cv2.blur(np.minimum(strength, _STRONGEST_GRAIN), (_GRAIN_AROUND, _GRAIN_AROUND))
        limit = np.maximum(_CONTRAST, _OVER_GRAIN * grain.astype(np.float32))
        strokes = (strength > limit).astype(np.uint8)
        letters = _letters(grey, strokes, strength)
        for members in _rows(letters):
            yield _row(letters, members, strokes, light=light)


def stroke_strength(grey: NDArray[np.uint8], *, light: bool) -> NDArray[np.uint8]:
    """By how much each of HxW pixels is lighter, or darker, than what is around its stroke; 0 off any stroke."""
    way = cv2.MORPH_TOPHAT if light else cv2.MORPH_BLACKHAT
    return np.asarray(cv2.morphologyEx(grey, way, np.ones((_KERNEL, _KERNEL), np.uint8)), np.uint8)


def _letters(grey: NDArray[np.uint8], strokes: NDArray[np.uint8], strength: NDArray[np.uint8]) -> _Letters:
    _, labels, stats, _ = cv2.connectedComponentsWithStats(strokes, connectivity=8)
    wide, high, area = (stats[:, column] for column in (2, 3, 4))
    filled = area / (wide * high)
    kept = (high >= _LOWEST) & (high <= _HIGHEST) & (wide <= _WIDEST * high)
    kept &= (filled > _FILLED[0]) & (filled < _FILLED[1])
    kept[0] = False
    chosen = np.flatnonzero(kept)
    if len(chosen) > _MOST_LETTERS:
        chosen = np.sort(chosen[np.argsort(-area[chosen])[:_MOST_LETTERS]])
    tones, spreads, contrasts = [], [], []
    for label in chosen:
        left, top, across, down, _ = stats[label]
        place = np.s_[top : top + down, left : left + across]
        own = labels[place] == label
        tone = grey[place][own]
        # Its rim is a mixture; the stronger half is ink.
        strong = strength[place][own]
        ink = tone[strong >= np.median(strong)]
        tones.append(float(ink.mean()))
        spreads.append(float(ink.std()))
        contrasts.append(float(np.median(strong)))
    boxes = stats[chosen, :4].astype(np.float64)
    boxes[:, 2:] += boxes[:, :2]
    return _Letters(boxes, np.array(tones), np.array(spreads), filled[chosen], np.array(contrasts))


def _rows(letters: _Letters) -> Iterator[NDArray[np.int64]]:
    count = len(letters.boxes)
    if count < _FEWEST:
        return
    left, top, right, bottom = (column[:, None] for column in letters.boxes.T)
    height = bottom - top
    taller = np.maximum(height, height.T)
    gap = np.maximum(left, left.T) - np.minimum(right, right.T)
    shared = np.minimum(bottom, bottom.T) - np.maximum(top, top.T)
    together = (gap < _GAP * taller) & (shared > _SAME_ROW * np.minimum(height, height.T))
    together &= taller < _ALIKE * np.minimum(height, height.T)
    together &= np.abs(letters.tones[:, None] - letters.tones) < _TONE
    _, names = connected_components(coo_array(together), directed=False)
    order = np.argsort(names, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(names[order])) + 1):
        if len(members) >= _FEWEST:
            yield members


def _row(letters: _Letters, members: NDArray[np.int64], strokes: NDArray[np.uint8], *, light: bool) -> Row:
    boxes = letters.boxes[members]
    left, top = (int(value) for value in boxes[:, :2].min(axis=0))
    right, bottom = (int(value) for value in boxes[:, 2:].max(axis=0))
    height = float(np.median(boxes[:, 3] - boxes[:, 1]))
    feet = boxes[:, 3]
    slack = max(1.0, 0.06 * height)
    near = np.abs(feet[:, None] - feet) <= slack
    best = int(near.sum(axis=1).argmax())
    standing = near[best]
    middle = (boxes[:, 0] + boxes[:, 2]) / 2
    loose = np.abs(feet - feet[best]) <= 0.35 * height
    slope = 0.0
    if loose.sum() >= _FEWEST and np.ptp(middle[loose]) > 0:
        slope = slope_of(middle[loose], feet[loose]) * (right - left) / height
    inside = strokes[top:bottom, left:right]
    inked = float((letters.filled[members] * np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)).sum())
    free = inside.size - inked
    return Row(
        light,
        (left, top, right, bottom),
        len(members),
        height,
        float(standing.mean()),
        slope,
        float(letters.tones[members].std()),
        float(np.median(letters.spreads[members])),
        float(np.median(letters.contrasts[members])),
        float(np.median(letters.filled[members])),
        1 - max(0.0, float(inside.sum()) - inked) / max(1.0, free),
    )


def slope_of(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """The median slope between any two of N points, of which not all have one `x` (Sen 1968).

    SciPy's own is within its statistics, which take a second to load: longer than a round's texts take to find.
    """
    first, second = np.triu_indices(len(x), 1)
    run, rise = x[second] - x[first], y[second] - y[first]
    return float(np.median(rise[run != 0] / run[run != 0]))
