"""Which places are still open, how sure those are that matter, and which comparison would tell most about them.

All of it is read from the posterior of the strengths. Those that matter are the first places, 1 to k; between each of
them and the next lies an edge, and an edge is settled when nearly all readings of the comparisons put the same
entries above it. Two entries contest an edge as often as two such readings disagree which of them is above (the pair
that top-two sampling would compare: Russo 2016, "Simple Bayesian Algorithms for Best Arm Identification").

The worth of a comparison is by how much it narrows the differences that are contested, to first order: the
weighted variance of optimal design (V-optimality; Atkinson, Donev and Tobias 2007, "Optimum Experimental
Designs", chapter 10). So two that have met already are told apart through others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from imageworks.judge_vision.ranking import information, reading_of_places

if TYPE_CHECKING:
    from imageworks.judge_vision.ranking import Fit, Vector

SETTLED: Final = 0.95
"""How sure an edge has to be."""

_READINGS: Final = 2000


class Edges:
    """What the readings of one posterior say about the edges below the first places.

    Args:
        posterior: As `ranking.fit_places` gives it.
        places: How many first places matter; an edge below the last entry is none.
    """

    def __init__(self, posterior: Fit, places: int) -> None:
        self._posterior = posterior
        self._edges = range(1, min(places, len(posterior.entries) - 1) + 1)
        self._place = reading_of_places(posterior, _READINGS)

    def chances(self) -> tuple[float, ...]:
        """How sure it is, by edge, that those above it are the best ones."""
        best_first = np.argsort(-self._posterior.strengths, kind="stable")
        return tuple(
            float((self._place[:, best_first[:edge]] <= edge).all(axis=1).mean()) for edge in self._edges
        )

    def worth(self, leads: Vector, *, everybody: bool = False) -> Vector:
        """What comparing each two would tell about what is contested.

        Args:
            leads: Logits by which each is expected to beat each other: how open a comparison is.
            everybody: Whether to take all differences as contested alike, because too little is known of some.

        Returns:
            A symmetric matrix, not negative, 0 on its diagonal.
        """
        covariance = self._posterior.covariance
        between = _between(covariance)
        np.fill_diagonal(between, 1.0)
        contested = (
            np.ones_like(covariance) if everybody else sum(map(self._contested, self._edges)) / between
        )
        laplacian = np.diag(contested.sum(axis=1)) - contested
        # Of several judges nobody knows yet who will be asked.
        open_to = np.mean([information(leads, one) for one in self._posterior.log_draws], axis=0)
        narrowed = _between(covariance @ laplacian @ covariance)
        worth: Vector = np.maximum(open_to / (1 + open_to * between) * narrowed, 0.0)
        np.fill_diagonal(worth, 0.0)
        return worth

    def _contested(self, edge: int) -> Vector:
        above = (self._place <= edge).astype(np.float64)
        apart = above.T @ (1 - above) / len(above)
        contested: Vector = apart * apart.T
        return contested


def _between(covariance: Vector) -> Vector:
    """The variance of the difference of each two."""
    own = np.diag(covariance)
    between: Vector = own[:, None] + own[None, :] - 2 * covariance
    return between
