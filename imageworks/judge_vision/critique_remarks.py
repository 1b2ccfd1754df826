"""What a person is to look at in a critique: its length, its words, its one improvement, and what was measured.

A remark stands beside a critique and changes neither it nor its marks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from imageworks.judge_vision.critique_wording import contradictions, stock_phrases
from imageworks.judge_vision.critiquing import (
    FARTHEST_SCORE,
    FEWEST_WORDS,
    MOST_WORDS,
    half_up,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from imageworks.judge_vision.critiquing import Critique

MOST_IMPROVEMENT_WORDS: Final = 40
"""As the profile of club judges asks for it."""

RemarkKind = Literal["contradiction", "stock_phrase", "length", "score", "improvement"]

_SECOND: Final = re.compile(
    r"(?:^|[.;!]\s+)(?:also|additionally|in addition|furthermore|moreover|secondly|second,|finally|lastly)\b"
)
_LISTED: Final = re.compile(r"(?:^|\n|\s)(?:[-*\N{BULLET}]|\d[.)])\s+\S")


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing to look at: what it is about, and in words."""

    kind: RemarkKind
    words: str


def remarks(
    critique: Critique, signals: Mapping[str, object] | None, *, medians: bool = False
) -> tuple[Remark, ...]:
    """What is to be looked at in a critique; the gravest first.

    Args:
        critique: The critique.
        signals: As measured; None where they are not known: then nothing contradicts them.
        medians: Whether the marks are those of several judges, each mark's median: these need not agree.

    Raises:
        SignalsMissing: Some of them are not there.
    """
    found = _remarks(critique, signals)
    return tuple(remark for remark in found if not (medians and remark.kind == "score"))


def _remarks(critique: Critique, signals: Mapping[str, object] | None) -> Iterator[Remark]:
    if signals is not None:
        for claim in contradictions(critique.critique, signals):
            yield Remark("contradiction", f"It says {claim}.")
    if not critique.score_follows:
        yield Remark(
            "score",
            f"The score {critique.score} is more than {FARTHEST_SCORE} from the three marks, which weigh "
            f"{half_up(critique.weighted)}.",
        )
    if phrases := stock_phrases(f"{critique.critique} {critique.improvement}"):
        listed = ", ".join(repr(phrase) for phrase in phrases)
        yield Remark("stock_phrase", f"Worn phrases: {listed}.")
    if not critique.has_length:
        yield Remark(
            "length",
            f"The critique has {critique.words} words; {FEWEST_WORDS} to {MOST_WORDS} are asked for.",
        )
    if problem := improvement_problem(critique.improvement):
        yield Remark("improvement", problem)


def improvement_problem(improvement: str) -> str | None:
    """Why an improvement is not one short thing; None where it is."""
    plain = improvement.casefold()
    if _SECOND.search(plain) or len(_LISTED.findall(plain)) > 1:
        return "It names more than one improvement; one is asked for."
    words = len(improvement.split())
    if words > MOST_IMPROVEMENT_WORDS:
        return f"The improvement has {words} words; at most {MOST_IMPROVEMENT_WORDS} are asked for."
    return None
