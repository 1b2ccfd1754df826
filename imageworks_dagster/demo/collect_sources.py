"""Make the committed source pictures from scikit-image's package data.

Run by a developer, seldom: `python -m imageworks_dagster.demo.collect_sources`. scikit-image is a
development dependency, so the demo itself reads what this wrote. Only pictures whose license is CC0 or
public domain by scikit-image's own notes are taken; SOURCES.md beside this file records each.
"""

from __future__ import annotations

from pathlib import Path

import cv2
from rich import print as say
from skimage import data

from store.publishing import publish_file

SOURCES = Path(__file__).parent / "sources"
LARGEST_SIDE = 800
LARGEST_FILE = 120 * 1024

PICTURES = (
    "astronaut",
    "brick",
    "camera",
    "chelsea",
    "clock",
    "coffee",
    "grass",
    "gravel",
    "hubble_deep_field",
    "retina",
    "rocket",
)


def shrunk(name: str) -> bytes:
    """One picture as a JPEG within `LARGEST_SIDE` and `LARGEST_FILE`, at the best quality that fits."""
    pixels = getattr(data, name)()
    if pixels.ndim == 3:  # noqa: PLR2004 - rows, columns, channels
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    scale = LARGEST_SIDE / max(pixels.shape[:2])
    if scale < 1:
        pixels = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    for quality in range(92, 40, -4):
        _, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if encoded.size <= LARGEST_FILE:
            break
    return bytes(encoded)


def main() -> None:
    """Write all of them."""
    for name in PICTURES:
        picture = shrunk(name)
        publish_file(SOURCES / f"{name}.jpg", picture)
        say(f"{name}.jpg: {len(picture):,} bytes")


if __name__ == "__main__":
    main()
