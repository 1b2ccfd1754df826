"""What every scorer is: pictures in, scores out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backends.iqa.metrics import Metric
    from backends.iqa.pictures import Prepared


@dataclass(frozen=True, slots=True)
class Score:
    """One picture's score by one metric, on that metric's scale.

    Attributes:
        mean: The score.
        std: Its spread, the standard deviation of the distribution that the network gives; None where it gives none.
    """

    mean: float
    std: float | None = None


class Scorer(Protocol):
    """A network with its weights. Called by one thread at a time."""

    metric: Metric
    at_once: int
    """Pictures that it takes at once."""

    def score(self, pictures: Sequence[Prepared]) -> list[Score]:
        """The pictures' scores, in order.

        Args:
            pictures: Prepared for the metric's network; at most `at_once`.
        """
