"""What a comparison asks about two entries, and what its two answers mean together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from pydantic import BaseModel, ConfigDict, Field

from imageworks.answers import read_answer
from imageworks.errors import ComparisonError
from imageworks.plain_text import one_line
from imageworks.signal_bands import rounded_signals
from imageworks.signal_words import signal_words

if TYPE_CHECKING:
    from imageworks.judge_vision.competition import Competition
    from imageworks.judge_vision.ranking import Outcome

Winner = Literal["first", "second", "draw"]


class PairwiseAnswer(BaseModel):
    """One answer about two photos, by the order in which they were shown."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    winner: Winner
    reason: Annotated[str, Field(min_length=1, max_length=400)]


class PairwiseVariables(TypedDict):
    """What profile stage `pairwise` is given; `_a` is the photo shown first."""

    title_a: str
    title_b: str
    category_a: str
    category_b: str
    signals_a: str
    signals_b: str
    rules_notes: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A photo as a comparison shows it: nothing about its author, place or marks.

    Attributes:
        title: Already without the author; see `naming.title_of`.
        category: That it was entered in; may be empty.
        signals: As measured.
        width: Pixels, as the photo is seen.
        height: Pixels.
    """

    title: str
    category: str
    signals: dict[str, float]
    width: int
    height: int


def pairwise_variables(first: Shown, second: Shown, *, competition: Competition) -> PairwiseVariables:
    """The prompt's variables for profile stage `pairwise`.

    Raises:
        SignalsMissing: One of them was not measured.
    """
    return {
        "title_a": one_line(first.title),
        "title_b": one_line(second.title),
        "category_a": first.category,
        "category_b": second.category,
        "signals_a": signal_words(first.signals),
        "signals_b": signal_words(second.signals),
        "rules_notes": competition.rules_notes(),
    }


def pairwise_facts(first: Shown, second: Shown) -> dict[str, Any]:
    """The structured variables that an embedded model gets instead of two pictures.

    Raises:
        SignalsMissing: One of them was not measured.
    """
    facts: dict[str, Any] = {"task": "pairwise"}
    for suffix, shown in (("a", first), ("b", second)):
        facts[f"title_{suffix}"] = one_line(shown.title)
        facts[f"signals_{suffix}"] = rounded_signals(shown.signals)
        facts[f"width_{suffix}"] = shown.width
        facts[f"height_{suffix}"] = shown.height
    return facts


def read_pairwise(data: object) -> PairwiseAnswer:
    """The answer's data as an answer about two photos.

    Raises:
        AnswerMisread: A field is missing, unknown, or out of range; names which.
    """
    return read_answer(PairwiseAnswer, data, "A comparison")


def combine(a_first: Winner | None, b_first: Winner | None) -> Outcome | None:
    """What two answers about one pair say together.

    Args:
        a_first: The winner when A was shown first, or None when there is no valid answer.
        b_first: The winner when B was shown first, or None.

    Returns:
        `a` or `b` when both orders agree on it, `draw` when they do not, and None when an answer is missing: an
        answer that failed is a win for nobody.

    Raises:
        ComparisonError: A word that is no winner.
    """
    if a_first is None or b_first is None:
        return None
    for winner in (a_first, b_first):
        if winner not in {"first", "second", "draw"}:
            raise ComparisonError(f"{winner!r} is no winner: first, second or draw.")
    if (a_first, b_first) == ("first", "second"):
        return "a"
    if (a_first, b_first) == ("second", "first"):
        return "b"
    return "draw"
