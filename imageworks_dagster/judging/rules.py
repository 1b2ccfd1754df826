"""The competition that a batch is judged under."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageworks.judge_vision.competition import Competition, default_competition, load_competition

if TYPE_CHECKING:
    from store.batches import Batch


def competition_of(batch: Batch) -> Competition:
    """The batch's rules file, or the default rules for a batch without one.

    Raises:
        imageworks.errors.CompetitionError: the rules file cannot be used.
    """
    return load_competition(batch.rules) if batch.rules else default_competition()
