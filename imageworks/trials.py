"""A trial: two prompts asked about the same entries, compared entry by entry; a page, a CSV and a JSON of it."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from scipy.stats import spearmanr

from imageworks.page import data_uri, render_page
from imageworks.spreadsheets import cell
from photos.metadata.spelling import keyword_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Told:
    """What one side said of an entry.

    Attributes:
        score: The mark, 0 to 20; None where none is given.
        text: The critique, the caption or the description; empty where there is none.
        keywords: Of a keyword stage.
        error: Why there is no answer; None where there is one.
        tokens: Of question and answer; None where nobody counted.
        ms: Milliseconds to the answer, the wait for a device left out; None for one that was known from before.
        answered_by: The request; joins to the telemetry.
    """

    score: int | None = None
    text: str = ""
    keywords: tuple[str, ...] = ()
    error: str | None = None
    tokens: int | None = None
    ms: float | None = None
    answered_by: str | None = None


@dataclass(frozen=True, slots=True)
class TrialEntry:
    """One entry and what both sides said of it.

    Attributes:
        entry_id: The entry.
        name: What people read above it.
        first: The one side.
        second: The other.
    """

    entry_id: str
    name: str
    first: Told
    second: Told

    @property
    def difference(self) -> int | None:
        """The second's mark less the first's; None where one is missing."""
        if self.first.score is None or self.second.score is None:
            return None
        return self.second.score - self.first.score

    @property
    def added(self) -> tuple[str, ...]:
        """Keywords that the second alone has."""
        return _without(self.second.keywords, self.first.keywords)

    @property
    def removed(self) -> tuple[str, ...]:
        """Keywords that the first alone has."""
        return _without(self.first.keywords, self.second.keywords)


@dataclass(frozen=True, slots=True)
class SideSummary:
    """What one side came to.

    Attributes:
        answered: Entries with an answer.
        errors: Entries without.
        mean_score: None without scores.
        tokens: Of all answers, as far as they were counted.
        mean_ms: Over the answers that were asked now; None where all were known.
        recalled: Answers that were known from before.
    """

    answered: int
    errors: int
    mean_score: float | None
    tokens: int
    mean_ms: float | None
    recalled: int


@dataclass(frozen=True, slots=True)
class TrialSummary:
    """What a trial came to.

    Attributes:
        entries: How many were asked about.
        compared: How many both answered.
        first: The one side.
        second: The other.
        mean_difference: Of the marks, the second's less the first's; None without marks on both sides.
        spearman: Spearman's rank correlation of the marks; None below three pairs, and where one side gives all
            entries one mark.
        better: Entries that the second marks higher.
        worse: Lower.
        same: Entries on which both say the same: the mark, or else the words.
        added: Keywords that the second alone gives, in all.
        removed: Those that the first alone gives.
    """

    entries: int
    compared: int
    first: SideSummary
    second: SideSummary
    mean_difference: float | None
    spearman: float | None
    better: int
    worse: int
    same: int
    added: int
    removed: int


@dataclass(frozen=True, slots=True)
class TrialFacts:
    """What was tried.

    Attributes:
        batch: The batch.
        stage: The asset, such as `judge/critiques`.
        first: The one revision, as it was named, with its `profile_hash` and `stage_hash`.
        second: The other.
        model: The model.
        model_revision: Its revision.
    """

    batch: str
    stage: str
    first: Mapping[str, str]
    second: Mapping[str, str]
    model: str
    model_revision: str


_FEWEST_RANKED = 3


def summary_of(entries: Sequence[TrialEntry]) -> TrialSummary:
    """Count what a trial came to."""
    both = [one for one in entries if one.first.error is None and one.second.error is None]
    marks = [
        (one.first.score, one.second.score)
        for one in both
        if one.first.score is not None and one.second.score is not None
    ]
    differences = [second - first for first, second in marks]
    return TrialSummary(
        entries=len(entries),
        compared=len(both),
        first=_side([one.first for one in entries]),
        second=_side([one.second for one in entries]),
        mean_difference=fmean(differences) if differences else None,
        spearman=_spearman(marks),
        better=sum(difference > 0 for difference in differences),
        worse=sum(difference < 0 for difference in differences),
        same=sum(_says_the_same(one) for one in both),
        added=sum(len(one.added) for one in both),
        removed=sum(len(one.removed) for one in both),
    )


def trial_page(
    facts: TrialFacts, entries: Sequence[TrialEntry], pictures: Mapping[str, bytes] | None = None
) -> str:
    """The trial as one HTML page; it needs no script, no network and no other file.

    Args:
        facts: What was tried.
        entries: In the order to print.
        pictures: Thumbnails by entry, as far as there are any.

    Raises:
        ThumbnailRefused: A picture is no JPEG, PNG or WebP.
    """
    shown = {entry_id: data_uri(picture) for entry_id, picture in (pictures or {}).items()}
    values = {"facts": facts, "summary": summary_of(entries), "entries": entries, "pictures": shown}
    return render_page("page/trial.html", values)


def trial_csv(entries: Iterable[TrialEntry]) -> str:
    """The entries as CSV for a spreadsheet."""
    columns = [
        "entry_id",
        "score_first",
        "score_second",
        "difference",
        "text_first",
        "text_second",
        "keywords_added",
        "keywords_removed",
        "error_first",
        "error_second",
    ]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    for one in entries:
        first, second = one.first, one.second
        values = [
            one.entry_id, first.score, second.score, one.difference, first.text, second.text,
            ", ".join(one.added), ", ".join(one.removed), first.error, second.error,
        ]  # fmt: skip
        writer.writerow([cell(value) for value in values])
    return text.getvalue()


def trial_json(facts: TrialFacts, entries: Sequence[TrialEntry]) -> str:
    """All that is known of the trial; ASCII, so that no answer can break it."""
    rows: list[dict[str, Any]] = [
        asdict(one) | {"difference": one.difference, "added": one.added, "removed": one.removed}
        for one in entries
    ]
    said = {"trial": asdict(facts), "summary": asdict(summary_of(entries)), "entries": rows}
    return json.dumps(said, indent=1) + "\n"


def _without(keywords: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    known = {keyword_key(one) for one in others}
    return tuple(one for one in keywords if keyword_key(one) not in known)


def _says_the_same(one: TrialEntry) -> bool:
    if one.difference is not None:
        return one.difference == 0
    return one.first.text == one.second.text and not one.added and not one.removed


def _side(told: Sequence[Told]) -> SideSummary:
    answered = [one for one in told if one.error is None]
    scores = [one.score for one in answered if one.score is not None]
    times = [one.ms for one in answered if one.ms is not None]
    return SideSummary(
        answered=len(answered),
        errors=len(told) - len(answered),
        mean_score=fmean(scores) if scores else None,
        tokens=sum(one.tokens or 0 for one in answered),
        mean_ms=fmean(times) if times else None,
        recalled=len(answered) - len(times),
    )


def _spearman(marks: Sequence[tuple[int, int]]) -> float | None:
    first, second = [one for one, _ in marks], [other for _, other in marks]
    if len(marks) < _FEWEST_RANKED or len(set(first)) == 1 or len(set(second)) == 1:
        return None
    return float(spearmanr(first, second).statistic)
