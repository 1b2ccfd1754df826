"""Photos in grey, in one tint, in two, with a spot of color, and in color."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np
from public_photos import piece, through_jpeg

from photos.monochrome import find_monochrome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

Family = Literal["grey", "toned", "split", "partial", "color"]


@dataclass(frozen=True)
class TonedPhoto:
    family: Family
    pixels: NDArray[np.uint8]

    @property
    def eligible(self) -> bool:
        return self.family in ("grey", "toned")


def toned_photos(
    sources: Sequence[str], in_color: Sequence[str], *, each: int, seed: int
) -> Iterator[TonedPhoto]:
    """`each` pictures of every family; spots of color and color come from the sources in color."""
    generator = np.random.default_rng(seed)
    for family in ("grey", "toned", "split", "partial", "color"):
        names = in_color if family in ("partial", "color") else sources
        for _ in range(each):
            base = None
            while base is None:
                # Not every cut can be spoiled in this way: a starless night has no color to keep.
                source = names[generator.integers(len(names))]
                cut = piece(source, generator, long_side=int(generator.choice((640, 800))))
                base = _MAKERS[family](cut.astype(np.float32) / 255, generator)
            pixels = np.clip(np.round(base * 255), 0, 255).astype(np.uint8)
            yield TonedPhoto(family, through_jpeg(pixels, int(generator.integers(70, 97))))


def _mono(cut, generator):
    """A conversion to grey with weights as a filter before the lens gives, and a grade."""
    weights = generator.dirichlet((4, 6, 2)).astype(np.float32)
    grey = np.clip(cut @ weights, 0, 1) ** generator.uniform(0.7, 1.4)
    return grey[..., None]


def _chroma(base):
    lab = cv2.cvtColor(np.clip(base, 0, 1).astype(np.float32), cv2.COLOR_RGB2Lab)
    return np.hypot(lab[..., 1], lab[..., 2])


def _in_lab(grey, a, b):
    """A picture of this grey's lightness and these a* and b*."""
    lightness = cv2.cvtColor(np.repeat(grey, 3, axis=2).astype(np.float32), cv2.COLOR_RGB2Lab)[..., 0]
    lab = np.stack(
        [lightness, np.broadcast_to(a, lightness.shape), np.broadcast_to(b, lightness.shape)], axis=2
    )
    return cv2.cvtColor(lab.astype(np.float32), cv2.COLOR_Lab2RGB)


def _grey(cut, generator):
    grey = np.repeat(_mono(cut, generator), 3, axis=2)
    if generator.random() < 0.3:
        # Rounding on the way through another color space.
        grey = grey + generator.integers(-1, 2, grey.shape) / 255
    return grey


def _toned(cut, generator):
    """A tint over all, a gradient from black over one color to white, or a curve for each channel."""
    grey = _mono(cut, generator)
    hue, chroma = generator.uniform(0, 2 * np.pi), generator.uniform(7, 28)
    way = generator.choice(("tint", "gradient", "curves"))
    if way == "tint":
        fall = 4 * grey[..., 0] * (1 - grey[..., 0])
        fall = fall ** generator.uniform(0.2, 1)
        made = _in_lab(grey, chroma * np.cos(hue) * fall, chroma * np.sin(hue) * fall)
    elif way == "gradient":
        level = np.full((1, 1, 1), generator.uniform(0.35, 0.6), np.float32)
        middle = _in_lab(level, chroma * np.cos(hue), chroma * np.sin(hue))[0, 0]
        at = float(middle.mean())
        low, high = np.clip(grey / at, 0, 1), np.clip((grey - at) / (1 - at), 0, 1)
        made = low * middle * (1 - high) + high
    else:
        # Sepia: red lifted, blue lowered; or the other way round, as cold tones are.
        lift = generator.uniform(0.08, 0.35) * generator.choice((-1, 1))
        made = np.concatenate([grey ** (1 - lift), grey, grey ** (1 + lift)], axis=2)
    return made if np.median(_chroma(made)) > 4 else None


def _split(cut, generator):
    """Shadows in one hue, lights in another."""
    grey = _mono(cut, generator)
    hue = generator.uniform(0, 2 * np.pi)
    other = hue + generator.uniform(np.pi / 2, np.pi) * generator.choice((-1, 1))
    dark, light = generator.uniform(8, 24, 2)
    balance = generator.uniform(0.35, 0.6)
    mix = 1 / (1 + np.exp(-(grey[..., 0] - balance) / 0.08))
    a = (1 - mix) * dark * np.cos(hue) + mix * light * np.cos(other)
    b = (1 - mix) * dark * np.sin(hue) + mix * light * np.sin(other)
    if not 0.15 < float(mix.mean()) < 0.85:
        return None
    return _in_lab(grey, a, b)


def _partial(cut, generator):
    """Grey or toned, but for a spot that keeps its color."""
    mono = np.repeat(_mono(cut, generator), 3, axis=2) if generator.random() < 0.7 else _toned(cut, generator)
    if mono is None:
        return None
    height, width = cut.shape[:2]
    share = generator.uniform(0.01, 0.2)
    radius = np.sqrt(share / np.pi)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    middle = generator.uniform(0.2, 0.8, 2)
    away = np.hypot(rows / height - middle[0], columns / width - middle[1])
    spot = np.clip((radius - away) / 0.01, 0, 1)[..., None]
    # A spot that is grey in the original is no spot of color.
    if float(np.median(np.abs(_chroma(cut) - _chroma(mono))[spot[..., 0] > 0.5])) < 10:
        return None
    return mono * (1 - spot) + cut * spot


def _full_color(cut, generator):
    """As it is, muted, or in golden light."""
    way = generator.choice(("as it is", "muted", "golden"))
    if way == "muted":
        grey = cut @ np.array((0.299, 0.587, 0.114), np.float32)
        cut = grey[..., None] + (cut - grey[..., None]) * generator.uniform(0.35, 0.8)
    elif way == "golden":
        cut = cut * np.array((1.05, generator.uniform(0.75, 0.9), generator.uniform(0.35, 0.65)), np.float32)
    return cut


_MAKERS = {"grey": _grey, "toned": _toned, "split": _split, "partial": _partial, "color": _full_color}


@dataclass
class MonoScores:
    """Shares of right answers by family (a spot of color and color all over are both color), and overall."""

    right: dict[str, float]
    eligible: float
    unsure: float


def mono_scores(sources: Sequence[str], in_color: Sequence[str], *, each: int, seed: int) -> MonoScores:
    """How `find_monochrome` fares; what it is unsure of is no right answer, and counts apart."""
    right: Counter[str] = Counter()
    eligible = unsure = decided = 0
    for photo in toned_photos(sources, in_color, each=each, seed=seed):
        found = find_monochrome(photo.pixels)
        kind = "color" if found.kind == "partial" else found.kind
        right[photo.family] += kind == ("color" if photo.family == "partial" else photo.family)
        unsure += found.eligible is None
        decided += found.eligible is not None
        eligible += found.eligible is photo.eligible
    return MonoScores(
        {family: right[family] / each for family in _MAKERS}, eligible / decided, unsure / (unsure + decided)
    )
