"""How often the picture detectors are right, on labeled pictures cut from sources that they were not tuned on."""

from __future__ import annotations

import time

from alike_photos import alike_scores, many_photos
from bordered_photos import border_tallies
from public_photos import HELD_OUT, HELD_OUT_IN_COLOR
from toned_photos import mono_scores

from bench.result import Result
from photos.likeness import describe, find_alike

SEED = 20_261


def run() -> list[Result]:
    """Score every detector."""
    return [*borders(), *monochrome(), *likeness()]


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
    goals = {"grey": 0.99, "toned": 0.95, "split": 0.8, "partial": 0.95, "color": 0.95}
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
    find_alike([describe(pixels) for pixels in photos])
    seconds = time.perf_counter() - began
    return [
        Result("likeness_same_f1", scores.same.f1, "F1", 0.97, "at least"),
        Result("likeness_same_precision", scores.same.precision, "precision", 0.99, "at least"),
        Result("likeness_frames_not_taken_for_the_same", scores.frames_told_apart, "share"),
        Result("likeness_frames_found", scores.frames_found, "share"),
        Result("likeness_1000_photos", seconds, "s", 30),
    ]
