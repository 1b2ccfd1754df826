"""What each of several judges did in a playoff: its share of the comparisons, and what the order of showing does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from imageworks.judge_vision.comparing import combine
from imageworks.judge_vision.position_bias import PositionBias, position_bias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from imageworks.judge_vision.comparing import Winner
    from imageworks.judge_vision.playoff import Pair


class PlayoffJudge(BaseModel):
    """What one of several judges did in the playoff."""

    model_config = ConfigDict(frozen=True)

    judge: str = Field(description="As it was named.")
    comparisons: int = Field(description="How many it decided.")
    draws: int = Field(description="How many of them it found to be draws.")
    without_answer: int = Field(description="How many it was asked in vain.")
    position_bias: PositionBias | None = Field(
        description="What the order of showing does to it; None without a pair that it answered in both orders."
    )


def playoff_judges(
    judges: Iterable[str], answers: Mapping[Pair, tuple[Winner | None, Winner | None]]
) -> tuple[PlayoffJudge, ...]:
    """What each judge did, in the order of the judges; one that was asked nothing too.

    Args:
        judges: All who shared the comparisons.
        answers: By pair the winner when A was shown first, and when B was.
    """
    found = []
    for judge in judges:
        own = [told for pair, told in answers.items() if pair.judge == judge]
        outcomes = [combine(*told) for told in own]
        found.append(
            PlayoffJudge(
                judge=judge,
                comparisons=sum(1 for outcome in outcomes if outcome is not None),
                draws=outcomes.count("draw"),
                without_answer=outcomes.count(None),
                position_bias=position_bias(own),
            )
        )
    return tuple(found)
