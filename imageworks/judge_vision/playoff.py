"""Which entries meet in which round: pure, and the same again from the same scores, comparisons and seed.

A round pairs entries that have not met, so that the round as a whole teaches most: what a comparison teaches is how
open it is, p (1 - p), times how uncertain the difference of the two strengths is. That is the expected gain of a
Bradley-Terry fit to first order, and it makes neighbors meet. The matching is by integer programming, exact up
to a hundred entries.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.special import expit

from imageworks.errors import ComparisonError
from imageworks.judge_vision.ranking import Comparison, fit

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from imageworks.judge_vision.competition import Playoff
    from imageworks.judge_vision.ranking import Outcome

LOGITS_PER_MARK: Final = 0.35
"""How much one mark of a critique counts before anybody was compared; only pairing uses it, never the ranking."""

_PAIRING_SPREAD: Final = 1.5
_NEIGHBORS: Final = 12
"""Entries above and below that one may meet; more would only make the matching slower."""

_ROOM_FOR_TIES: Final = 1.5
_ANY_PAIR: Final = 100.0
"""A pair more is worth more than any better pair: nobody sits out who need not."""

_EXACT_UP_TO: Final = 100
_GAP_ABOVE: Final = 5e-4
"""Of many entries the best matching is approached: the last hundredth of a lesson took half a minute for 500."""

_PER_BYE: Final = 10.0
_LOTS: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry that may take part: eligible and with a critique.

    Attributes:
        entry_id: The entry.
        score: Marks, 0 to 20.
        weighted: The critique's three marks by their weights; orders equal scores.
    """

    entry_id: str
    score: int
    weighted: float


