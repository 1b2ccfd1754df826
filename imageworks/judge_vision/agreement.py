"""How far people's marks agree with one another and with the judge's: pure, from marks to coefficients.

A coefficient that the marks do not determine (too few of them, or all of them equal) is None, never a number that
looks like one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from scipy.stats import rankdata, spearmanr

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Marks = NDArray[np.float64]

Level = Literal["ordinal", "interval"]

_FEWEST: Final = 3
"""Pairs below which a rank correlation is 1, -1 or nothing."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What one person gave one entry, 0 to 20."""

    judge: str
    entry_id: str
    mark: float


@dataclass(frozen=True, slots=True)
class WithJudge:
    """How the judge's scores agree with one person's marks, or with the mean of all people's.

    Attributes:
        name: The person's.
        marks: Entries that both marked.
        spearman: Rank correlation, -1 to 1.
        mean_error: Mean absolute difference, in marks.
        bias: Mean of score less mark: positive where the judge is kinder.
    """

    name: str
    marks: int
    spearman: float | None
    mean_error: float | None
    bias: float | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement within one category, or over all entries.

    Attributes:
        category: None: all entries.
        entries: Those that anybody marked.
        people: Each person with the judge, by name.
        panel: The mean of people's marks with the judge.
        places: Rank correlation of that mean with the places announced, 1 where the best-marked are placed first.
        concordance: Kendall's W among people, over the entries that all of them marked.
        marked_by_all: How many these are.
        alpha: Krippendorff's alpha among people, by level of measurement.
        alpha_with_judge: The same with the judge as one of them: lower than among people alone where the judge
            agrees with people less than they do with one another.
    """

    category: str | None
    entries: int
    people: tuple[WithJudge, ...]
    panel: WithJudge
    places: float | None
    concordance: float | None
    marked_by_all: int
    alpha: Mapping[Level, float | None]
    alpha_with_judge: Mapping[Level, float | None]


def agreements(
    marks: Sequence[Mark],
    *,
    scores: Mapping[str, float],
    places: Mapping[str, int],
    categories: Mapping[str, str],
) -> tuple[Agreement, ...]:
    """Agreement over all entries, then in each category where there are several.

    Args:
        marks: People's, one for a person and entry at most.
        scores: The judge's, by entry; one that has none counts among people alone.
        places: Those announced, by entry; within its category where these are ranked apart.
        categories: By entry.
    """
    several = sorted({categories.get(mark.entry_id, "") for mark in marks})
    whole = _agreement(None, marks, scores, {} if len(several) > 1 else places)
    if len(several) <= 1:
        return (whole,)
    apart = (
        _agreement(
            category,
            [mark for mark in marks if categories.get(mark.entry_id, "") == category],
            scores,
            places,
        )
        for category in several
    )
    return (whole, *apart)


def _agreement(
    category: str | None, marks: Sequence[Mark], scores: Mapping[str, float], places: Mapping[str, int]
) -> Agreement:
    by_person: dict[str, dict[str, float]] = defaultdict(dict)
    by_entry: dict[str, list[float]] = defaultdict(list)
    for mark in marks:
        by_person[mark.judge][mark.entry_id] = mark.mark
        by_entry[mark.entry_id].append(mark.mark)
    entries = sorted(by_entry)
    means = {entry: float(np.mean(by_entry[entry])) for entry in entries}
    table = np.array(
        [[by_person[person].get(entry, np.nan) for entry in entries] for person in sorted(by_person)]
    ).reshape(len(by_person), len(entries))
    complete = table[:, ~np.isnan(table).any(axis=0)]
    judged = np.vstack([table, [scores.get(entry, np.nan) for entry in entries]])
    placed = [entry for entry in entries if entry in places]
    return Agreement(
        category=category,
        entries=len(entries),
        people=tuple(_with_judge(person, by_person[person], scores) for person in sorted(by_person)),
        panel=_with_judge("mean of all people", means, scores),
        places=spearman([means[entry] for entry in placed], [-places[entry] for entry in placed]),
        concordance=kendall_w(complete),
        marked_by_all=complete.shape[1],
        alpha={
            "ordinal": krippendorff_alpha(table, "ordinal"),
            "interval": krippendorff_alpha(table, "interval"),
        },
        alpha_with_judge={
            "ordinal": krippendorff_alpha(judged, "ordinal"),
            "interval": krippendorff_alpha(judged, "interval"),
        },
    )


def _with_judge(name: str, marks: Mapping[str, float], scores: Mapping[str, float]) -> WithJudge:
    both = sorted(marks.keys() & scores.keys())
    differences = np.array([scores[entry] - marks[entry] for entry in both])
    return WithJudge(
        name=name,
        marks=len(both),
        spearman=spearman([marks[entry] for entry in both], [scores[entry] for entry in both]),
        mean_error=float(np.abs(differences).mean()) if both else None,
        bias=float(differences.mean()) if both else None,
    )


def spearman(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Spearman's rank correlation, equal values sharing their mean rank (Spearman 1904, Am. J. Psychol. 15).

    Returns:
        -1 to 1; None for fewer than three pairs, or where one side is all equal.
    """
    if len(one) < _FEWEST or len(set(one)) == 1 or len(set(other)) == 1:
        return None
    return float(spearmanr(one, other).statistic)


