"""From comparisons of pairs to strengths that say how sure they are: Bradley-Terry with draws, by posterior mode.

The model (Davidson 1970, J. Am. Stat. Assoc. 65, on Bradley and Terry 1952, Biometrika 39): with
d = s_A - s_B, the outcomes A, B and draw of a pair have probabilities in the ratio exp(d) : exp(-d) : v. A pair asked
in both orders is one comparison, and a draw is what the two orders disagree on. That fits such a judge exactly: if
each answer prefers A with the odds exp(d), times or by exp(b) where A is shown first or second, then both name A, both
name B, or they disagree in just that ratio, with v = 2 cosh(b). A bias for a position makes draws and no strength.
Answers that are not independent change v too, so v is estimated: the intervals are as wide as the judge is unsure.
Of several judges each has a v of its own, and all have the strengths in common: one that answers by position says
little of strengths, and takes nothing from what the others say.

Every strength has a Gaussian prior around their common center, which keeps one undefeated, winless or unseen entry from
dragging the others to nothing, and gives it a finite strength and a wide interval of its own. The objective is convex;
its minimum is found by Newton's method with a line search; the steps of a large field come from conjugate gradients.

Intervals are the Gaussian approximation at the mode: the inverse of the centered Hessian. Places are drawn from
the same approximation, because the place of an entry depends on all the others (Goldstein and Spiegelhalter
1996, "League tables and their limitations", J. R. Stat. Soc. A 159).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from scipy import linalg, sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import cg

from imageworks.errors import ComparisonError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    Vector = NDArray[np.float64]
    Indexes = NDArray[np.int64]

Outcome = Literal["a", "b", "draw"]

PRIOR_SPREAD: Final = 2.5
"""Standard deviation of the prior of strengths, in logits.

Found by simulation: with true strengths spread by 0.3 to 2 and four to eight comparisons an entry, the 95 % intervals
hold the truth in 94 to 98 %; with a prior of 2 it was 92 % at the far end. A test holds it.
"""

PLACES_SPREAD: Final = 1.0
"""The same where places are read: the first of many owes something to luck, and a narrow prior takes it back.

