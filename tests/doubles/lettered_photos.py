"""Photos with text laid over them at an edge, and photos with none, or with text of their own on boards."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from public_photos import Tally, piece, through_jpeg, with_grain

from photos.overlay_text import find_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

FONTS = {
    "font_source_sans_pro": ("SourceSansPro-Regular", "SourceSansPro-Bold", "SourceSansPro-It"),
    "font_source_serif_pro": ("SourceSerifPro-Regular", "SourceSerifPro-BoldIt"),
    "font_caladea": ("Caladea-Regular", "Caladea-Italic"),
    "font_manrope": ("Manrope-Medium", "Manrope-ExtraBold"),
}
"""By the package that brings them: a machine's own would make other photos on each."""
TEXTS = (
    "© 2024 A. Weaver",
    "Jane Doe Photography",
    "www.example.org",
    "12.08.2019",
    "2021/05/17 18:32",
    "ORCHARD STUDIO",
    "J. Miller",
    "Copyright Northern Light Images",
    "Photo: Rivers",
    "SAMPLE",
)
SIGNS = ("BAKERY", "OPEN", "Market Street", "Station 4", "NO PARKING", "Fresh Fish", "Hotel Astoria", "EXIT")


@dataclass(frozen=True)
class LetteredPhoto:
    """A picture, and where text was laid over it: left, top, right, bottom."""

    family: Literal["text", "none", "board"]
    pixels: NDArray[np.uint8]
    box: tuple[int, int, int, int] | None = None


@cache
def fonts() -> tuple[str, ...]:
    """Paths of `FONTS`."""
    return tuple(
        str(files(package) / "files" / f"{name}.ttf") for package, names in FONTS.items() for name in names
    )


def lettered_photos(sources: Sequence[str], *, each: int, seed: int) -> Iterator[LetteredPhoto]:
    """`each` pictures with text, without any, and with text on boards, cut from the sources in turn."""
    generator = np.random.default_rng(seed)
    for family in ("text", "none", "board"):
        for number in range(each):
            base = piece(
                sources[number % len(sources)], generator, long_side=int(generator.integers(1000, 1900))
            )
            base = with_grain(base, generator, generator.uniform(1, 5))
            box = None
            if family == "text":
                base, box = _with_text(base, generator)
            elif family == "board":
                base = _with_board(base, generator)
            yield LetteredPhoto(family, through_jpeg(base, int(generator.integers(80, 96))), box)


def text_tally(
    sources: Sequence[str], *, each: int, seed: int, tesseract: Path | None
) -> tuple[Tally, float]:
    """How `find_text` fares, with or without tesseract; and the share of finds that lie where the text is."""
    tally, placed = Tally(), 0
    for photo in lettered_photos(sources, each=each, seed=seed):
        found = find_text(photo.pixels, tesseract=tesseract)
        tally.count(truth=photo.box is not None, found=found.kind == "text")
        if photo.box is not None and found.kind == "text" and found.box is not None:
            left, top, right, bottom = found.box
            height, width = photo.pixels.shape[:2]
            middle = (left + right) / 2 * width, (top + bottom) / 2 * height
            placed += photo.box[0] <= middle[0] <= photo.box[2] and photo.box[1] <= middle[1] <= photo.box[3]
    return tally, placed / max(1, tally.hits)


def _with_text(base, generator):
    """One line in a corner or at an edge: white, black or grey, clear or slightly see-through, with a shadow or not."""
    height, width = base.shape[:2]
    size = round(max(height, width) * generator.uniform(0.014, 0.045))
    font = ImageFont.truetype(str(generator.choice(fonts())), size)
    text = str(generator.choice(TEXTS))
    picture = Image.fromarray(base)
    left, top, right, bottom = ImageDraw.Draw(picture).textbbox((0, 0), text, font=font)
    margin = round(min(height, width) * generator.uniform(0.01, 0.06))
    across = generator.choice((margin, (width - right) // 2, width - right - margin))
    down = generator.choice((margin, height - bottom - margin))
    if generator.random() < 0.15:
        across, down = generator.choice((margin, width - right - margin)), (height - bottom) // 2
    place = int(max(0, across)), int(max(0, down))
    under = base[place[1] : place[1] + bottom, place[0] : place[0] + right]
    bright = float(under.mean()) if under.size else 128.0
    # People choose what can be read.
    level = int(generator.choice((255, 255, 200))) if bright < 140 else int(generator.choice((0, 0, 60)))
    layer = Image.new("L", picture.size, 0)
    ImageDraw.Draw(layer).text(place, text, font=font, fill=int(255 * generator.uniform(0.75, 1)))
    if generator.random() < 0.5:
        shadow = layer.filter(ImageFilter.GaussianBlur(size / 12))
        offset = max(1, size // 14)
        shade = 0 if level > 127 else 255
        picture.paste(Image.new("RGB", picture.size, (shade,) * 3), (offset, offset), shadow)
    picture.paste(Image.new("RGB", picture.size, (level,) * 3), (0, 0), layer)
    box = place[0] + left, place[1] + top, place[0] + right, place[1] + bottom
    return np.asarray(picture, np.uint8), box


def _with_board(base, generator):
    """A sign somewhere in the scene, seen from the side."""
    height, width = base.shape[:2]
    size = round(max(height, width) * generator.uniform(0.02, 0.06))
    font = ImageFont.truetype(str(generator.choice(fonts())), size)
    lines = [str(line) for line in generator.choice(SIGNS, int(generator.integers(1, 4)))]
    board_wide = int(max(font.getlength(line) for line in lines) + 2 * size)
    board_high = int(len(lines) * size * 1.3 + size)
    light = generator.random() < 0.5
    ground = generator.integers(150, 240, 3) if light else generator.integers(10, 90, 3)
    ink = generator.integers(0, 70, 3) if light else generator.integers(190, 255, 3)
    board = Image.new("RGB", (board_wide, board_high), tuple(int(value) for value in ground))
    draw = ImageDraw.Draw(board)
    for number, line in enumerate(lines):
        draw.text((size, size // 2 + number * size * 1.3), line, font=font, fill=tuple(int(v) for v in ink))
    shading = np.linspace(generator.uniform(0.6, 1), generator.uniform(0.6, 1), board_wide)[None, :, None]
    lit = np.clip(np.asarray(board) * shading, 0, 255).astype(np.uint8)
    shrink = min(1.0, 0.8 * width / board_wide, 0.8 * height / board_high)
    left = generator.uniform(0, width - board_wide * shrink)
    top = generator.uniform(0, height - board_high * shrink)
    ends = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * (board_wide * shrink, board_high * shrink)
    turn = np.radians(generator.choice((-1, 1)) * generator.uniform(1, 8))
    seen = ends @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) + (left, top)
    seen += generator.uniform(-0.12, 0.12, (4, 2)) * board_high * shrink
    source = np.array([[0, 0], [board_wide, 0], [board_wide, board_high], [0, board_high]], np.float32)
    onto = cv2.getPerspectiveTransform(source, seen.astype(np.float32))
    laid = cv2.warpPerspective(lit, onto, (width, height), flags=cv2.INTER_AREA)
    cover = cv2.warpPerspective(np.full(lit.shape[:2], 255, np.uint8), onto, (width, height)) / 255.0
    mixed = base * (1 - cover[..., None]) + laid * cover[..., None]
    soft = cv2.GaussianBlur(mixed, (0, 0), generator.uniform(0.4, 1.2))
    mixed = base * (1 - cover[..., None]) + soft * cover[..., None]
    return with_grain(np.clip(mixed, 0, 255).astype(np.uint8), generator, 2)