def kendall_w(marks: Marks) -> float | None:
    """Kendall's coefficient of concordance, corrected for ties (Kendall and Babington Smith 1939).

    With the sum S of squared deviations of the entries' sums of ranks, for m people and n entries, W is
    12 S / (m² (n³ - n) - m Σ (t³ - t)), where t goes over the groups of equal marks of each person (Siegel and
    Castellan 1988, "Nonparametric Statistics", section 9.6).

    Args:
        marks: A row for each person, a column for each entry, none missing.

    Returns:
        0 to 1; None for fewer than two people or entries, or where everybody gives all the same mark.
    """
    people, entries = marks.shape
    if people < 2 or entries < 2:  # noqa: PLR2004 - nothing to agree on
        return None
    ranks = rankdata(marks, axis=1)
    sums = ranks.sum(axis=0)
    ties = sum(count**3 - count for row in marks.tolist() for count in Counter(row).values())
    most = people**2 * (entries**3 - entries) - people * ties
    if most == 0:
        return None
    return float(12 * ((sums - sums.mean()) ** 2).sum() / most)


def krippendorff_alpha(marks: Marks, level: Level) -> float | None:
    """Krippendorff's alpha: 1 less the disagreement observed by that expected by chance; marks may be missing.

    By the matrix of coincidences (Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability"): the difference of
    two values is squared on an interval scale; on an ordinal one it is the number of values from one to the other,
    those at the ends counted half.

    Args:
        marks: A row for each person, a column for each entry, NaN where there is none.
        level: What the numbers mean: `ordinal` takes their order alone.

    Returns:
        1 for full agreement, 0 for that of chance, below for less; None where no entry has two marks, or all marks
        are equal.
    """
    pairable = [column[~np.isnan(column)] for column in marks.T]
    pairable = [column for column in pairable if len(column) > 1]
    if not pairable:
        return None
    values, where = np.unique(np.concatenate(pairable), return_inverse=True)
    coincidences = np.zeros((len(values), len(values)))
    ends = np.cumsum([0, *map(len, pairable)])
    for start, end in pairwise(ends):
        counts = np.bincount(where[start:end], minlength=len(values)).astype(np.float64)
        coincidences += (np.outer(counts, counts) - np.diag(counts)) / (end - start - 1)
    frequency = coincidences.sum(axis=1)
    scale = np.cumsum(frequency) - frequency / 2 if level == "ordinal" else values
    difference = (scale[:, None] - scale[None, :]) ** 2
    expected = float((np.outer(frequency, frequency) * difference).sum())
    if expected == 0:
        return None
    observed = float((coincidences * difference).sum())
    return float(1 - (frequency.sum() - 1) * observed / expected)
