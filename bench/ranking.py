"""How right a playoff of simulated judges is, how often its intervals hold the truth, and how long a large fit takes.

Each answer of the judge prefers a photo by the odds exp(lead), times or by exp(0.5) where it is shown first or second:
between equals it takes the first in 62 of 100. A comparison is a pair in both orders. Strengths are normal with a
spread of one logit; in the rounds that count, the first three are lifted until one logit lies between the third and
the fourth. That leaves the order of the three open, so that all comparisons are spent; how early a playoff can stop
is told by one in which only the first place matters and its holder is two logits ahead.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from bench.result import Result
from imageworks.judge_vision.competition import Playoff
from imageworks.judge_vision.playoff import next_pairs
from imageworks.judge_vision.ranking import Comparison, fit, rank_by_comparisons

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from imageworks.judge_vision.ranking import Ranking

ROUNDS, UNGAPPED, AHEAD = 200, 60, 20
ENTRIES = 40
ROUND_ROBIN = ENTRIES * (ENTRIES - 1) // 2
BIAS = 0.5
MANY, COMPARED = 10_000, 100_000


def run() -> list[Result]:
    """Play many rounds by the platform's own pairing, and fit one large field."""
    found, used = zip(*(first_places(np.random.default_rng(seed)) for seed in range(ROUNDS)), strict=True)
    held = [one for seed in range(UNGAPPED) for one in intervals(np.random.default_rng([1, seed]))]
    ahead = [first_places(np.random.default_rng([2, seed]), 1, gap=2.0)[1] for seed in range(AHEAD)]
    return [
        Result("true first three found", 100 * float(np.mean(found)), "% of 200 rounds", 95, "at least"),
        Result("comparisons, of a round robin's", 100 * max(used) / ROUND_ROBIN, "% at most", 50),
        Result("comparisons, of a round robin's", 100 * float(np.mean(used)) / ROUND_ROBIN, "% on average"),
        Result("where one is two logits ahead", 100 * float(np.mean(ahead)) / ROUND_ROBIN, "% on average"),
        Result("95 % intervals hold the truth", 100 * float(np.mean(held)), "%", 93, "at least"),
        Result("95 % intervals hold the truth", 100 * float(np.mean(held)), "%", 97),
        Result(f"fit of {MANY} entries", large_fit(np.random.default_rng(2)), "s", 1.0),
    ]


def first_places(dice: Generator, places: int = 3, *, gap: float = 1.0) -> tuple[bool, int]:
    """Whether a playoff finds who is truly among the first, and how many comparisons it took."""
    truth = strengths(dice)
    best = np.argsort(-truth)
    truth[best[:places]] += gap - (truth[best[places - 1]] - truth[best[places]])
    ranking = playoff(truth, dice, places)
    first = {int(standing.entry_id) for standing in ranking.standings[:places]}
    return first == set(best[:places].tolist()), ranking.comparisons


def intervals(dice: Generator) -> list[bool]:
    """Whether each strength of a field without a gap lies in its interval."""
    truth = strengths(dice)
    truth -= truth.mean()
    return [
        bool(each.strength_low <= truth[int(each.entry_id)] <= each.strength_high)
        for each in playoff(truth, dice, places=3).standings
    ]


def strengths(dice: Generator) -> NDArray[np.float64]:
    """Of a field, in logits."""
    return dice.normal(0, 1, ENTRIES)


def playoff(truth: NDArray[np.float64], dice: Generator, places: int) -> Ranking:
    """A whole playoff, entries named by their numbers, all with the same marks."""
    # One round less than half of a round robin.
    rules = Playoff(rounds=ENTRIES // 2 - 1, shortlist=ENTRIES, places=places)
    marks = {f"{number:02}": 15.0 for number in range(len(truth))}
    games: list[Comparison] = []
    number = 1
    while pairs := next_pairs(marks, games, rules, round_number=number):
        games += [judged(pair.a, pair.b, truth[int(pair.a)] - truth[int(pair.b)], dice) for pair in pairs]
        number += 1
    return rank_by_comparisons(marks, games)


def judged(a: str, b: str, lead: float, dice: Generator) -> Comparison:
    """One pair in both orders."""
    says = dice.random(2) < 1 / (1 + np.exp(-(lead + np.array([BIAS, -BIAS]))))
    return Comparison(a, b, "a" if says.all() else "draw" if says.any() else "b")


def large_fit(dice: Generator) -> float:
    """Seconds for the strengths of many entries; the best of three fits."""
    truth = dice.normal(0, 1, MANY)
    names = [f"{number:05}" for number in range(MANY)]
    ends = dice.integers(0, MANY, (COMPARED, 2))
    games = [
        judged(names[one], names[other], truth[one] - truth[other], dice)
        for one, other in ends[ends[:, 0] != ends[:, 1]]
    ]
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        fit(names, games)
        seconds.append(time.perf_counter() - began)
    return min(seconds)
