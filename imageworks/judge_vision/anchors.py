"""Anchors: photos among the entries whose marks people know, and the marks of a round on the scale of these.

A straight line is fitted through the anchors by Theil and Sen's estimator, the median of the slopes of all pairs (Sen
1968, "Estimates of the regression coefficient based on Kendall's tau"): one anchor that the judge misses bends nothing.
It has to rise, so that no order is turned round. The line is told beside the judge's marks and never put in their
place.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from itertools import combinations
from pathlib import PurePosixPath
from statistics import fmean, median
from typing import TYPE_CHECKING, Final

from imageworks.counting import counted
from imageworks.judge_vision.competition import HIGHEST_MARK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imageworks.judge_vision.competition import Competition

FEWEST_ANCHORS: Final = 5
"""Anchors from which a line is fitted."""

FEWEST_SCORES: Final = 3
"""Different scores that the judge has to give them: two are no scale."""

ANCHOR: Final = "It is an anchor: people know its mark, and it takes no place."


def anchor_mark(file_name: str, competition: Competition) -> float | None:
    """The known mark of an entry that is an anchor, by its file's name without folders and ending; else None."""
    named = {name.casefold(): mark for name, mark in competition.anchor_marks.items()}
    stem = unicodedata.normalize("NFC", PurePosixPath(file_name).stem)
    return named.get(stem.casefold()) if named else None


@dataclass(frozen=True, slots=True)
class Anchored:
    """One anchor: its entry, what people gave it, and what the judge gave."""

    entry_id: str
    known: float
    score: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """A line from the judge's scores to marks on the scale of the anchors.

    Attributes:
        anchors: What it was fitted through.
        slope: Marks on that scale for one mark of the judge's; 0 or less where no line rises: then there is none.
        intercept: What 0 would be.
        error: Mean distance of the judge's own scores from the known marks.
        error_left_out: The same of calibrated marks, each anchor by a line through all others.
    """

    anchors: tuple[Anchored, ...]
    slope: float
    intercept: float
    error: float
    error_left_out: float | None

    def of(self, score: int) -> float:
        """A score on the scale of the anchors, 0-20, to a tenth."""
        return round(min(float(HIGHEST_MARK), max(0.0, self.intercept + self.slope * score)), 1)

    def words(self) -> str:
        """What it comes to, in sentences."""
        line = f"{self.slope:.2f} times the judge's score {self.intercept:+.1f}"
        told = (
            f"By {counted(len(self.anchors), 'anchor')} whose marks people know, a calibrated mark is {line}. The "
            f"judge's own scores are {self.error:.1f} marks from those of people on average"
        )
        if self.error_left_out is None:
            return f"{told}. Calibrated marks stand beside scores and decide nothing."
        better = "which is better" if self.error_left_out < self.error else "which is no better"
        return (
            f"{told}; an anchor that the line has not seen comes out {self.error_left_out:.1f} marks away, {better}. "
            "Calibrated marks stand beside scores and decide nothing."
        )


def calibrate(anchors: Sequence[Anchored]) -> Calibration | None:
    """Fit the line.

    Returns:
        None where there are fewer than `FEWEST_ANCHORS`, too few different scores, or no line that rises.
    """
    line = _line(anchors)
    if len(anchors) < FEWEST_ANCHORS or line is None:
        return None
    left_out = []
    for one in anchors:
        without = _line([other for other in anchors if other is not one])
        if without is not None:
            left_out.append(abs(without[1] + without[0] * one.score - one.known))
    return Calibration(
        anchors=tuple(anchors),
        slope=line[0],
        intercept=line[1],
        error=fmean(abs(one.score - one.known) for one in anchors),
        error_left_out=fmean(left_out) if len(left_out) == len(anchors) else None,
    )


def calibrated(calibration: Calibration | None, scores: Mapping[str, int]) -> dict[str, float]:
    """The marks of a round on the scale of the anchors, by entry; none without a line."""
    if calibration is None:
        return {}
    return {entry: calibration.of(score) for entry, score in scores.items()}


def _line(anchors: Sequence[Anchored]) -> tuple[float, float] | None:
    if len({one.score for one in anchors}) < FEWEST_SCORES:
        return None
    slope = median(
        (one.known - other.known) / (one.score - other.score)
        for one, other in combinations(anchors, 2)
        if one.score != other.score
    )
    if slope <= 0:
        return None
    return slope, median(one.known - slope * one.score for one in anchors)
