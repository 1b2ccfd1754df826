"""How often the picture detectors are right, on labeled pictures cut from sources that they were not tuned on."""

from __future__ import annotations

from bordered_photos import border_tallies
from public_photos import HELD_OUT, HELD_OUT_IN_COLOR
from toned_photos import mono_scores

from bench.result import Result

SEED = 20_261


def run() -> list[Result]:
    """Score every detector."""
    return [*borders(), *monochrome()]


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
