"""Milliseconds to write tags into a file for good: copy, proof, undo, fsync and rename, all in; and into a sidecar."""

from __future__ import annotations

import itertools
import os
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from bench.result import Result
from photos.metadata.exiftool import installed
from photos.metadata.fields import MetadataFields
from photos.metadata.writing import MetadataWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUNDS = 40
SMALL, LARGE = 600_000, 8_000_000
"""Bytes of the two JPEGs."""


def run() -> list[Result]:
    """Write other words into the same files again and again, beside a copy of the same file, synced and renamed."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as place, MetadataWriter() as writer:
        folder = Path(place)
        results = []
        for name, size, goal in (("0.6mb", SMALL, 5.0), ("8mb", LARGE, 30.0)):
            photo = folder / f"{name}.jpg"
            photo.write_bytes(jpeg(size))
            written = median_ms(partial(write, writer, photo, words()))
            copied = median_ms(partial(copy_for_good, photo))
            results += [
                Result(f"metadata_jpeg_{name}", written, "ms", goal),
                Result(f"metadata_jpeg_{name}_copy_alone", copied, "ms"),
            ]
        if installed():
            raw = folder / "photo.nef"
            raw.write_bytes(b"II*\0" + b"\0" * 1000)
            milliseconds = median_ms(partial(write, writer, raw, words()))
            results.append(Result("metadata_sidecar", milliseconds, "ms"))
    return results


def write(writer: MetadataWriter, photo: Path, fields: Iterator[MetadataFields]) -> None:
    """Write the next fields."""
    if not writer.write(photo, next(fields)).changed:
        raise AssertionError("nothing was written")


def words() -> Iterator[MetadataFields]:
    """Fields that differ each time."""
    for number in itertools.count():
        yield MetadataFields(
            title=f"Boats {number}",
            description=f"Two boats at the quay, the {number}th time.",
            keywords=("harbor", "boat", f"word {number}"),
        )


def jpeg(size: int) -> bytes:
    """A JPEG of about so many bytes: grain, as large as it has to be."""
    side = int((size / 0.475) ** 0.5)
    pixels = np.random.default_rng(3).integers(0, 256, (side, side, 3), np.uint8)
    data: bytes = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 60])[1].tobytes()
    return data


def copy_for_good(photo: Path) -> None:
    """The least that any safe writer does."""
    copy = photo.with_name("copy.jpg")
    copy.write_bytes(photo.read_bytes())
    for path, flags in ((copy, os.O_RDONLY), (photo.parent, os.O_RDONLY | os.O_DIRECTORY)):
        descriptor = os.open(path, flags)
        os.fsync(descriptor)
        os.close(descriptor)
        if path == copy:
            copy.replace(photo)


def median_ms(work: Callable[[], object]) -> float:
    """Median of ``ROUNDS`` after one that warms up."""
    seconds = []
    work()
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds) * 1000
