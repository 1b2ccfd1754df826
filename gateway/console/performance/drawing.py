"""Positions in pictures that the page draws: bars of latencies, and the timeline of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from gateway.console.performance.questions import Answer

WIDTH: Final = 1000
"""Units across; the page stretches them to its own width."""

_LANE: Final = 5
_GAP: Final = 18
_MOST_LANES: Final = 40
_STEPS: Final = (1, 2, 5)
_TICKS: Final = 6
_SHORTEST_MS: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Bar:
    """A request: where it begins, waits until, and ends, in units; and what it is."""

    x: float
    waited: float
    width: float
    y: float
    is_error: bool
    words: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A switch of models: where, and what."""

    x: float
    words: str


@dataclass(frozen=True, slots=True)
class Band:
    """The requests of one stage."""

    name: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """A run's requests in lanes, so that none covers another while there is room.

    Attributes:
        bars: The requests.
        bands: Where each stage has its lanes.
        marks: Loadings and unloadings.
        ticks: Positions with seconds since the first request.
        height: Of the whole, in units.
    """

    bars: Sequence[Bar]
    bands: Sequence[Band]
    marks: Sequence[Mark]
    ticks: Sequence[tuple[float, str]]
    height: float


def timeline(answer: Answer) -> Timeline | None:
    """The picture of a timeline; None where nothing was asked."""
    rows = answer.records
    requests = [row for row in rows if row["kind"] == "request"]
    if not requests:
        return None
    began = min(row["begun_at"] for row in rows)
    total = max([_ms(row["begun_at"], began) + row["ms"] for row in requests] + [_SHORTEST_MS])
    unit = WIDTH / total
    bars: list[Bar] = []
    bands: list[Band] = []
    top = 0.0
    for stage in dict.fromkeys(row["stage"] for row in requests):
        own = [row for row in requests if row["stage"] == stage]
        lanes = _lanes([(_ms(row["begun_at"], began), row["ms"]) for row in own])
        for row, lane in zip(own, lanes, strict=True):
            x, width = _ms(row["begun_at"], began) * unit, max(row["ms"] * unit, 0.8)
            waited = min(row["wait_ms"] * unit, width)
            words = f"{stage}, {row['model']}: {row['ms']:.0f} ms"
            if row["wait_ms"]:
                words += f", of them {row['wait_ms']:.0f} waiting for a lease"
            if row["detail"]:
                words += f"; {row['detail']}"
            bars.append(Bar(x, waited, width, top + _GAP + lane * _LANE, row["status"] == "error", words))
        height = _GAP + (max(lanes) + 1) * _LANE + 4
        bands.append(Band(stage, top, height))
        top += height
    marks = [
        Mark(
            min(max(_ms(row["begun_at"], began) * unit, 0.0), WIDTH),
            f"{row['kind'].replace('_', ' ')} {row['model']}: {row['detail']}",
        )
        for row in rows
        if row["kind"] != "request"
    ]
    return Timeline(bars, bands, marks, _ticks(total, unit), top)


def share(value: float | None, most: float) -> float:
    """A length on a scale that ends at the largest value, in percent."""
    return 0.0 if not value or not most else round(100 * value / most, 2)


def _lanes(spans: Sequence[tuple[float, float]]) -> list[int]:
    """For each span in order the first lane that is free; where all are taken, the one that is free first."""
    free: list[float] = []
    chosen = []
    for start, length in spans:
        lane = next((number for number, until in enumerate(free) if until <= start), None)
        if lane is None:
            if len(free) < _MOST_LANES:
                free.append(0.0)
                lane = len(free) - 1
            else:
                lane = free.index(min(free))
        free[lane] = max(free[lane], start + length)
        chosen.append(lane)
    return chosen


def _ticks(total_ms: float, unit: float) -> list[tuple[float, str]]:
    least = total_ms / _TICKS
    power = 1e-3
    while power * 10 <= least:
        power *= 10
    step = next((factor * power for factor in _STEPS if factor * power >= least), 10 * power)
    ticks = []
    at = 0.0
    while at <= total_ms:
        ticks.append((at * unit, f"{at / 1000:g} s"))
        at += step
    return ticks


def _ms(at: datetime, began: datetime) -> float:
    return (at - began).total_seconds() * 1000


def chart_series(answer: Answer, x: str, names: Sequence[str]) -> list[list[Any]]:
    """Columns for uPlot: positions first, then each series."""
    return [answer.column(x), *(answer.column(name) for name in names)]
