"""What a change of prompts makes stale in a batch, and how many requests that costs: counting alone, no effects.

A stage whose own prompt changes, and whose inputs stay, asks what is known already: the count is exact, and answers
that are kept are taken off. A stage that reads what another stage answers anew is asked about inputs that nobody knows
yet: the count is the most that it can come to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Why = Literal["prompt", "inputs"]


@dataclass(frozen=True, slots=True)
class StageSituation:
    """What is known of one stage of a batch.

    Attributes:
        asset: The stage.
        reads: The stages whose tables it reads.
        has_table: Whether it ever ran: what was never made is not stale.
        changes: Whether the change gives it another prompt.
        askable: How many questions it has, or can come to, as the tables are; 0 for one that asks nothing.
        to_ask: How many of them have no kept answer under the changed prompt; None where that cannot be known.
    """

    asset: str
    reads: tuple[str, ...]
    has_table: bool
    changes: bool
    askable: int = 0
    to_ask: int | None = None


@dataclass(frozen=True, slots=True)
class StageImpact:
    """What a change does to one stage of a batch.

    Attributes:
        asset: The stage, whose table is stale.
        why: Whether its own prompt changes, or only what it reads.
        because: The stages that it reads and that may say something else; empty where its inputs stay.
        questions: How many questions it has, or can come to.
        requests: How many of them a model is asked.
        exact: Whether that is so; otherwise it is the most.
    """

    asset: str
    why: Why
    because: tuple[str, ...]
    questions: int
    requests: int
    exact: bool


def impact_on(stages: Iterable[StageSituation]) -> list[StageImpact]:
    """The stages of a batch that a change makes stale.

    Args:
        stages: All stages of the batch's pipeline, each after those that it reads.
    """
    found: list[StageImpact] = []
    for stage in stages:
        stale = {one.asset for one in found}
        because = tuple(asset for asset in stage.reads if asset in stale)
        if not stage.has_table or not (stage.changes or because):
            continue
        known = stage.to_ask if not because else None
        exact = known is not None or stage.askable == 0
        found.append(
            StageImpact(
                asset=stage.asset,
                why="prompt" if stage.changes else "inputs",
                because=because,
                questions=stage.askable,
                requests=stage.askable if known is None else known,
                exact=exact,
            )
        )
    return found


def requests_of(impacts: Iterable[StageImpact]) -> tuple[int, int]:
    """The fewest and the most requests that they come to."""
    least = most = 0
    for one in impacts:
        least += one.requests if one.exact else 0
        most += one.requests
    return least, most
