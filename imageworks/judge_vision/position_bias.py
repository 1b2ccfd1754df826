"""Whether a judge prefers the photo that it is shown first, or second, whatever the photos are.

Of a pair that is asked in both orders, both answers may name the same position. By the model of `ranking`, both
name the first with the odds exp(2 b) against both naming the second, whatever the strengths are (the test of McNemar
1947, Psychometrika 12, is on the same two counts). So the counts of the two alone tell b. Pairs with an answer `draw`
tell less and are left out.

The interval is that of Jeffreys (Brown, Cai and DasGupta 2001, "Interval Estimation for a Binomial Proportion",
Statistical Science 16).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, Field
from scipy.special import betaincinv, expit, logit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imageworks.judge_vision.comparing import Winner

_HALF: Final = 0.5


class PositionBias(BaseModel):
    """How a judge's answers hang on the order of showing. Shares are of pairs of equals, 0 to 1; 0.5: not at all."""

    model_config = ConfigDict(frozen=True)

    pairs: int = Field(description="Pairs with a valid answer in both orders.")
    first_twice: int = Field(description="Pairs of which both answers name the photo shown first.")
    second_twice: int = Field(description="Pairs of which both answers name the photo shown second.")
    logits: float = Field(description="b: the log odds of the one shown first, of two equals.")
    share: float = Field(description="How often the one shown first is preferred, of two equals.")
    share_low: float = Field(description="Lower end of the 95 % interval.")
    share_high: float = Field(description="Upper end of the 95 % interval.")

    @property
    def shown(self) -> bool:
        """Whether the interval leaves no room for a judge without a bias."""
        return not self.share_low <= _HALF <= self.share_high

    def words(self, judge: str = "") -> str:
        """Sentences for people.

        Args:
            judge: What to call it, where there are several.
        """
        verdict = (
            f"{judge or 'The judge'} prefers the photo that is shown {'first' if self.share > _HALF else 'second'}"
            if self.shown
            else f"{judge} shows no preference for a position"
            if judge
            else "No preference for a position shows"
        )
        return (
            f"{verdict}: of two equals it would take the first in {100 * self.share:.0f} % "
            f"(95 % interval {100 * self.share_low:.0f} to {100 * self.share_high:.0f}). "
            f"Of {self.pairs} pairs, both answers named the photo shown first in {self.first_twice} "
            f"and the one shown second in {self.second_twice}; these count as draws."
        )


def position_bias(answers: Iterable[tuple[Winner | None, Winner | None]]) -> PositionBias | None:
    """What the two answers of each pair say about the order of showing; None without any pair that has both.

    Args:
        answers: Of each pair, the winner when A was shown first, and when B was.
    """
    both = [pair for pair in answers if None not in pair]
    if not both:
        return None
    first, second = both.count(("first", "first")), both.count(("second", "second"))
    # Half a pair on either side: a count of none is no certainty.
    twice = (first + _HALF) / (first + second + 1)
    low, high = (float(betaincinv(first + _HALF, second + _HALF, at)) for at in (0.025, 0.975))
    logits = float(logit(twice)) / 2
    return PositionBias(
        pairs=len(both),
        first_twice=first,
        second_twice=second,
        logits=round(logits, 6),
        share=round(float(expit(logits)), 6),
        share_low=round(_share(low), 6),
        share_high=round(_share(high), 6),
    )


def _share(twice: float) -> float:
    """From the share among pairs answered by position to that of single answers."""
    if twice in {0.0, 1.0}:
        return float(twice)
    return 1 / (1 + math.exp(-float(logit(twice)) / 2))
