"""Small pictures for people who look at a materialization."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

if TYPE_CHECKING:
    from collections.abc import Sequence

HIGHEST_MARK = 20


def score_histogram(scores: Sequence[float]) -> bytes:
    """A PNG of how many entries got which mark, 0-20."""
    figure = Figure(figsize=(5.2, 1.9), dpi=96, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    counts = [sum(1 for score in scores if round(score) == mark) for mark in range(HIGHEST_MARK + 1)]
    axes.bar(range(HIGHEST_MARK + 1), counts, color="#3b6ea5", width=0.85)
    axes.set_xticks(range(0, HIGHEST_MARK + 1, 2))
    axes.set_xlabel("mark")
    axes.set_ylabel("entries")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