With the prior of strengths, 95 % ranges of places held the truth in 87 % where strengths differ little.
"""

Z95: Final = 1.959963984540054

_DRAWS_ALIKE: Final = math.log(2)
"""Where the prior of log v lies: two answers that are independent and know no position."""

_DRAWS_PRECISION: Final = 1.0
_DENSE_UP_TO: Final = 500
"""Above so many entries a step is found by conjugate gradients, which need the links alone and no square matrix."""

_WIN: Final = {"a": 1.0, "b": -1.0, "draw": 0.0}
_DRAWS: Final = 4000
_TOLERANCE: Final = 1e-9
_ROUNDING: Final = 1e-12
_STEPS: Final = 60
_ENTROPY: Final = 20_260_101
"""Where the draws of places begin: the same comparisons give the same intervals."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One pair, decided in both orders; `outcome` names the better one, `judge` who of several decided it."""

    a: str
    b: str
    outcome: Outcome
    judge: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one entry stands.

    Attributes:
        entry_id: The entry.
        place: 1 is best; entries that nothing tells apart share the better place.
        place_low: The best place that is credible, at 95 %.
        place_high: The worst.
        strength: Logits; the mean of all is 0.
        strength_low: Lower end of the 95 % interval.
        strength_high: Upper end.
        wins: Comparisons won.
        draws: Comparisons drawn.
        losses: Comparisons lost.
        group: Number of the group within which comparisons link the entries; 0 is the largest.
        by_tie_break: Whether the comparisons do not tell it from one that has another place.
    """

    entry_id: str
    place: int
    place_low: int
    place_high: int
    strength: float
    strength_low: float
    strength_high: float
    wins: int
    draws: int
    losses: int
    group: int
    by_tie_break: bool

    @property
    def met(self) -> int:
        """How many comparisons the entry had."""
        return self.wins + self.draws + self.losses


@dataclass(frozen=True, slots=True)
class Ranking:
    """All standings, best first, and how the comparisons hang together.

    Attributes:
        standings: By place; those that share one, by `entry_id`.
        groups: Entries that comparisons link to one another, largest group first, each sorted. More than one
            means that places between groups rest on the prior alone.
        comparisons: How many there were.
    """

    standings: tuple[Standing, ...]
    groups: tuple[tuple[str, ...], ...]
    comparisons: int

    @property
    def connected(self) -> bool:
        """Whether every entry can be compared with every other through others."""
        return len(self.groups) <= 1


@dataclass(frozen=True)
class Fit:
    """The posterior of the strengths.

    Attributes:
        entries: Sorted.
        strengths: In the order of `entries`; they sum to the sum of the prior's means.
        log_draws: The logarithm of v, how readily a judge comes to a draw: one for each judge, by name.
        hessian: Second derivatives at the mode, of the strengths and then `log_draws`; sparse.
        precision: Of the prior of each strength.
    """

    entries: tuple[str, ...]
    strengths: Vector
    log_draws: Vector
    hessian: sparse.csr_array
    precision: float

    @cached_property
    def covariance(self) -> NDArray[np.float64]:
        """Of the strengths around their common center: a square matrix, too large for ten thousand."""
        count = len(self.entries)
        if not count:
            return np.zeros((0, 0))
        # The common center is no strength: its direction carries the prior's variance alone, and is taken out.
        covariance = linalg.inv(self.hessian.toarray())[:count, :count] - 1 / (self.precision * count)
        return np.asarray((covariance + covariance.T) / 2)

    @property
    def variances(self) -> Vector:
        """Of each strength around the common center."""
        return np.maximum(np.diag(self.covariance), 0.0)

    def draws(self, number: int) -> Vector:
        """So many readings of the strengths that the comparisons allow, each a row; the same at every call."""
        dice = np.random.default_rng(_ENTROPY)
        values, vectors = linalg.eigh(self.covariance)
        noise = dice.standard_normal((number, len(values))) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
        return np.asarray(self.strengths + noise)


def fit_places(entries: Collection[str], comparisons: Iterable[Comparison]) -> Fit:
    """The posterior that places are read from; see `fit`."""
    return fit(entries, comparisons, prior_spread=PLACES_SPREAD)


def reading_of_places(posterior: Fit, number: int) -> Indexes:
    """The places that so many readings of the strengths give each entry, 1 for the best; each reading a row."""
    places: Indexes = (-posterior.draws(number)).argsort(axis=1).argsort(axis=1) + 1
    return places


def information(lead: Vector, log_draws: float) -> Vector:
    """What one comparison tells of a lead of so many logits: the outcome's variance, with A as 1 and B as -1.

    Args:
        lead: Logits, of any shape.
        log_draws: Of the judge who is asked.
    """
    decided, wins = _chances(lead, log_draws)
    return decided - wins**2


def _chances(lead: Vector, log_draws: float | Vector) -> tuple[Vector, Vector]:
    """The chance that a pair is decided, and how much likelier A than B; overflows for no lead."""
    size = np.abs(lead)
    small, drawn = np.exp(-2 * size), np.exp(log_draws - size)
    total = 1 + small + drawn
    return (1 + small) / total, np.sign(lead) * (1 - small) / total


def _log_total(lead: Vector, log_draws: Vector) -> Vector:
    size = np.abs(lead)
    total: Vector = size + np.log1p(np.exp(-2 * size) + np.exp(log_draws - size))
    return total


@dataclass(frozen=True, slots=True)
class _Problem:
    """What the mode is sought of: comparisons as numbers, each pair once a judge, and the prior.

    `weight` is how often the pair met before that judge, `won` how much more often the first one won than the second,
    and `drawn` the number of draws. Values are the strengths and, last, the logarithm of each judge's v.
    """

    first: Indexes
    second: Indexes
    judge: Indexes
    judges: int
    weight: Vector
    won: Vector
    drawn: Vector
    means: Vector
    precision: float

    @property
    def count(self) -> int:
        """How many entries there are."""
        return len(self.means)

    def _by_judge(self, values: Vector) -> Vector:
        """The sum of each judge's."""
        if self.judges == 1:
            # Another order of adding has other last digits, and these may choose between pairs that teach the same:
            # a playoff of one judge would go another way than its kept answers.
            return np.array([values.sum()])
        return np.bincount(self.judge, values, self.judges).astype(np.float64)

    def objective(self, values: Vector) -> float:
        """Minus the logarithm of the posterior, less a constant."""
        strengths, log_draws = values[: self.count], values[self.count :]
        lead, own = strengths[self.first] - strengths[self.second], log_draws[self.judge]
        losses = self.weight * _log_total(lead, own) - self.won * lead - self.drawn * own
        return float(
            losses.sum()
            + self.precision / 2 * ((strengths - self.means) ** 2).sum()
            + _DRAWS_PRECISION / 2 * ((log_draws - _DRAWS_ALIKE) ** 2).sum()
        )

    def gradient(self, values: Vector) -> Vector:
        """The first derivatives."""
        strengths, log_draws = values[: self.count], values[self.count :]
        decided, wins = _chances(strengths[self.first] - strengths[self.second], log_draws[self.judge])
        surprise = self.weight * wins - self.won
        of_strengths = (
            np.bincount(self.first, surprise, self.count)
            - np.bincount(self.second, surprise, self.count)
            + self.precision * (strengths - self.means)
        )
        of_draws = self._by_judge(self.weight * (1 - decided) - self.drawn) + _DRAWS_PRECISION * (
            log_draws - _DRAWS_ALIKE
        )
        return np.append(of_strengths, of_draws)

    def hessian(self, values: Vector) -> sparse.csr_array:
        """The second derivatives."""
        strengths, log_draws = values[: self.count], values[self.count :]
        decided, wins = _chances(strengths[self.first] - strengths[self.second], log_draws[self.judge])
        link = self.weight * (decided - wins**2)
        crossed = -self.weight * wins * (1 - decided)
        everybody, draws = np.arange(self.count), self.count + np.arange(self.judges)
        own = self.precision + np.bincount(self.first, link, self.count)
        own += np.bincount(self.second, link, self.count)
        # Each entry with each judge, one judge after the other.
        size = self.count * self.judges
        border = np.bincount(self.judge * self.count + self.first, crossed, size) - np.bincount(
            self.judge * self.count + self.second, crossed, size
        )
        beside, above = np.tile(everybody, self.judges), np.repeat(draws, self.count)
        corner = self._by_judge(self.weight * decided * (1 - decided)) + _DRAWS_PRECISION
        rows = (self.first, self.second, everybody, beside, above, draws)
        columns = (self.second, self.first, everybody, above, beside, draws)
        entries = (-link, -link, own, border, border, corner)
        shape = (self.count + self.judges, self.count + self.judges)
        return sparse.coo_array(
            (np.concatenate(entries), (np.concatenate(rows), np.concatenate(columns))), shape=shape
        ).tocsr()

    def descend(self, values: Vector, step: Vector, gradient: Vector) -> Vector:
        """Along the step, halved until the objective falls enough (Armijo)."""
        here = self.objective(values)
        fall = float(gradient @ step)
        if fall <= _ROUNDING * abs(here):
            # No difference of objectives shows any more what the step gains: this near the mode Newton's own does.
            return values - step
        length = 1.0
        for _ in range(40):
            there = values - length * step
            if self.objective(there) <= here - 1e-4 * length * fall:
                return there
            length /= 2
        return values


