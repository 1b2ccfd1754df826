"""What a critique asks about one entry, and what its answer means."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, TypedDict

from pydantic import BaseModel, ConfigDict, Field

from imageworks.answers import read_answer
from imageworks.judge_vision.competition import HIGHEST_MARK, Competition
from imageworks.plain_text import one_line
from imageworks.signal_bands import rounded_signals
from imageworks.signal_words import signal_words

IMPACT_WEIGHT = 0.5
COMPOSITION_WEIGHT = 0.4
TECHNIQUE_WEIGHT = 0.1

FEWEST_WORDS = 110
MOST_WORDS = 150
FARTHEST_SCORE = 1
"""Marks that a score may be away from the weighted marks, rounded."""

Marks = Annotated[int, Field(ge=0, le=HIGHEST_MARK, strict=True)]


class Critique(BaseModel):
    """One judge's answer about one entry; all marks 0 to 20."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    impact: Marks
    composition: Marks
    technique: Marks
    score: Marks
    critique: Annotated[str, Field(min_length=1, max_length=1600)]
    improvement: Annotated[str, Field(min_length=1, max_length=400)]

    @property
    def words(self) -> int:
        """How many words the critique has; 110 to 150 are asked for."""
        return len(self.critique.split())

    @property
    def has_length(self) -> bool:
        """Whether it has as many words as are asked for."""
        return FEWEST_WORDS <= self.words <= MOST_WORDS

    @property
    def score_follows(self) -> bool:
        """Whether the score is as near to the three marks, weighted and rounded, as is asked for."""
        return abs(self.score - half_up(self.weighted)) <= FARTHEST_SCORE

    @property
    def weighted(self) -> float:
        """The three marks by their weights: orders entries whose scores are equal, and replaces no score."""
        return weighted(self.impact, self.composition, self.technique)


class CritiqueVariables(TypedDict):
    """What profile stage `critique` is given. Nothing about the author or a folder is in it."""

    title: str
    category: str
    signals: str
    rules_notes: str


def weighted(impact: float, composition: float, technique: float) -> float:
    """Half impact, two fifths composition, a tenth technique: how a UK club judge weighs them."""
    return math.fsum((IMPACT_WEIGHT * impact, COMPOSITION_WEIGHT * composition, TECHNIQUE_WEIGHT * technique))


def half_up(mark: float) -> int:
    """To the nearest whole mark, halves upward, as people do it (Python's `round` goes to the even one)."""
    return math.floor(mark + 0.5 + 1e-9)


def critique_variables(
    *, title: str, category: str, signals: Mapping[str, object], competition: Competition
) -> CritiqueVariables:
    """The prompt's variables for profile stage `critique`.

    Raises:
        SignalsMissing: The photo was not measured.
    """
    return {
        "title": one_line(title),
        "category": category,
        "signals": signal_words(signals),
        "rules_notes": competition.rules_notes(),
    }


def critique_facts(*, title: str, signals: Mapping[str, object], width: int, height: int) -> dict[str, Any]:
    """The structured variables that an embedded model gets instead of a picture.

    Raises:
        SignalsMissing: The photo was not measured.
    """
    return {
        "task": "critique",
        "title": one_line(title),
        "signals": rounded_signals(signals),
        "width": width,
        "height": height,
    }


def read_critique(data: object) -> Critique:
    """The answer's data as a critique.

    Raises:
        AnswerMisread: A field is missing, unknown, or out of range; names which.
    """
    return read_answer(Critique, data, "A critique")
