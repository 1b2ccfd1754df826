"""Signals of a 24 MP JPEG over its bare full decode, orientation and ICC profile on both sides; and all that is seen.

How long a photo takes where two are looked at at once, as stages do, and what one costs a core with every detector but
text: decoding, signals, borders, monochrome, likeness and the thumbnail.
"""

from __future__ import annotations

import io
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image, ImageCms

from bench.result import Result
from imageworks_dagster.comparing import thumbnail_pixels
from imageworks_dagster.picturing import THUMBNAIL
from photos.borders import find_borders
from photos.decoding import decode
from photos.likeness import describe
from photos.monochrome import find_monochrome
from photos.previews import preview
from photos.signals import measure

if TYPE_CHECKING:
    from collections.abc import Callable

WIDTH, HEIGHT = 6000, 4000
ROUNDS = 7
ORIENTATION_TAG = 0x0112
TURNED = 6
TWO_AT_ONCE = 125 / 133
"""What a photo may take where two are looked at at once, where its bare decode takes 133 ms."""


def run() -> list[Result]:
    """Measure both in turns, so that whatever else the machine does falls on both."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.jpg"
        path.write_bytes(photo_24_megapixels())
        data = np.frombuffer(path.read_bytes(), np.uint8)

        def bare() -> None:
            # OpenCV turns by EXIF itself; an sRGB profile asks for no conversion.
            cv2.imdecode(data, cv2.IMREAD_COLOR)

        def ours() -> None:
            measure(decode(path).pixels)

        def all_but_text() -> None:
            picture = decode(path)
            measure(picture.pixels)
            find_borders(picture.pixels)
            find_monochrome(picture.pixels)
            thumbnail = preview(picture, THUMBNAIL)
            describe(thumbnail_pixels(thumbnail.jpeg))

        bare_s, ours_s = interleaved(bare, ours)
        two_s = seconds_a_call(ours, at_once=2)
        (all_s,) = interleaved(all_but_text)
    return [
        Result("signals_over_bare_decode", ours_s / bare_s, "ratio", 2.5),
        Result("bare_decode_24mp", bare_s * 1000, "ms"),
        Result("signals_24mp", ours_s * 1000, "ms"),
        Result("signals_over_decode_on_top", (ours_s - bare_s) / bare_s, "ratio", 0.8),
        Result("signals_24mp_two_at_once", two_s * 1000, "ms a photo"),
        Result("signals_two_at_once_over_bare_decode", two_s / bare_s, "ratio", TWO_AT_ONCE),
        Result("stages_0_and_1_24mp_without_text", all_s * 1000, "ms a photo", 400),
    ]


def photo_24_megapixels() -> bytes:
    """A synthetic 24 MP JPEG with detail and grain, quality 92, turned by EXIF, with an sRGB profile."""
    generator = np.random.default_rng(7)
    coarse = generator.integers(0, 256, (HEIGHT // 40, WIDTH // 40, 3), np.uint8)
    pixels = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    grain = generator.normal(0, 5, (HEIGHT, WIDTH, 1)).astype(np.float32)
    picture = Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8))
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = TURNED
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=92, exif=exif, icc_profile=profile)
    return buffer.getvalue()


def seconds_a_call(function: Callable[[], None], *, at_once: int) -> float:
    """Seconds from call to call, with so many under way."""
    calls = at_once * ROUNDS
    with ThreadPoolExecutor(max_workers=at_once) as pool:
        began = time.perf_counter()
        for done in [pool.submit(function) for _ in range(calls)]:
            done.result()
    return (time.perf_counter() - began) / calls


def interleaved(*functions: Callable[[], None]) -> list[float]:
    """Median seconds of each function, called in turns."""
    seconds: list[list[float]] = [[] for _ in functions]
    for _ in range(ROUNDS):
        for times, function in zip(seconds, functions, strict=True):
            began = time.perf_counter()
            function()
            times.append(time.perf_counter() - began)
    return [statistics.median(times) for times in seconds]