def fit(
    entries: Collection[str],
    comparisons: Iterable[Comparison],
    *,
    prior_means: Mapping[str, float] | None = None,
    prior_spread: float = PRIOR_SPREAD,
) -> Fit:
    """The strengths' posterior: its mode and its curvature there. The order of entries and comparisons does not matter.

    Args:
        entries: All who take part, seen or not.
        comparisons: Any number, the same pair as often as it was asked, of any number of judges.
        prior_means: Where each entry's prior lies, in logits; none: all at 0.
        prior_spread: The prior's standard deviation.

    Raises:
        ComparisonError: A comparison of an entry with itself or with one that does not take part.
    """
    ordered = tuple(sorted(set(entries)))
    means = np.array([(prior_means or {}).get(entry, 0.0) for entry in ordered], dtype=np.float64)
    problem = _problem(ordered, comparisons, means, 1 / prior_spread**2)
    values, hessian = _mode(problem)
    return Fit(ordered, values[: problem.count], values[problem.count :], hessian, problem.precision)


def _problem(
    ordered: Sequence[str], comparisons: Iterable[Comparison], means: Vector, precision: float
) -> _Problem:
    position = {entry: index for index, entry in enumerate(ordered)}
    count = len(ordered)
    games = list(comparisons)
    try:
        one = np.array([position[game.a] for game in games], dtype=np.int64)
        other = np.array([position[game.b] for game in games], dtype=np.int64)
    except KeyError as missing:
        raise ComparisonError(f"A comparison names {missing}, which does not take part.") from None
    if (same := np.flatnonzero(one == other)).size:
        raise ComparisonError(f"{ordered[one[same[0]]]!r} was compared with itself.")
    outcomes = np.array([_WIN[game.outcome] for game in games], dtype=np.float64)
    outcomes[one > other] *= -1
    judges, judge = np.unique([game.judge for game in games] or [""], return_inverse=True)
    divisor = max(count, 1)
    keys = (judge[: len(games)] * divisor + np.minimum(one, other)) * divisor + np.maximum(one, other)
    pairs, where = np.unique(keys, return_inverse=True)
    weight, won, drawn = (
        np.bincount(where, each, len(pairs)).astype(np.float64)
        for each in (np.ones_like(outcomes), outcomes, outcomes == 0)
    )
    first, second = pairs // divisor % divisor, pairs % divisor
    return _Problem(first, second, pairs // divisor**2, len(judges), weight, won, drawn, means, precision)


def _mode(problem: _Problem) -> tuple[Vector, sparse.csr_array]:
    """The most probable values, and the matrix of second derivatives there."""
    values = np.append(problem.means, np.full(problem.judges, _DRAWS_ALIKE))
    for _ in range(_STEPS):
        gradient, hessian = problem.gradient(values), problem.hessian(values)
        if np.abs(gradient).max() < _TOLERANCE:
            break
        values = problem.descend(values, _newton_step(hessian, gradient), gradient)
    return values, hessian


def _newton_step(hessian: sparse.csr_array, gradient: Vector) -> Vector:
    if len(gradient) <= _DENSE_UP_TO:
        return np.asarray(linalg.cho_solve(linalg.cho_factor(hessian.toarray()), gradient))
    # A step that is not exact costs a step more; far from the mode an exact one gains nothing.
    step, _ = cg(hessian, gradient, rtol=1e-4, M=sparse.diags_array(1 / hessian.diagonal()))
    return np.asarray(step)


def rank_by_comparisons(
    entries: Collection[str],
    comparisons: Iterable[Comparison],
    *,
    tie_breaks: Mapping[str, float] | None = None,
) -> Ranking:
    """Rank entries by their comparisons, with 95 % intervals of strengths and places.

    An undefeated entry, one that won at least once and lost never, comes before all that are not, if the first place is
    credible for it and it was compared at least half as often as the typical entry of its group; several such are
    ranked among themselves by strength. Where comparisons fall into groups that nothing links, this counts in the
    largest group alone: who met nobody but one weak opponent is not first of all for that.

    Args:
        entries: All who take part, seen or not.
        comparisons: Decided pairs.
        tie_breaks: Higher is better, for entries of equal strength; what is equal here too shares a place.

    Raises:
        ComparisonError: A comparison of an entry with itself or with one that does not take part.
    """
    games = list(comparisons)
    posterior = fit(entries, games)
    ordered = posterior.entries
    position = {entry: index for index, entry in enumerate(ordered)}
    tallies = np.zeros((len(ordered), 3), dtype=np.int64)
    for game in games:
        one, other = position[game.a], position[game.b]
        if game.outcome == "draw":
            tallies[one, 1] += 1
            tallies[other, 1] += 1
        else:
            winner, loser = (one, other) if game.outcome == "a" else (other, one)
            tallies[winner, 0] += 1
            tallies[loser, 2] += 1
    groups, group_of = _groups(ordered, games, position)
    low, high = _credible_places(fit_places(ordered, games))
    undefeated = _undefeated(tallies, group_of) & (low == 1)
    breaks = tie_breaks or {}
    keys = [
        (not undefeated[index], -round(float(posterior.strengths[index]), 6), -breaks.get(entry, 0.0))
        for index, entry in enumerate(ordered)
    ]
    broken = _broken_ties(keys)
    order = sorted(range(len(ordered)), key=lambda index: (*keys[index], ordered[index]))
    places = _shared_places([keys[index] for index in order])
    margins = Z95 * np.sqrt(posterior.variances)
    standings = tuple(
        Standing(
            entry_id=ordered[index],
            place=place,
            place_low=min(place, int(low[index])),
            place_high=max(place, int(high[index])),
            strength=float(posterior.strengths[index]),
            strength_low=float(posterior.strengths[index] - margins[index]),
            strength_high=float(posterior.strengths[index] + margins[index]),
            wins=int(tallies[index, 0]),
            draws=int(tallies[index, 1]),
            losses=int(tallies[index, 2]),
            group=int(group_of[index]),
            by_tie_break=keys[index][:2] in broken,
        )
        for place, index in zip(places, order, strict=True)
    )
    return Ranking(standings, groups, len(games))


def _broken_ties(keys: Sequence[tuple[bool, float, float]]) -> set[tuple[bool, float]]:
    """What comparisons say of entries that they do not tell apart, and the tie break does."""
    breaks: dict[tuple[bool, float], set[float]] = {}
    for undefeated, strength, tie_break in keys:
        breaks.setdefault((undefeated, strength), set()).add(tie_break)
    return {alike for alike, values in breaks.items() if len(values) > 1}


def _groups(
    ordered: Sequence[str], games: Sequence[Comparison], position: Mapping[str, int]
) -> tuple[tuple[tuple[str, ...], ...], Indexes]:
    count = len(ordered)
    if count == 0:
        return (), np.zeros(0, dtype=np.int64)
    rows = [position[game.a] for game in games]
    columns = [position[game.b] for game in games]
    links = sparse.coo_array((np.ones(len(games)), (rows, columns)), shape=(count, count))
    number, label = connected_components(links, directed=False)
    members: list[list[str]] = [[] for _ in range(number)]
    for entry, group in zip(ordered, label, strict=True):
        members[group].append(entry)
    by_size = sorted(range(number), key=lambda group: (-len(members[group]), members[group][0]))
    renumbered = np.empty(number, dtype=np.int64)
    renumbered[by_size] = np.arange(number)
    return tuple(tuple(members[group]) for group in by_size), renumbered[label]


def _undefeated(tallies: Indexes, group_of: Indexes) -> NDArray[np.bool_]:
    """Who won and never lost, in a group that no other exceeds, and often enough for that to mean something."""
    met = tallies.sum(axis=1)
    never_lost = (tallies[:, 0] > 0) & (tallies[:, 2] == 0)
    sizes = np.bincount(group_of)
    counts = np.zeros(len(met), dtype=bool)
    for group in np.flatnonzero(sizes == sizes.max(initial=0)):
        inside = group_of == group
        counts |= inside & (met >= np.median(met[inside]) / 2)
    first: NDArray[np.bool_] = never_lost & counts
    return first


def _shared_places(keys: Sequence[tuple[bool, float, float]]) -> list[int]:
    places: list[int] = []
    for index, key in enumerate(keys):
        places.append(places[-1] if index and key == keys[index - 1] else index + 1)
    return places


def _credible_places(posterior: Fit) -> tuple[Indexes, Indexes]:
    """The 2.5 % and 97.5 % quantiles of each entry's place, over draws of all strengths."""
    count = len(posterior.entries)
    if count == 0:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    low, high = np.quantile(reading_of_places(posterior, _DRAWS), (0.025, 0.975), axis=0, method="nearest")
    return low.astype(np.int64), high.astype(np.int64)
