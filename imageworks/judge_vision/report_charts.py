"""What a report draws of a ranking: strengths with their intervals, and how many entries got each mark."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from imageworks.judge_vision.competition import HIGHEST_MARK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imageworks.judge_vision.results import ResultRow


def place_range(row: ResultRow) -> str:
    """The places that are credible for a row, in words."""
    if row.place_low is None or row.place_high is None:
        return ""
    return str(row.place_low) if row.place_low == row.place_high else f"{row.place_low} to {row.place_high}"


def ordinal(place: int) -> str:
    """A place as it is said: 1st, 2nd, 3rd, 11th."""
    suffix = "th" if place % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{suffix}"


def interval_chart(ranked: Sequence[tuple[object, ResultRow]]) -> dict[str, Any] | None:
    """Positions, in percent of the width, of every strength with its interval.

    Args:
        ranked: What the page shows of an entry, with its row.

    Returns:
        None without a playoff.
    """
    rows = []
    for card, row in ranked:
        low, mid, high = row.strength_low, row.strength, row.strength_high
        if low is not None and mid is not None and high is not None:
            rows.append((card, low, mid, high, place_range(row)))
    if not rows:
        return None
    least, most = min(row[1] for row in rows), max(row[3] for row in rows)
    span = max(most - least, 1e-9)

    def at(strength: float) -> float:
        return round(2 + 96 * (strength - least) / span, 2)

    return {
        "zero": at(0.0),
        "rows": [
            {"card": card, "low": at(low), "mid": at(mid), "high": at(high), "places": places}
            for card, low, mid, high, places in rows
        ],
    }


def histogram(scores: Sequence[int]) -> dict[str, Any] | None:
    """How many entries got each mark: bars in a box of 420 by 120 units."""
    if not scores:
        return None
    counts = Counter(scores)
    first, last = min(counts), max(counts)
    first, last = max(0, min(first, last - 5)), min(HIGHEST_MARK, max(last, first + 5))
    marks = range(first, last + 1)
    tallest = max(counts.values())
    width = 420 / len(marks)
    bars = [
        {
            "mark": mark,
            "count": counts[mark],
            "x": round(index * width + width * 0.14, 2),
            "middle": round((index + 0.5) * width, 2),
            "width": round(width * 0.72, 2),
            "height": round(78 * counts[mark] / tallest, 2),
            "top": round(98 - 78 * counts[mark] / tallest, 2),
        }
        for index, mark in enumerate(marks)
    ]
    return {"bars": bars, "mean": round(sum(scores) / len(scores), 1), "count": len(scores)}
