"""Text laid over a photo: a signature, a logo's name, a watermark, a date stamp.

What is written onto a picture afterwards stands on one level line, in one flat tone, near an edge. Text within the
scene, on boards and shop fronts, is seen from the side: its line slopes, and light and grain are on it. Rows of letters
that keep to all of the first are text; those that keep to most of it are read by tesseract, where it is installed, and
are text when it finds words in them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

from photos.errors import ReaderFailed
from photos.evidence import MARK, beside, shrunk
from photos.lettering import find_rows, stroke_strength

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from photos.lettering import Row

OVERLAY_TEXT_VERSION = 2
"""Raised whenever what follows changes, so that kept findings are made anew."""

_SIDE = 1600
_MARGIN = 0.1
_READ_LEVEL, _READ_SLOPE, _READ_FLAT, _READ_CONTRAST = 0.45, 0.12, 11.0, 55.0
_MOST_RISE = 2.0
_SURE_LETTERS, _SURE_LEVEL, _SURE_SLOPE = 6, 0.66, 0.12
_SURE_FLAT, _SURE_EVEN, _SURE_CONTRAST = 9.0, 20.0, 72.0
_READ_AT_ONCE = 8
_LETTER, _FAINT = 32, 0.4
_PADDING = 16
_MOST_WIDE = 3000
_LEAST_SURE = 70.0
_LEAST_READ = 5
_SECONDS = 20
_CORNER = 240


@dataclass(frozen=True, slots=True)
class OverlayText:
    """Text that was laid over a photo.

    Attributes:
        kind: `none`; `text`.
        confidence: 0-1, that this kind is right.
        box: Left, top, right and bottom of the row, as shares of the picture's sides, 0-1.
        words: What tesseract read, at most 80 characters; empty where it was not asked.
        reader: `tesseract`, or `shapes` when it is not installed and the letters' shapes alone told.
    """

    kind: Literal["none", "text"]
    confidence: float
    box: tuple[float, float, float, float] | None = None
    words: str = ""
    reader: Literal["tesseract", "shapes"] = "shapes"


NO_TEXT = OverlayText("none", 1.0)
"""Nothing was laid over it, or nobody looked."""


def installed_tesseract() -> Path | None:
    """Where tesseract is, when it is installed."""
    found = shutil.which("tesseract")
    return None if found is None else Path(found)


def find_text(pixels: NDArray[np.uint8], *, tesseract: Path | None) -> OverlayText:
    """Find text laid over a photo.

    Args:
        pixels: HxWx3, uint8, RGB, upright.
        tesseract: The program that reads; None for shapes alone, which is faster and finds less.

    Raises:
        ReaderFailed: tesseract was started and did not do its work.
    """
    reader: Literal["tesseract", "shapes"] = "shapes" if tesseract is None else "tesseract"
    grey = cv2.cvtColor(shrunk(pixels, _SIDE), cv2.COLOR_RGB2GRAY)
    rows = [row for row in find_rows(np.asarray(grey, np.uint8)) if _may_be_laid(row, grey.shape)]
    rows.sort(key=lambda row: (not _is_laid(row), -row.letters))
    words = [""] * len(rows)
    if tesseract is not None and rows:
        words[:_READ_AT_ONCE] = _read(tesseract, grey, rows[:_READ_AT_ONCE])
    for row, read in zip(rows, words, strict=True):
        if read or _is_laid(row):
            sure = 0.97 if read and _is_laid(row) else 0.9 if read else 0.87
            return OverlayText("text", sure, _shares(row.box, grey.shape), read[:80], reader)
    return OverlayText("none", 1.0, reader=reader)


def _may_be_laid(row: Row, shape: Sequence[int]) -> bool:
    """Whether a row is flat, level and at an edge enough to be read."""
    left, top, right, bottom = row.box
    apart = min(left, top, shape[1] - right, shape[0] - bottom)
    return (
        apart <= _MARGIN * min(shape[:2])
        and row.level >= _READ_LEVEL
        and abs(row.slope) <= _READ_SLOPE
        # In pixels too: what is laid over stands on them, and the most careful photo of a sign is askew by more.
        and abs(row.slope) * row.height <= _MOST_RISE
        and row.flat <= _READ_FLAT
        and row.contrast >= _READ_CONTRAST
    )


def _is_laid(row: Row) -> bool:
    """Whether its shape alone tells."""
    return (
        row.letters >= _SURE_LETTERS
        and row.level >= _SURE_LEVEL
        and abs(row.slope) <= _SURE_SLOPE
        and row.flat <= _SURE_FLAT
        and row.even <= _SURE_EVEN
        and row.contrast >= _SURE_CONTRAST
    )


def _read(tesseract: Path, grey: NDArray[np.uint8], rows: Sequence[Row]) -> list[str]:
    """The words of each row; all rows on one sheet, because a start costs a tenth of a second."""
    strengths = {light: stroke_strength(grey, light=light) for light in {row.light for row in rows}}
    strips = [_strip(strengths[row.light], row) for row in rows]
    width = max(strip.shape[1] for strip in strips)
    sheet = np.vstack(
        [np.pad(strip, ((0, 0), (0, width - strip.shape[1])), constant_values=255) for strip in strips]
    )
    ends = np.cumsum([strip.shape[0] for strip in strips])
    encoded = cv2.imencode(".png", sheet)[1].tobytes()
    found: list[list[str]] = [[] for _ in rows]
    for line in _tesseract(tesseract, encoded).splitlines()[1:]:
        cells = line.split("\t")
        if len(cells) < 12 or float(cells[10]) < _LEAST_SURE:  # noqa: PLR2004 - its columns
            continue
        middle = int(cells[7]) + int(cells[9]) / 2
        found[min(int(np.searchsorted(ends, middle)), len(rows) - 1)].append(cells[11])
    return [" ".join(words) if _is_writing(words) else "" for words in found]


def _is_writing(words: Sequence[str]) -> bool:
    """Texture is read too, but as signs and single letters."""
    signs = "".join(words)
    known = sum(sign.isascii() and sign.isalnum() for sign in signs)
    longest = max((len(word) for word in words), default=0)
    return known >= _LEAST_READ and longest >= 3 and known >= 0.7 * len(signs)  # noqa: PLR2004 - a short word


def _strip(strength: NDArray[np.uint8], row: Row) -> NDArray[np.uint8]:
    """A row as print: dark on light, letters of one height, with room around them."""
    left, top, right, bottom = row.box
    over, aside = round(row.height * 0.5), round(row.height * 1.2)
    cut = strength[max(0, top - over) : bottom + over, max(0, left - aside) : right + aside].astype(
        np.float32
    )
    # What is behind the letters turns white, and so do strokes much weaker than theirs.
    faint = _FAINT * row.contrast
    print_like = (255 - np.clip((cut - faint) / (row.contrast - faint) * 255, 0, 255)).astype(np.uint8)
    scale = min(_LETTER / row.height, _MOST_WIDE / print_like.shape[1])
    scaled = cv2.resize(print_like, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    return np.pad(np.asarray(scaled, np.uint8), _PADDING, constant_values=255)


def _tesseract(program: Path, picture: bytes) -> str:
    command = [str(program), "stdin", "stdout", "--psm", "6", "-l", "eng", "tsv"]
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments; the picture comes over standard input
            command,
            input=picture,
            capture_output=True,
            check=True,
            timeout=_SECONDS,
            # Several photos are read at once, each on one core.
            env={**os.environ, "OMP_THREAD_LIMIT": "1"},
        )
    except subprocess.CalledProcessError as error:
        said = " ".join(error.stderr.decode(errors="replace").split())[:200]
        ended = said or f"it ended with {error.returncode} and said nothing"
        raise ReaderFailed(
            f"{program} failed: {ended}; install tesseract-ocr with its English data"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise ReaderFailed(f"{program} took longer than {_SECONDS} s and was stopped") from error
    except OSError as error:
        raise ReaderFailed(f"{program} did not run: {error}; install tesseract-ocr anew") from error
    return done.stdout.decode("utf-8", errors="replace")


def _shares(box: tuple[int, int, int, int], shape: Sequence[int]) -> tuple[float, float, float, float]:
    left, top, right, bottom = box
    height, width = shape[:2]
    return (
        round(left / width, 4), round(top / height, 4), round(right / width, 4), round(bottom / height, 4)
    )  # fmt: skip


def draw_text(pixels: NDArray[np.uint8], found: OverlayText) -> NDArray[np.uint8]:
    """The evidence, HxWx3: the photo with a box around the text, beside the text enlarged.

    Args:
        pixels: What `find_text` looked at.
        found: What it found; not `none`.
    """
    assert found.box is not None  # noqa: S101 - what is none is not drawn
    small = shrunk(pixels)

    def within(picture: NDArray[np.uint8]) -> tuple[int, int, int, int]:
        height, width = picture.shape[:2]
        left, top, right, bottom = found.box or (0, 0, 1, 1)
        return (
            int(left * width),
            int(top * height),
            int(np.ceil(right * width)),
            int(np.ceil(bottom * height)),
        )

    left, top, right, bottom = within(pixels)
    text = pixels[top : max(bottom, top + 1), left : max(right, left + 1)]
    scale = _CORNER / max(text.shape[:2])
    size = max(1, round(text.shape[1] * scale)), max(1, round(text.shape[0] * scale))
    enlarged = cv2.resize(text, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    left, top, right, bottom = within(small)
    cv2.rectangle(small, (left - 2, top - 2), (right + 1, bottom + 1), MARK)
    return beside(small, np.asarray(enlarged, np.uint8))
