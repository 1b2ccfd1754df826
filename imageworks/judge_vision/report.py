"""The report of a competition: one HTML file to open, project, print or send, with its pictures inside."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from imageworks.judge_vision.competition import HIGHEST_MARK, Competition
from imageworks.judge_vision.critique_remarks import remarks
from imageworks.judge_vision.report_charts import histogram, interval_chart, ordinal, place_range
from imageworks.judge_vision.report_entry import ReportEntry
from imageworks.judge_vision.report_meters import meters_of
from imageworks.judge_vision.results import BREAKS_THE_RULES
from imageworks.page import data_uri, render_page

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from imageworks.judge_vision.anchors import Calibration
    from imageworks.judge_vision.critique_remarks import Remark
    from imageworks.judge_vision.drift import Drift
    from imageworks.judge_vision.findings import Finding
    from imageworks.judge_vision.report_meters import Meter
    from imageworks.judge_vision.results import Result, ResultRow, Section
    from imageworks.run_facts import RunFacts

_PODIUM: Final = 3
MOST_FILTERS: Final = 12
"""Awards, and sections, that the style sheet can show alone."""

_NO_CATEGORY: Final = "Without a category"


@dataclass(frozen=True)
class _ShownFinding:
    """A finding with the picture of its evidence."""

    finding: Finding
    picture: str | None

    @property
    def left_out(self) -> bool:
        """Whether there was something to draw, and the page has no room for it."""
        return self.finding.evidence is not None and self.picture is None


@dataclass(frozen=True)
class _View:
    """What is ranked together, ready to print: all entries, or those of one category.

    `suffix` goes behind the anchors of its headings.
    """

    heading: str
    suffix: str
    number: int
    explanation: tuple[str, ...]
    pairs: int
    playoff_entries: int
    cards: list[_Card]
    podium: list[_Card]
    awards: list[tuple[str, int, int]]
    chart: dict[str, Any] | None
    histogram: dict[str, Any] | None


@dataclass(frozen=True)
class _Filters:
    """How many entries each choice of the bar shows: in all, and then in each section.

    Attributes:
        everybody: All that are ranked.
        awards: Number and name of each award that was given, of those that the style sheet has a filter for.
        without_award: Those without an award.
        asking: Those that want a person's eye.
    """

    everybody: list[int]
    awards: list[tuple[int, str, list[int]]]
    without_award: list[int]
    asking: list[int]


@dataclass(frozen=True)
class _Card:
    """An entry with its row, ready to print."""

    anchor: str
    entry: ReportEntry
    row: ResultRow
    picture: str | None
    large: str | None
    award_rank: int | None
    award_number: int | None
    meters: tuple[Meter, ...]
    findings: tuple[_ShownFinding, ...]
    remarks: tuple[Remark, ...]

    @property
    def places(self) -> str:
        """The credible places, `3` or `2 to 7`; empty without a place."""
        return place_range(self.row)

    @property
    def spread(self) -> str:
        """The lowest and the highest score of several judges; empty where there was one, or one score."""
        scores = [one.score for one in self.entry.opinions if one.score is not None]
        return f"{min(scores)} to {max(scores)}" if len(set(scores)) > 1 else ""

    @property
    def filters(self) -> str:
        """Classes that the page's filters know a card by."""
        award = "award-none" if self.award_number is None else f"award-is-{self.award_number}"
        asks = " asks" if self.findings or self.remarks else ""
        return f"{award}{asks}"

    @property
    def reason(self) -> str:
        """Why it has no place; empty where its findings begin with that."""
        findings = self.entry.compliance.findings if self.entry.compliance else ()
        said = self.row.reason == BREAKS_THE_RULES or any(finding.rule == "readable" for finding in findings)
        return "" if findings and said else self.row.reason


