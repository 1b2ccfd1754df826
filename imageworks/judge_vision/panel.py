"""A panel: several judges of one entry, what they are called, and how their answers become one.

Each judge has one voice, however often it is asked: its samples are brought together first, and then the judges. Both
by the median, which a single stray answer cannot move; of two middle marks it is the mean, rounded half up. The words
that are shown are those of the answer nearest to the whole, so that nobody's sentences are mixed.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

from imageworks.errors import BadPanel
from imageworks.judge_vision.critiquing import half_up, weighted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imageworks.judge_vision.critiquing import Critique

MOST_JUDGES: Final = 8
MOST_SAMPLES: Final = 9

_JUDGE: Final = re.compile(
    r"(?P<model>[^:,*\N{MULTIPLICATION SIGN}\s]+)(?::(?P<profile>[^:,*\N{MULTIPLICATION SIGN}\s]+))?"
    r"\s*(?:[*\N{MULTIPLICATION SIGN}]\s*(?P<samples>[0-9]{1,3}))?"
)
_MARKS: Final = ("impact", "composition", "technique", "score")


@dataclass(frozen=True, slots=True)
class NamedJudge:
    """A judge as a person names it.

    Attributes:
        model: Model or model role.
        profile: Prompt profile; empty: the batch's.
        samples: How often each entry is put to it.
    """

    model: str
    profile: str = ""
    samples: int = 1

    @property
    def text(self) -> str:
        """The judge as it is written, such as `near-vlm:club-judge`; without the samples."""
        return f"{self.model}:{self.profile}" if self.profile else self.model


@dataclass(frozen=True, slots=True)
class Whole:
    """What a panel says of an entry.

    Attributes:
        impact: 0-20, as the others.
        composition: The second mark.
        technique: The third.
        score: The mark that counts.
        low: The lowest score of any answer.
        high: The highest.
        shown: Index of the answer whose words are shown.
    """

    impact: int
    composition: int
    technique: int
    score: int
    low: int
    high: int
    shown: int

    @property
    def weighted(self) -> float:
        """The three marks by their weights, as of one judge."""
        return weighted(self.impact, self.composition, self.technique)


def read_panel(text: str) -> tuple[NamedJudge, ...]:
    """The judges of a list such as `near-vlm, far-vlm:club-judge@production*3`.

    Raises:
        BadPanel: It is no such list, names a judge twice, or asks too much.
    """
    judges: list[NamedJudge] = []
    for part in text.split(","):
        found = _JUDGE.fullmatch(part.strip())
        if found is None:
            raise BadPanel(
                f"{part.strip()[:80]!r} names no judge; write model, model:profile or model:profile*samples, with "
                "commas between judges."
            )
        samples = int(found["samples"] or 1)
        if not 1 <= samples <= MOST_SAMPLES:
            raise BadPanel(f"{part.strip()!r} asks {samples} times; 1 to {MOST_SAMPLES} are possible.")
        judges.append(NamedJudge(found["model"], found["profile"] or "", samples))
    named = [judge.text for judge in judges]
    if twice := sorted({text for text in named if named.count(text) > 1}):
        raise BadPanel(f"{twice[0]!r} is named twice; write {twice[0]}*2 to ask it twice.")
    if len(judges) > MOST_JUDGES:
        raise BadPanel(f"{len(judges)} judges are named; at most {MOST_JUDGES} are possible.")
    return tuple(judges)


def answers_named(judges: Sequence[str]) -> tuple[str, ...]:
    """What to call each answer, by the judges who gave them: by its judge, and its number where that gave several."""
    given, so_far = Counter(judges), Counter[str]()
    names = []
    for judge in judges:
        so_far[judge] += 1
        names.append(judge if given[judge] == 1 else f"{judge} #{so_far[judge]}")
    return tuple(names)


def brought_together(answers: Sequence[tuple[str, Critique | None]]) -> Whole | None:
    """What a panel says of one entry.

    Args:
        answers: Each with the judge that gave it; None for one that gave no valid answer.

    Returns:
        None when nobody gave one.
    """
    valid = [(index, judge, one) for index, (judge, one) in enumerate(answers) if one is not None]
    if not valid:
        return None
    voices = {judge: [one for _, by, one in valid if by == judge] for _, judge, _ in valid}
    middle = {
        name: median(median(getattr(one, name) for one in voice) for voice in voices.values())
        for name in _MARKS
    }
    scores = [one.score for _, _, one in valid]

    def away(critique: Critique) -> float:
        return math.fsum(abs(getattr(critique, name) - middle[name]) for name in _MARKS)

    # Of equally near ones the first: the order is that of the judges' names.
    shown = min(valid, key=lambda each: (abs(each[2].score - middle["score"]), away(each[2]), each[0]))[0]
    impact, composition, technique, score = (half_up(middle[name]) for name in _MARKS)
    return Whole(impact, composition, technique, score, min(scores), max(scores), shown)
