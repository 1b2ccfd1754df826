"""Whether a round's marks lie elsewhere than those of earlier rounds of the same competition.

A difference can be the entries', the judge's, or chance: the interval tells about chance alone. It is Welch's for two
means of unequal spread, at 95 % (Welch 1947, "The generalization of 'Student's' problem").
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean, pvariance, quantiles
from typing import TYPE_CHECKING, Final

from imageworks.counting import counted
from imageworks.judge_vision.competition import HIGHEST_MARK

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_ROUNDS: Final = 5
"""Earlier rounds that one is compared with: the latest."""

FEWEST: Final = 5
"""Marks of a round from which it can be compared."""


@dataclass(frozen=True, slots=True)
class RoundMarks:
    """The marks of one round.

    Attributes:
        name: Its batch.
        scores: Of every entry that was marked, 0-20.
        models: Who marked them.
    """

    name: str
    scores: tuple[int, ...]
    models: tuple[str, ...]

    @property
    def mean(self) -> float:
        """The mean mark."""
        return fmean(self.scores)

    @property
    def quartiles(self) -> tuple[float, float, float]:
        """The lower quartile, the median, the upper quartile."""
        low, middle, high = quantiles(self.scores, n=4, method="inclusive")
        return low, middle, high

    def at(self) -> dict[str, float]:
        """Where its least and greatest mark, quartiles and median lie, in percent of the scale."""
        low, middle, high = self.quartiles
        marks = {
            "least": min(self.scores),
            "low": low,
            "middle": middle,
            "high": high,
            "most": max(self.scores),
        }
        return {name: round(2 + 96 * mark / HIGHEST_MARK, 2) for name, mark in marks.items()}


@dataclass(frozen=True, slots=True)
class Drift:
    """A round beside earlier ones of its competition.

    Attributes:
        rounds: The earlier ones, the oldest first, and then this one.
        difference: How much higher its mean is than that of all earlier marks.
        low: Lower end of the 95 % interval; None where all marks are equal, as with `high`.
        high: The upper end.
    """

    rounds: tuple[RoundMarks, ...]
    difference: float
    low: float | None
    high: float | None

    def words(self) -> str:
        """What it comes to, in sentences."""
        earlier = counted(len(self.rounds) - 1, "earlier round")
        way = "higher" if self.difference >= 0 else "lower"
        told = f"The mean mark is {abs(self.difference):.1f} {way} than in {earlier} of this competition"
        if self.low is None or self.high is None:
            told += "."
        else:
            told += f" (95 % interval {self.low:+.1f} to {self.high:+.1f})."
            if self.low <= 0 <= self.high:
                told += " Chance alone can make such a difference."
            else:
                told += " That is more than chance; the entries may differ, or the judge."
        models = {round_.models for round_ in self.rounds}
        if len(models) > 1:
            told += " The rounds were not marked by the same models, so marks are hard to compare."
        return told


def drift(now: RoundMarks, earlier: Sequence[RoundMarks]) -> Drift | None:
    """Compare a round with earlier ones.

    Args:
        now: The round.
        earlier: The oldest first; those with fewer than `FEWEST` marks are left out.

    Returns:
        None where there is too little to compare.
    """
    rounds = [each for each in earlier if len(each.scores) >= FEWEST][-MOST_ROUNDS:]
    if not rounds or len(now.scores) < FEWEST:
        return None
    before = [score for each in rounds for score in each.scores]
    difference = now.mean - fmean(before)
    low = high = None
    if pvariance(now.scores) + pvariance(before) > 0:
        # Not at the top: SciPy's statistics take a second to load.
        from scipy.stats import ttest_ind  # noqa: PLC0415 - see above

        interval = ttest_ind(now.scores, before, equal_var=False).confidence_interval(0.95)
        low, high = float(interval.low), float(interval.high)
    return Drift((*rounds, now), difference, low, high)
