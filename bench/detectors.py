"""How often the picture detectors are right, on labeled pictures cut from sources that they were not tuned on."""

from __future__ import annotations

import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from alike_photos import alike_scores, many_photos
from bordered_photos import border_tallies
from lettered_photos import lettered_photos, text_tally
from public_photos import HELD_OUT, HELD_OUT_IN_COLOR
from toned_photos import mono_scores

from bench.result import Result
from photos.likeness import describe, find_alike
from photos.overlay_text import find_text, installed_tesseract

if TYPE_CHECKING:
    from pathlib import Path

SEED = 20_261


def run() -> list[Result]:
    """Score every detector."""
    return [*borders(), *monochrome(), *likeness(), *text()]


def borders() -> list[Result]:
    tallies = border_tallies(HELD_OUT, each=80, seed=SEED)
    return [
        Result("borders_wide_f1", tallies["wide"].f1, "F1", 0.97, "at least"),
        Result("borders_thin_f1", tallies["thin"].f1, "F1", 0.95, "at least"),
        Result(
            "borders_near_black_precision", tallies["near-black"].precision, "precision", 0.99, "at least"
        ),
        Result("borders_near_black_recall", tallies["near-black"].recall, "recall"),
        Result("borders_one_sided_called_possible", tallies["possible"].recall, "recall"),
        Result("borders_possible_on_plain_photos", tallies["possible"].false_alarms / 80, "share"),
    ]


def monochrome() -> list[Result]:
    scores = mono_scores(HELD_OUT, HELD_OUT_IN_COLOR, each=60, seed=SEED + 1)
    goals = {"grey": 0.99, "toned": 0.95, "split": 0.8, "partial": 0.95, "color": 0.9}
    return [
        *(
            Result(f"mono_{family}_right", scores.right[family], "share", goal, "at least")
            for family, goal in goals.items()
        ),
        Result("mono_eligible_right", scores.eligible, "share", 0.94, "at least"),
        Result("mono_unsure", scores.unsure, "share", 0.05),
    ]


def likeness() -> list[Result]:
    scores = alike_scores(HELD_OUT, edits=8, frames=3, seed=SEED + 2)
    photos = many_photos(1000, seed=SEED)
    began = time.perf_counter()
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        find_alike(list(pool.map(describe, photos)))
    seconds = time.perf_counter() - began
    return [
        Result("likeness_same_f1", scores.same.f1, "F1", 0.97, "at least"),
        Result("likeness_same_precision", scores.same.precision, "precision", 0.99, "at least"),
        Result("likeness_frames_not_taken_for_the_same", scores.frames_told_apart, "share"),
        Result("likeness_frames_found", scores.frames_found, "share"),
        Result("likeness_1000_photos", seconds, "s", 30),
    ]


def text() -> list[Result]:
    found = _text("shapes", tesseract=None, recall=0.65, ms=250)
    tesseract = installed_tesseract()
    if tesseract is not None:
        found += _text("read", tesseract=tesseract, recall=0.8, ms=1500)
    return found


def _text(way: str, *, tesseract: Path | None, recall: float, ms: float) -> list[Result]:
    tally, placed = text_tally(HELD_OUT, each=200, seed=SEED + 3, tesseract=tesseract)
    seconds = []
    for photo in lettered_photos(HELD_OUT, each=6, seed=SEED + 4):
        began = time.perf_counter()
        find_text(photo.pixels, tesseract=tesseract)
        seconds.append(time.perf_counter() - began)
    return [
        Result(f"text_{way}_precision", tally.precision, "precision", 0.97, "at least"),
        Result(f"text_{way}_recall", tally.recall, "recall", recall, "at least"),
        Result(f"text_{way}_in_its_place", placed, "share"),
        Result(f"text_{way}_a_photo", statistics.median(seconds) * 1000, "ms", ms),
    ]
