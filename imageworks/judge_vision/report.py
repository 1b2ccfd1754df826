"""The report of a competition: one HTML file to open, project, print or send, with its pictures inside."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from imageworks import signal_bands as bands
from imageworks.judge_vision.competition import HIGHEST_MARK, Competition
from imageworks.judge_vision.results import BREAKS_THE_RULES
from imageworks.page import data_uri, render_page
from imageworks.signal_bands import rounded_signals, word_for
from imageworks.signal_words import percent, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from imageworks.judge_vision.compliance import Compliance
    from imageworks.judge_vision.critiquing import Critique
    from imageworks.judge_vision.results import Result, ResultRow, Section
    from imageworks.run_facts import RunFacts

_PODIUM: Final = 3
_NO_CATEGORY: Final = "Without a category"


@dataclass(frozen=True)
class ReportEntry:
    """One entry as the report shows it.

    Attributes:
        entry_id: As in the result's rows.
        title: Without the author.
        file_name: As handed in; shown small, after judging.
        category: Empty when the competition has none.
        thumbnail: JPEG, PNG or WebP, some 480 pixels on the long side; None when it could not be opened.
        large: The same, some 1024 pixels, for the podium; None: the thumbnail is used.
        critique: None when there is no valid one.
        compliance: Its findings.
        signals: As measured; None when it was not.
    """

    entry_id: str
    title: str
    file_name: str
    category: str = ""
    thumbnail: bytes | None = None
    large: bytes | None = None
    critique: Critique | None = None
    compliance: Compliance | None = None
    signals: Mapping[str, object] | None = None


@dataclass(frozen=True)
class _Meter:
    """A measured signal on a scale; positions in percent of its width."""

    name: str
    word: str
    value: str
    at: float
    start: float | None = None


@dataclass(frozen=True)
class _View:
    """What is ranked together, ready to print: all entries, or those of one category.

    `suffix` goes behind the anchors of its headings.
    """

    heading: str
    suffix: str
    explanation: tuple[str, ...]
    comparisons: int
    playoff_entries: int
    cards: list[_Card]
    podium: list[_Card]
    awards: list[tuple[str, int, int]]
    chart: dict[str, Any] | None
    histogram: dict[str, Any] | None


@dataclass(frozen=True)
class _Card:
    """An entry with its row, ready to print."""

    anchor: str
    entry: ReportEntry
    row: ResultRow
    picture: str | None
    large: str | None
    award_rank: int | None
    meters: tuple[_Meter, ...]

    @property
    def places(self) -> str:
        """The credible places, `3` or `2 to 7`; empty without a place."""
        return place_range(self.row)

    @property
    def reason(self) -> str:
        """Why it has no place; empty where its findings begin with that."""
        findings = self.entry.compliance.findings if self.entry.compliance else ()
        said = self.row.reason == BREAKS_THE_RULES or any(finding.rule == "readable" for finding in findings)
        return "" if findings and said else self.row.reason


def place_range(row: ResultRow) -> str:
    """The places that are credible for a row, in words."""
    if row.place_low is None or row.place_high is None:
        return ""
    return str(row.place_low) if row.place_low == row.place_high else f"{row.place_low} to {row.place_high}"


def ordinal(place: int) -> str:
    """A place as it is said: 1st, 2nd, 3rd, 11th."""
    suffix = "th" if place % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{suffix}"


def render_report(
    *, competition: Competition, result: Result, entries: Iterable[ReportEntry], facts: RunFacts
) -> str:
    """The report as HTML, UTF-8 text. It needs no script, no network and no other file.

    Args:
        competition: For its name and awards.
        result: Every row is shown; a row without an entry is shown by its id.
        entries: What to show of each; those that the result does not know are left out.
        facts: Of the run.

    Raises:
        ThumbnailRefused: A picture is no JPEG, PNG or WebP.
    """
    known = {entry.entry_id: entry for entry in entries}
    order = {award: index for index, award in enumerate(competition.award_order())}
    cards = [
        _card(f"entry-{number}", known.get(row.entry_id) or _nameless(row), row, order)
        for number, row in enumerate(result.rows, start=1)
    ]
    ranked = [card for card in cards if card.row.place is not None]
    values: dict[str, Any] = {
        "competition": competition,
        "result": result,
        "facts": facts,
        "ranked": ranked,
        "views": _views(result, ranked, competition),
        "unranked": [card for card in cards if card.row.place is None],
        "awards": _award_counts(ranked, competition),
        "ordinal": ordinal,
        "highest": HIGHEST_MARK,
    }
    return render_page("judge_vision/report.html", values)


def _views(result: Result, ranked: Sequence[_Card], competition: Competition) -> list[_View]:
    if not result.sections:
        return [_view("", "", result, ranked, competition)]
    return [
        _view(
            section.category or _NO_CATEGORY,
            f"-{number}",
            section,
            [card for card in ranked if card.row.category == section.category],
            competition,
        )
        for number, section in enumerate(result.sections, start=1)
    ]


def _view(
    heading: str, suffix: str, told: Result | Section, ranked: Sequence[_Card], competition: Competition
) -> _View:
    return _View(
        heading=heading,
        suffix=suffix,
        explanation=told.explanation,
        comparisons=told.comparisons,
        playoff_entries=told.playoff_entries,
        cards=list(ranked),
        podium=_podium(ranked),
        awards=_award_counts(ranked, competition),
        chart=_interval_chart(ranked),
        histogram=_histogram([card.row.score for card in ranked if card.row.score is not None]),
    )


def _nameless(row: ResultRow) -> ReportEntry:
    return ReportEntry(entry_id=row.entry_id, title=row.entry_id, file_name="")


def _card(anchor: str, entry: ReportEntry, row: ResultRow, awards: Mapping[str, int]) -> _Card:
    picture = data_uri(entry.thumbnail) if entry.thumbnail is not None else None
    on_podium = row.place is not None and row.place <= _PODIUM
    large = data_uri(entry.large) if on_podium and entry.large is not None else picture
    rank = min(awards.get(row.award, 3), 3) if row.award is not None else None
    meters = _meters(entry.signals) if entry.signals is not None else ()
    return _Card(anchor, entry, row, picture, large, rank, meters)


def _podium(ranked: Sequence[_Card]) -> list[_Card]:
    """The first three; none when more than three share those places, because nobody then stands out."""
    first = [card for card in ranked if card.row.place is not None and card.row.place <= _PODIUM]
    return first if len(first) <= _PODIUM else []


def _award_counts(ranked: Sequence[_Card], competition: Competition) -> list[tuple[str, int, int]]:
    counts = Counter(card.row.award for card in ranked if card.row.award is not None)
    return [
        (award, counts[award], min(index, 3))
        for index, award in enumerate(competition.award_order())
        if counts[award]
    ]


def _clamped(share: float) -> float:
    return round(100 * min(1.0, max(0.0, share)), 1)


def _meters(signals: Mapping[str, object]) -> tuple[_Meter, ...]:
    value = rounded_signals(signals)
    clipped = max(value["clipped_shadows"], value["clipped_highlights"])
    mono = bands.is_monochrome(value)
    return (
        _Meter(
            "Tones",
            word_for(value["luma_mean"], bands.EXPOSURE),
            f"{plain(value['luma_p1'])} to {plain(value['luma_p99'])} of 255, median {plain(value['luma_p50'])}",
            _clamped(value["luma_p99"] / 255),
            _clamped(value["luma_p1"] / 255),
        ),
        _Meter(
            "Contrast",
            word_for(value["contrast"], bands.CONTRAST),
            plain(value["contrast"]),
            _clamped(value["contrast"] / 0.45),
        ),
        _Meter(
            "Color",
            "monochrome" if mono else word_for(value["colorfulness"], bands.COLOR),
            f"colorfulness {plain(value['colorfulness'])}",
            _clamped(value["colorfulness"] / 120),
        ),
        _Meter(
            "Sharpness",
            word_for(value["sharpness"], bands.SHARPNESS),
            plain(value["sharpness"]),
            _clamped(math.log10(max(1.0, value["sharpness"])) / 3.7),
        ),
        _Meter(
            "Noise",
            word_for(value["noise"], bands.NOISE),
            f"{plain(value['noise'])} levels",
            _clamped(value["noise"] / 20),
        ),
        _Meter("Clipping", word_for(clipped, bands.CLIPPING), percent(clipped), _clamped(math.sqrt(clipped))),
    )


def _interval_chart(ranked: Sequence[_Card]) -> dict[str, Any] | None:
    """Positions, in percent of the width, of every strength with its interval; None without a playoff."""
    rows = []
    for card in ranked:
        low, mid, high = card.row.strength_low, card.row.strength, card.row.strength_high
        if low is not None and mid is not None and high is not None:
            rows.append((card, low, mid, high))
    if not rows:
        return None
    least, most = min(row[1] for row in rows), max(row[3] for row in rows)
    span = max(most - least, 1e-9)

    def at(strength: float) -> float:
        return round(2 + 96 * (strength - least) / span, 2)

    return {
        "zero": at(0.0),
        "rows": [
            {"card": card, "low": at(low), "mid": at(mid), "high": at(high), "places": place_range(card.row)}
            for card, low, mid, high in rows
        ],
    }


def _histogram(scores: Sequence[int]) -> dict[str, Any] | None:
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
