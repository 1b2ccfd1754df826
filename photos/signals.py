"""Numbers measured on a decoded photo: light, color, sharpness, noise, compression.

They are measured at full resolution, because a reduced decode changes them (a quarter of the size turned 2.6
% of clipping into 0.7 %, noise 8.9 into 3.7, blockiness 1.95 into 1.02), in stripes of 64 rows, so that each
stripe stays in the processor's cache and memory does not grow with the picture. Only the two color signals
look at every fourth pixel of every fourth row, which does not change them.

Luma is Y' = 0.299 R' + 0.587 G' + 0.114 B' (ITU-R BT.601), gamma-encoded, 0-255.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIGNALS_VERSION = 1
"""Raised whenever a formula below changes, so that kept measurements are made anew."""

STRIPE_ROWS = 64

_LEVELS = 256
_CLIPPED_HIGH = 254
_CLIPPED_LOW = 1
_EDGE = 64
_COLOR_STEP = 4
_BLOCK = 8
_NOISE_TILE = 32
_NOISE_RANK = 0.25
_LEVEL_STEP = 8
_BLACK, _WHITE = 4, 251
_NOISE_GAIN = math.sqrt(math.pi / 2) / 6
_BLOCKINESS_CAP = 16
_SMALLEST_FOR_BLOCKS = 4 * _BLOCK


@dataclass(frozen=True, slots=True)
class Signals:
    """What was measured on one photo.

    Attributes:
        luma_p1: Luma below which 1 % of the pixels lie, 0-255: the darkest tones that matter.
        luma_p50: Median luma, 0-255.
        luma_p99: Luma below which 99 % of the pixels lie, 0-255: the brightest tones that matter.
        luma_mean: Mean luma, 0-255.
        clipped_shadows: Share of pixels, 0-1, all three channels of which are at most 1: nothing is left in
            them.
        clipped_highlights: Share of pixels, 0-1, all three channels of which are at least 254: nothing is
            left in them. A single full channel, such as red in a poppy, still holds detail in the others and
            does not count.
        contrast: RMS contrast, the standard deviation of luma / 255, 0-0.5 (Peli 1990, "Contrast in complex
            images", J. Opt. Soc. Am. A 7, eq. 1).
        saturation: Σ(max - min) / Σ max over the pixels' channels, 0-1: the saturation of HSV (Smith 1978,
            "Color gamut transform pairs"), each pixel weighted by its value, so that noise in black does not
            count as color.
        colorfulness: √(var rg + var yb) + 0.3 √(μ²rg + μ²yb) with rg = R - G, yb = (R + G)/2 - B on 0-255
            (Hasler and Süsstrunk 2003, "Measuring colourfulness in natural images", SPIE 5007): 0 not, 15
            slightly, 33 moderately, 45 averagely, 59 quite, 82 highly, 109 extremely colorful.
        sharpness: Variance of the Laplacian [0 1 0; 1 -4 1; 0 1 0] of luma (Pech-Pacheco et al. 2000, "Diatom
            autofocusing in brightfield microscopy", ICPR): the lower the softer, for like subjects. Noise
            raises it.
        noise: Standard deviation of white noise in luma, in levels of 255: √(π/2)/6 · mean|I * N| with
            N = [1 -2 1; -2 4 -2; 1 -2 1] (Immerkær 1996, "Fast noise variance estimation", CVIU 64), taken in
            tiles of 32 x 32 pixels of which the lower quartile counts, as edges and texture raise all others
            (Olsen 1993, "Estimation of noise in images", CVGIP 55). The tiles are cut from each stripe by
            itself, and what is left over at its right and lower edge is not looked at: 31 of the 63 inner rows
            of the first stripe, none of a later one but the last. Tiles in clipped black or white, where noise
            cannot show, are left out.
        edge_density: Share of pixels, 0-1, at which the Sobel gradient |∂x| + |∂y| of luma is above 64 (a
            step of 16 levels).
        blockiness: How much stronger luma steps are across the borders of JPEG's 8 x 8 blocks than elsewhere
            (after Wang, Sheikh and Bovik 2002, "No-reference perceptual quality assessment of JPEG compressed
            images", ICIP); 1 is none. Steps above 16 levels are the picture's own edges and count as 16. The
            grid is looked for at all eight offsets, as turning and cropping move it.
    """

    luma_p1: float
    luma_p50: float
    luma_p99: float
    luma_mean: float
    clipped_shadows: float
    clipped_highlights: float
    contrast: float
    saturation: float
    colorfulness: float
    sharpness: float
    noise: float
    edge_density: float
    blockiness: float

    def as_dict(self) -> dict[str, float]:
        """The signals by name."""
        return asdict(self)


def measure(pixels: NDArray[np.uint8]) -> Signals:
    """Measure a photo.

    Args:
        pixels: HxWx3, uint8, RGB in sRGB, upright, at full resolution.

    Raises:
        ValueError: The array has another shape or type, or no pixel.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or not pixels.size:  # noqa: PLR2004
        raise ValueError(f"signals are measured on HxWx3 uint8, not on {pixels.shape} {pixels.dtype}")
    height, width = pixels.shape[:2]
    sums = _Sums(height, width)
    for top in range(0, height, STRIPE_ROWS):
        bottom = min(top + STRIPE_ROWS, height)
        # A row more on either side, where there is one, lets 3 x 3 neighborhoods cross the stripes' borders.
        above, below = max(0, top - 1), min(height, bottom + 1)
        luma = cv2.cvtColor(pixels[above:below], cv2.COLOR_RGB2GRAY)
        sums.light(pixels[top:bottom], luma[top - above : luma.shape[0] - (below - bottom)])
        sums.neighborhoods(luma, above)
    saturation, colorfulness = _color(pixels)
    return Signals(
        **_light(sums),
        saturation=saturation,
        colorfulness=colorfulness,
        sharpness=sums.sharpness(),
        noise=sums.noise(),
        edge_density=sums.edges / max(1, sums.interior),
        blockiness=_blockiness(sums),
    )


class _Sums:
    """What adds up over the stripes of one photo; whole numbers, so that no order of adding matters."""

    def __init__(self, height: int, width: int) -> None:
        self.height, self.width = height, width
        self.histogram = np.zeros(_LEVELS, np.int64)
        self.dark = self.bright = self.edges = self.interior = 0
        self.laplacian = self.laplacian_squared = 0.0
        self.column_steps = np.zeros(max(0, width - 1), np.int64)
        self.row_steps = np.zeros(max(0, height - 1), np.int64)
        self.tiles: list[NDArray[np.float64]] = []

    def light(self, colors: NDArray[np.uint8], luma: NDArray[np.uint8]) -> None:
        counted = cv2.calcHist([luma], [0], None, [_LEVELS], [0, _LEVELS])
        self.histogram += counted[:, 0].astype(np.int64)
        # Three full channels make a full luma, three empty ones an empty one: most stripes need no closer
        # look.
        dark, bright = counted[: _CLIPPED_LOW + 1].any(), counted[_CLIPPED_HIGH:].any()
        if dark or bright:
            red, green, blue = cv2.split(colors)
            if dark:
                highest = cv2.max(cv2.max(red, green), blue)
                self.dark += int(np.count_nonzero(highest <= _CLIPPED_LOW))
            if bright:
                lowest = cv2.min(cv2.min(red, green), blue)
                self.bright += int(np.count_nonzero(lowest >= _CLIPPED_HIGH))

    def neighborhoods(self, luma: NDArray[np.uint8], above: int) -> None:
        """Measure between neighbors.

        Args:
            luma: A stripe with a row more on either side, where there is one.
            above: The photo's row that is its row 0.
        """
        rows, columns = luma.shape
        if columns > 1:
            first = 0 if above == 0 else 1
            own = luma[first : first + STRIPE_ROWS]
            steps = np.minimum(cv2.absdiff(own[:, 1:], own[:, :-1]), _BLOCKINESS_CAP)
            self.column_steps += cv2.reduce(steps, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[0]
        if rows > 1:
            steps = np.minimum(cv2.absdiff(luma[1:], luma[:-1]), _BLOCKINESS_CAP)
            self.row_steps[above : above + rows - 1] = cv2.reduce(steps, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[
                :, 0
            ]
        if rows < 3 or columns < 3:  # noqa: PLR2004 - the kernels' size
            return
        inner = np.s_[1:-1, 1:-1]
        laplacian = cv2.Laplacian(luma, cv2.CV_16S, ksize=1)[inner]
        self.interior += laplacian.size
        self.laplacian += cv2.sumElems(laplacian)[0]
        self.laplacian_squared += cv2.norm(laplacian, cv2.NORM_L2SQR)
        across, down = cv2.Sobel(luma, cv2.CV_16S, 1, 0)[inner], cv2.Sobel(luma, cv2.CV_16S, 0, 1)[inner]
        self.edges += int(np.count_nonzero(np.abs(across) + np.abs(down) > _EDGE))
        self._note_tiles(luma)

    def _note_tiles(self, luma: NDArray[np.uint8]) -> None:
        """Immerkær's mean |I * N| in each tile of the stripe, but for tiles without any middle tone."""
        kernel = np.array([1, -2, 1], np.float32)
        response = cv2.sepFilter2D(luma, cv2.CV_16S, kernel, kernel)[1:-1, 1:-1]
        rows, columns = response.shape
        tall, wide = min(rows, _NOISE_TILE), min(columns, _NOISE_TILE)
        columns = columns // wide * wide
        # Halved, so that it fits into 8 bits up to a noise of 40 levels.
        strength = cv2.convertScaleAbs(response, alpha=0.5)
        for top in range(0, rows - tall + 1, tall):
            summed = cv2.reduce(strength[top : top + tall, :columns], 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S)
            means = summed.reshape(-1, wide).sum(axis=1) * (2 / (tall * wide))
            samples = luma[1 + top : 1 + top + tall : _LEVEL_STEP, 1 : 1 + columns]
            levels = samples.mean(axis=0).reshape(-1, wide).mean(axis=1)
            self.tiles.append(means[(levels > _BLACK) & (levels < _WHITE)])

    def sharpness(self) -> float:
        if not self.interior:
            return 0.0
        mean = self.laplacian / self.interior
        return max(0.0, self.laplacian_squared / self.interior - mean * mean)

    def noise(self) -> float:
        strengths = np.concatenate(self.tiles) if self.tiles else np.empty(0)
        if not strengths.size:
            return 0.0
        return float(np.quantile(strengths, _NOISE_RANK)) * _NOISE_GAIN


def _light(sums: _Sums) -> dict[str, float]:
    count = sums.height * sums.width
    levels = np.arange(_LEVELS)
    below = np.cumsum(sums.histogram)
    mean = float((sums.histogram * levels).sum()) / count
    variance = float((sums.histogram * (levels - mean) ** 2).sum()) / count

    def percentile(share: float) -> float:
        return float(np.searchsorted(below, share * count))

    return {
        "luma_p1": percentile(0.01),
        "luma_p50": percentile(0.50),
        "luma_p99": percentile(0.99),
        "luma_mean": mean,
        "clipped_shadows": sums.dark / count,
        "clipped_highlights": sums.bright / count,
        "contrast": math.sqrt(variance) / 255,
    }


def _color(pixels: NDArray[np.uint8]) -> tuple[float, float]:
    """Saturation and colorfulness, as `Signals` defines them."""
    height, width = (max(1, side // _COLOR_STEP) for side in pixels.shape[:2])
    covered = pixels[: max(1, height * _COLOR_STEP), : max(1, width * _COLOR_STEP)]
    # The nearest of 4 x 4 pixels is their first: slicing with steps gives the same, seven times slower.
    red, green, blue = cv2.split(cv2.resize(covered, (width, height), interpolation=cv2.INTER_NEAREST))
    highest, lowest = cv2.max(cv2.max(red, green), blue), cv2.min(cv2.min(red, green), blue)
    light = cv2.sumElems(highest)[0]
    saturation = (light - cv2.sumElems(lowest)[0]) / light if light else 0.0
    rg_mean, rg_deviation = _moments(red.astype(np.int16) - green)
    twice_mean, twice_deviation = _moments(red.astype(np.int16) + green - 2 * blue.astype(np.int16))
    spread = math.hypot(rg_deviation, twice_deviation / 2)
    return saturation, spread + 0.3 * math.hypot(rg_mean, twice_mean / 2)


def _moments(values: NDArray[np.int16]) -> tuple[float, float]:
    mean, deviation = cv2.meanStdDev(values)
    return float(mean[0, 0]), float(deviation[0, 0])


def _blockiness(sums: _Sums) -> float:
    """The mean of the ratios along rows and along columns, each at the offset where it is largest."""
    ratios = [
        _grid_ratio(steps)
        for steps in (sums.column_steps, sums.row_steps)
        if steps.size >= _SMALLEST_FOR_BLOCKS
    ]
    return sum(ratios) / len(ratios) if ratios else 1.0


def _grid_ratio(steps: NDArray[np.int64]) -> float:
    by_offset = steps[: steps.size // _BLOCK * _BLOCK].reshape(-1, _BLOCK).mean(axis=0)
    total = float(by_offset.sum())
    if total == 0:
        return 1.0
    strongest = float(by_offset.max())
    rest = (total - strongest) / (_BLOCK - 1)
    # Where nothing changes inside the blocks the ratio has no bound; a small step keeps it a number.
    return strongest / max(rest, strongest / 100)