def render_report(
    *,
    competition: Competition,
    result: Result,
    entries: Iterable[ReportEntry],
    facts: RunFacts,
    judges: str = "",
    drift: Drift | None = None,
    calibration: Calibration | None = None,
) -> str:
    """The report as HTML, UTF-8 text. It needs no script, no network and no other file.

    Args:
        competition: For its name and awards.
        result: Every row is shown; a row without an entry is shown by its id.
        entries: What to show of each; those that the result does not know are left out.
        facts: Of the run.
        judges: Who judged; see `report_judges.judges_line`.
        drift: The round beside earlier ones of its competition; None where there is nothing to compare.
        calibration: The scale of the anchors; None without enough of them.

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
        "judges": judges,
        "drift": drift,
        "calibration": calibration,
        "ranked": ranked,
        "views": _views(result, ranked, competition),
        "unranked": [card for card in cards if card.row.place is None],
        "awards": _award_counts(ranked, competition),
        "filters": _filters(result, ranked, competition),
        "most_filters": MOST_FILTERS,
        "titles": {card.row.entry_id: card for card in cards},
        "ordinal": ordinal,
        "highest": HIGHEST_MARK,
    }
    return render_page("judge_vision/report.html", values)


def _views(result: Result, ranked: Sequence[_Card], competition: Competition) -> list[_View]:
    if not result.sections:
        return [_view("", 0, result, ranked, competition)]
    return [
        _view(
            section.category or _NO_CATEGORY,
            number,
            section,
            [card for card in ranked if card.row.category == section.category],
            competition,
        )
        for number, section in enumerate(result.sections, start=1)
    ]


def _view(
    heading: str, number: int, told: Result | Section, ranked: Sequence[_Card], competition: Competition
) -> _View:
    return _View(
        heading=heading,
        suffix=f"-{number}" if number else "",
        number=number,
        explanation=told.explanation,
        pairs=told.pairs,
        playoff_entries=told.playoff_entries,
        cards=list(ranked),
        podium=_podium(ranked),
        awards=_award_counts(ranked, competition),
        chart=interval_chart([(card, card.row) for card in ranked]),
        histogram=histogram([card.row.score for card in ranked if card.row.score is not None]),
    )


def _nameless(row: ResultRow) -> ReportEntry:
    return ReportEntry(entry_id=row.entry_id, title=row.entry_id, file_name="")


def _card(anchor: str, entry: ReportEntry, row: ResultRow, awards: Mapping[str, int]) -> _Card:
    picture = data_uri(entry.thumbnail) if entry.thumbnail is not None else None
    on_podium = row.place is not None and row.place <= _PODIUM
    large = data_uri(entry.large) if on_podium and entry.large is not None else picture
    number = awards.get(row.award, len(awards)) if row.award is not None else None
    return _Card(
        anchor,
        entry,
        row,
        picture,
        large,
        award_rank=None if number is None else min(number, 3),
        award_number=number,
        meters=meters_of(entry.signals) if entry.signals is not None else (),
        findings=tuple(_shown(finding, entry) for finding in entry.compliance.findings)
        if entry.compliance is not None
        else (),
        remarks=remarks(entry.critique, entry.signals, medians=bool(entry.opinions))
        if entry.critique is not None
        else (),
    )


def _shown(finding: Finding, entry: ReportEntry) -> _ShownFinding:
    picture = entry.evidence.get(finding.evidence) if finding.evidence is not None else None
    return _ShownFinding(finding, None if picture is None else data_uri(picture))


def _filters(result: Result, ranked: Sequence[_Card], competition: Competition) -> _Filters:
    within = [
        list(ranked),
        *(
            [card for card in ranked if card.row.category == section.category]
            for section in result.sections[:MOST_FILTERS]
        ),
    ]
    given = [Counter(card.row.award for card in cards) for cards in within]
    return _Filters(
        everybody=[len(cards) for cards in within],
        awards=[
            (number, award, [counts[award] for counts in given])
            for number, award in enumerate(competition.award_order()[:MOST_FILTERS])
            if given[0][award]
        ],
        without_award=[counts[None] for counts in given],
        asking=[sum(1 for card in cards if card.findings or card.remarks) for cards in within],
    )


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
