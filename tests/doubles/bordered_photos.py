"""Photos with borders of known widths, and photos that only look as if they had any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np
from public_photos import Tally, piece, through_jpeg, with_grain

from photos.borders import find_borders

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

Family = Literal["wide", "thin", "near-black", "one-sided", "none", "none-dark", "wall"]

LONG_SIDES = (640, 800, 1024)
COLORS = (
    (255, 255, 255),
    (0, 0, 0),
    (245, 243, 238),
    (28, 28, 30),
    (128, 128, 128),
    (92, 24, 30),
    (20, 32, 70),
)


@dataclass(frozen=True)
class BorderedPhoto:
    """A picture and the truth about it: its family and its border's widths, top, right, bottom, left."""

    family: Family
    pixels: NDArray[np.uint8]
    widths: tuple[int, int, int, int] = (0, 0, 0, 0)

    @property
    def bordered(self) -> bool:
        return self.family in ("wide", "thin", "near-black")


def bordered_photos(sources: Sequence[str], *, each: int, seed: int) -> Iterator[BorderedPhoto]:
    """`each` pictures of every family, cut from the sources in turn."""
    generator = np.random.default_rng(seed)
    makers = {
        "wide": _wide, "thin": _thin, "near-black": _near_black, "one-sided": _one_sided,
        "none": _plain, "none-dark": _dark, "wall": _wall,
    }  # fmt: skip
    for family, make in makers.items():
        for number in range(each):
            base = piece(
                sources[number % len(sources)], generator, long_side=int(generator.choice(LONG_SIDES))
            )
            if generator.random() < 0.5:
                base = with_grain(base, generator, generator.uniform(1, 4))
            pixels, widths = make(base, generator)
            quality = int(generator.integers(75, 97))
            yield BorderedPhoto(family, through_jpeg(pixels, quality), widths)


def border_tallies(sources: Sequence[str], *, each: int, seed: int) -> dict[str, Tally]:
    """How `find_borders` fares with each family of borders, against all that have none, and with single sides.

    One side alone is right when it is said to be possible; a wall may be called so too.
    """
    tallies = {"wide": Tally(), "thin": Tally(), "near-black": Tally(), "possible": Tally()}
    for photo in bordered_photos(sources, each=each, seed=seed):
        kind = find_borders(photo.pixels).kind
        sure = kind not in ("none", "possible")
        if photo.family == "one-sided":
            tallies["possible"].count(truth=True, found=kind == "possible")
        elif photo.bordered:
            tallies[photo.family].count(truth=True, found=sure)
        else:
            against = ("near-black",) if photo.family == "none-dark" else ("wide", "thin")
            for name in against:
                tallies[name].count(truth=False, found=sure)
            if photo.family == "none":
                tallies["possible"].count(truth=False, found=kind == "possible")
    return tallies


def _around(base, widths, color):
    top, right, bottom, left = widths
    made = cv2.copyMakeBorder(base, top, bottom, left, right, cv2.BORDER_CONSTANT, value=color)
    return np.asarray(made, np.uint8), widths


def _color(generator):
    return COLORS[generator.integers(len(COLORS))]


def _wide(base, generator):
    """1-8 % of the short side: even, heavier at the bottom, with a keyline, or bars."""
    short = min(base.shape[:2])
    width = max(5, round(short * generator.uniform(0.01, 0.08)))
    kind = generator.choice(("even", "even", "even", "bottom", "keyline", "bars"))
    color = _color(generator)
    if kind == "bottom":
        return _around(base, (width, width, round(width * generator.uniform(1.3, 2)), width), color)
    if kind == "bars":
        return _around(base, (width, 0, width, 0), color)
    if kind == "keyline":
        line = int(generator.integers(1, 4))
        keyline = (255, 255, 255) if sum(color) < 384 else (0, 0, 0)
        inner, _ = _around(base, (line,) * 4, keyline)
        return _around(inner, (width,) * 4, color)[0], (width + line,) * 4
    return _around(base, (width,) * 4, color)


def _thin(base, generator):
    return _around(base, (int(generator.integers(1, 5)),) * 4, _color(generator))


def _darkened(base, generator):
    gain = generator.uniform(0.12, 0.35)
    return np.clip((base / 255.0) ** 1.3 * 255 * gain, 0, 255).astype(np.uint8)


def _near_black(base, generator):
    level = int(generator.integers(0, 9))
    short = min(base.shape[:2])
    width = int(generator.integers(2, max(3, round(short * 0.08))))
    return _around(_darkened(base, generator), (width,) * 4, (level, level, level))


def _one_sided(base, generator):
    widths = [0, 0, 0, 0]
    widths[generator.integers(4)] = max(3, round(min(base.shape[:2]) * generator.uniform(0.01, 0.08)))
    return _around(base, tuple(widths), _color(generator))


def _plain(base, generator):
    """As it is, vignetted, on a seamless ground, or under a smooth sky."""
    kind = generator.choice(("as it is", "vignetted", "seamless", "sky"))
    height, width = base.shape[:2]
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    if kind == "vignetted":
        fall = np.clip(1.15 - generator.uniform(0.3, 0.8) * (rows**2 + columns**2), 0, 1)
        base = (base * fall[..., None]).astype(np.uint8)
    elif kind == "seamless":
        # A thing on white or black paper, as in a studio.
        ground = float(generator.choice((4, 250)))
        wobble = 0.06 * np.sin(5 * np.arctan2(rows, columns) + generator.uniform(0, 6))
        inside = np.clip((0.9 + wobble - np.hypot(rows, columns)) / 0.05, 0, 1)[..., None]
        base = (base * inside + ground * (1 - inside)).astype(np.uint8)
    elif kind == "sky":
        top = int(height * generator.uniform(0.1, 0.4))
        sky = np.linspace((70, 120, 190), (170, 200, 230), top)[:, None]
        fade = np.clip((np.arange(top) - top * 0.8) / (top * 0.2), 0, 1)[:, None, None]
        base = base.copy()
        base[:top] = sky * (1 - fade) + base[:top] * fade
    return base, (0, 0, 0, 0)


def _dark(base, generator):
    """Low key: dark all over, with corners that fall off to black."""
    dark = _darkened(base, generator).astype(np.float32)
    if generator.random() < 0.6:
        rows, columns = np.mgrid[-1 : 1 : base.shape[0] * 1j, -1 : 1 : base.shape[1] * 1j]
        dark *= np.clip(1.2 - generator.uniform(0.4, 1.0) * (rows**2 + columns**2), 0, 1)[..., None]
    return dark.astype(np.uint8), (0, 0, 0, 0)


def _wall(base, generator):
    """A plain wall, floor or sea that ends in a straight line along one side."""
    height, width = base.shape[:2]
    base = base.copy()
    deep = generator.uniform(0.02, 0.2)
    flat = np.array(generator.integers(20, 235, 3), np.float32)
    if generator.random() < 0.5:
        base[: round(height * deep)] = flat
    else:
        base[:, : round(width * deep)] = flat
    return with_grain(base, generator, generator.uniform(0.5, 2)), (0, 0, 0, 0)
