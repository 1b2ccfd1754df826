"""What a report is given of one entry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imageworks.judge_vision.compliance import Compliance
    from imageworks.judge_vision.critiquing import Critique


@dataclass(frozen=True)
class ReportEntry:
    """One entry as the report shows it.

    Attributes:
        entry_id: As in the result's rows.
        title: Without the author.
        file_name: As handed in; shown small, after judging.
        category: Empty when the competition has none.
        thumbnail: JPEG, PNG or WebP, 800 pixels long where a projector shows it; None when it could not be opened.
        large: The same, some 1280 pixels, for the podium; None: the thumbnail is used.
        critique: None when there is no valid one.
        compliance: Its findings.
        signals: As measured; None when it was not.
        evidence: Pictures of the evidence, by the name that findings have for them.
        word: What a person says instead of the score; None where nobody does.
        opinions: What each of several judges gave; none where there was one.
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
    evidence: Mapping[str, bytes] = field(default_factory=dict)
    word: PersonsWord | None = None
    opinions: tuple[ShownOpinion, ...] = ()


@dataclass(frozen=True)
class PersonsWord:
    """A mark that a person gave instead of the judge's, which stays beside it."""

    score: int
    who: str
    reason: str


@dataclass(frozen=True)
class ShownOpinion:
    """The score that one of several judges gave; None for no valid answer."""

    judge: str
    score: int | None
