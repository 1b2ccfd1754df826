"""Perceptual hashes of a picture in all its orientations and many crops, and the pairs of them that are near.

A hash has 119 bits: the lowest frequencies of a cosine transform, above or below their median (Zauner 2010,
"Implementation and benchmarking of perceptual image hash functions"). It is cheap enough to compare all pairs.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

_FIELD, _SIDE, _FREQUENCIES = 64, 32, 15
_LOWEST = np.add.outer(range(_FREQUENCIES), range(_FREQUENCIES)) < _FREQUENCIES
# The mean is no shape.
_LOWEST[0, 0] = False
# Of a texture, such as a wall of bricks, a crop that is cut by another twentieth is another picture.
_CUT = tuple(round(_FIELD * left) for left in (0.94, 0.87))
# The whole, and what is left when one side or both are cut off.
_SPANS = (
    (0, _FIELD),
    *(
        span
        for left in _CUT
        for span in ((0, left), ((_FIELD - left) // 2, (_FIELD + left) // 2), (_FIELD - left, _FIELD))
    ),
)
_CROPS = tuple(product(_SPANS, _SPANS))
UPRIGHT_SHAPE = len(_CROPS), 2
"""Of `upright`."""
_APART = 34
_ORIENTATIONS = 8
# Photos whose words stay in a core's cache while they are compared.
_BLOCK = 512


@dataclass(frozen=True, slots=True)
class Near:
    """Two photos whose hashes are near.

    Attributes:
        first: Index of one photo.
        second: Index of the other, greater than `first`.
        apart: Bits in which their nearest hashes differ.
        orientation: 0-7, that of the hash at which the second is nearest: quarter turns against the clock, from 4 on
            of the mirrored picture.
    """

    first: int
    second: int
    apart: int
    orientation: int

    @property
    def mirrored(self) -> bool:
        """Whether one is nearest to the mirrored other."""
        return self.orientation >= _ORIENTATIONS // 2


def hashes_of(grey: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Of HxW luma 49x8x2, hashes of 119 bits: of 49 crops, the whole first, in eight orientations.

    These are the four quarter turns, then those of the mirrored picture. A flip only changes signs in the transform,
    and a turn swaps its axes besides.
    """
    small = cv2.resize(grey, (_FIELD, _FIELD), interpolation=cv2.INTER_AREA).astype(np.float32)
    squares = np.stack(
        [
            cv2.resize(small[top:bottom, left:right], (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
            for (top, bottom), (left, right) in _CROPS
        ]
    )
    transform = _cosines()
    low = transform @ squares @ transform.T
    odd = np.where(np.arange(_FREQUENCIES) % 2, -1, 1).astype(np.float32)
    shapes = []
    for one in (low, low * odd):
        turned = one
        for _ in range(_ORIENTATIONS // 2):
            shapes.append(turned[:, _LOWEST])
            turned = turned.transpose(0, 2, 1) * odd[:, None]
    shape = np.stack(shapes, axis=1)
    packed = np.packbits(shape > np.median(shape, axis=2, keepdims=True), axis=2)
    padded = np.pad(packed, ((0, 0), (0, 0), (0, -packed.shape[2] % 8)))
    return np.ascontiguousarray(padded).view(np.uint64)


def near(hashes: Sequence[NDArray[np.uint64]]) -> Iterator[Near]:
    """Pairs of photos that are near in some orientation and crop: either may be a crop of the other."""
    standing = _by_crop([upright(one) for one in hashes])
    yield from _compared(hashes, lambda second: standing[:, :, :second])


def near_earlier(
    hashes: Sequence[NDArray[np.uint64]], earlier: Sequence[NDArray[np.uint64]]
) -> Iterator[Near]:
    """Pairs of an earlier photo, as first, and one of these, as second, that are near in the same way.

    Args:
        hashes: As `hashes_of` makes them.
        earlier: Of the earlier ones those `upright`, which is all that is needed of one side.
    """
    standing = _by_crop(earlier)
    yield from _compared(hashes, lambda _: standing)


def upright(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Of a photo's hashes those of all crops as it stands, 49x2."""
    return hashes[:, 0]


def _by_crop(standing: Sequence[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    """Upright hashes as 2x49xN: a word of one crop of all photos lies together, so that it is compared in one go."""
    together = np.array(standing, np.uint64).reshape(-1, *UPRIGHT_SHAPE)
    return np.ascontiguousarray(together.transpose(2, 1, 0))


def _compared(
    hashes: Sequence[NDArray[np.uint64]], others: Callable[[int], NDArray[np.uint64]]
) -> Iterator[Near]:
    # NumPy lets go of the interpreter's lock, so threads use all cores.
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for found in pool.map(
            lambda second: _near(hashes[second], others(second), second), range(len(hashes))
        ):
            yield from found


def _near(own: NDArray[np.uint64], others: NDArray[np.uint64], second: int) -> list[Near]:
    apart = np.empty((_ORIENTATIONS, others.shape[2]), np.uint8)
    for start in range(0, others.shape[2], _BLOCK):
        block = others[:, :, start : start + _BLOCK]
        for orientation in range(_ORIENTATIONS):
            turned = own[:, orientation].T[:, :, None]
            apart[orientation, start : start + _BLOCK] = np.minimum(
                _least_apart(block[:, :1], turned), _least_apart(block, turned[:, :1])
            )
    return [
        Near(int(first), second, int(apart[:, first].min()), int(apart[:, first].argmin()))
        for first in np.flatnonzero(apart.min(axis=0) <= _APART)
    ]


def _least_apart(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """In how many bits the nearest crops differ, of hashes of 2xCxN words, or with 1 in place of C or N."""
    apart = np.bitwise_count(one[0] ^ other[0])
    apart += np.bitwise_count(one[1] ^ other[1])
    least: NDArray[np.uint8] = apart.min(axis=0)
    return least


@lru_cache(maxsize=1)
def _cosines() -> NDArray[np.float32]:
    """The lowest rows of the orthonormal cosine transform (DCT-II)."""
    columns = cv2.dct(np.eye(_SIDE, dtype=np.float32), flags=cv2.DCT_ROWS)
    return np.ascontiguousarray(columns.T[:_FREQUENCIES], np.float32)