@dataclass(frozen=True, slots=True)
class Shortlist:
    """Who takes part, best first.

    Attributes:
        entries: Their ids.
        cut_by_lot: Entries left out although their marks equal those of somebody who is in.
    """

    entries: tuple[str, ...]
    cut_by_lot: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pair:
    """Two entries that meet; each pair is asked in both orders."""

    round: int
    a: str
    b: str

    @property
    def orders(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """Shown first and second: A before B, then B before A."""
        return (self.a, self.b), (self.b, self.a)

    def decided(self, outcome: Outcome) -> Comparison:
        """The pair with its outcome; see `comparing.combine`."""
        return Comparison(self.a, self.b, outcome)


def _lot(seed: int, *words: object) -> float:
    """A number in 0 to 1 from a seed and words: a drawing of lots that is the same on every machine."""
    text = "\0".join(str(word) for word in (seed, *words)).encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") / 2**64


def choose_shortlist(candidates: Iterable[Candidate], playoff: Playoff) -> Shortlist:
    """The best-scored entries.

    Those whose marks equal the last one's come in too while there is room for half as many again; otherwise lots
    are drawn among them from the seed, and those who lost are named.
    """
    seed = playoff.seed
    ordered = sorted(
        candidates,
        key=lambda each: (-each.score, -round(each.weighted, 6), _lot(seed, "shortlist", each.entry_id)),
    )
    size = playoff.shortlist
    if len(ordered) <= size:
        return Shortlist(tuple(each.entry_id for each in ordered))

    def marks(each: Candidate) -> tuple[int, float]:
        return each.score, round(each.weighted, 6)

    edge = marks(ordered[size - 1])
    with_ties = sum(1 for each in ordered if marks(each) >= edge)
    count = with_ties if with_ties <= size * _ROOM_FOR_TIES else size
    return Shortlist(
        tuple(each.entry_id for each in ordered[:count]),
        tuple(sorted(each.entry_id for each in ordered[count:] if marks(each) == edge)),
    )


def most_pairs(candidates: int, playoff: Playoff) -> int:
    """The most pairs that a section of so many candidates can come to, whatever their marks are.

    In a round each entry is in one pair at most, and no two meet again.
    """
    shortlisted = min(candidates, int(playoff.shortlist * _ROOM_FOR_TIES))
    return min(playoff.rounds * (shortlisted // 2), shortlisted * (shortlisted - 1) // 2)


def next_pairs(
    scores: Mapping[str, float],
    comparisons: Sequence[Comparison],
    *,
    round_number: int,
    seed: int = 0,
    undecided: Iterable[Pair] = (),
) -> tuple[Pair, ...]:
    """The pairs of a round, each entry at most once, none that met before; empty when all have met.

    A pair that was asked and got no valid answer has met: asked in every round again, one photo that no model can
    answer about would take the same neighbor's comparisons away.

    Args:
        scores: Everybody on the shortlist, with marks from 0 to 20.
        comparisons: All decided so far, in any order.
        round_number: 1 for the first.
        seed: Decides between pairings that teach the same.
        undecided: All pairs that were asked in vain.

    Raises:
        ComparisonError: A comparison or pair of somebody who is not on the shortlist, or with itself.
    """
    entries = sorted(scores)
    if len(entries) < 2:  # noqa: PLR2004 - a pair has two
        return ()
    mean = sum(scores.values()) / len(scores)
    posterior = fit(
        entries,
        comparisons,
        prior_means={entry: LOGITS_PER_MARK * (score - mean) for entry, score in scores.items()},
        prior_spread=_PAIRING_SPREAD,
    )
    meetings = _meetings(entries, [*comparisons, *undecided])
    open_pairs = _open_pairs(posterior.strengths.tolist(), meetings)
    if not open_pairs:
        return ()
    most_met = max(len(met) for met in meetings)
    worth = []
    for one, other in open_pairs:
        chance = float(expit(posterior.strengths[one] - posterior.strengths[other]))
        lesson = chance * (1 - chance) * posterior.variance_between(one, other)
        waited = 2 * most_met - len(meetings[one]) - len(meetings[other])
        lot = _lot(seed, round_number, entries[one], entries[other])
        worth.append(_ANY_PAIR + _PER_BYE * waited + lesson + _LOTS * lot)
    chosen = _best_matching(len(entries), open_pairs, worth)
    return tuple(Pair(round_number, entries[one], entries[other]) for one, other in chosen)


def _meetings(entries: Sequence[str], pairs: Iterable[Comparison | Pair]) -> list[set[int]]:
    position = {entry: index for index, entry in enumerate(entries)}
    met: list[set[int]] = [set() for _ in entries]
    for pair in pairs:
        one, other = position[pair.a], position[pair.b]
        met[one].add(other)
        met[other].add(one)
    return met


def _open_pairs(strengths: Sequence[float], meetings: Sequence[Collection[int]]) -> list[tuple[int, int]]:
    """Pairs that have not met, of entries near one another in strength; by position."""
    ladder = sorted(range(len(strengths)), key=lambda index: (-strengths[index], index))
    pairs = set()
    for rung, one in enumerate(ladder):
        below = (other for other in ladder[rung + 1 :] if other not in meetings[one])
        for _, other in zip(range(_NEIGHBORS), below, strict=False):
            pairs.add((min(one, other), max(one, other)))
    return sorted(pairs)


def _best_matching(
    count: int, pairs: Sequence[tuple[int, int]], worth: Sequence[float]
) -> list[tuple[int, int]]:
    """Pairs that together are worth most, no entry in two of them."""
    ends = np.array(pairs, dtype=np.int64)
    columns = np.arange(len(pairs))
    incidence = sparse.csr_array(
        (
            np.ones(2 * len(pairs)),
            (np.concatenate((ends[:, 0], ends[:, 1])), np.concatenate((columns, columns))),
        ),
        shape=(count, len(pairs)),
    )
    found = milp(
        -np.array(worth),
        integrality=np.ones(len(pairs), dtype=np.int64),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(incidence, -np.inf, np.ones(count)),
        options={"mip_rel_gap": 0.0 if count <= _EXACT_UP_TO else _GAP_ABOVE},
    )
    if found.x is None:
        raise ComparisonError(f"No pairing of {count} entries was found: {found.message}")
    return [pair for pair, taken in zip(pairs, found.x, strict=True) if taken > 0.5]  # noqa: PLR2004 - 0 or 1
