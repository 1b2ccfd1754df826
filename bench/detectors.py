"""How often the picture detectors are right, on labeled pictures cut from sources that they were not tuned on."""

from __future__ import annotations

from bordered_photos import border_tallies
from public_photos import HELD_OUT

from bench.result import Result

SEED = 20_261


def run() -> list[Result]:
    """Score every detector."""
    return [*borders()]


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
