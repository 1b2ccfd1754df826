"""What a stage would ask about a batch, without a run: by the very functions that its asset asks with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imageworks.judge_vision.competition import Competition
from imageworks.judge_vision.critiquing import read_critique
from imageworks_dagster.judging.critiques import critique_questions
from imageworks_dagster.judging.rules import rules_of
from imageworks_dagster.tagging.captions import caption_asking
from imageworks_dagster.tagging.descriptions import description_asking
from imageworks_dagster.tagging.keywords import keywords_asking
from imageworks_dagster.tagging.questions import photo_questions

if TYPE_CHECKING:
    from collections.abc import Callable

    from imageworks_dagster.asking import Questions
    from imageworks_dagster.stages import BatchTables
    from prompt_hub.schema import StageTemplate

_PHOTO_ASKING = {
    "tagger/captions": caption_asking,
    "tagger/keywords": keywords_asking,
    "tagger/descriptions": description_asking,
}

ONE_AN_ENTRY = ("judge/critiques", *_PHOTO_ASKING)
"""The stages that ask one question an entry, from tables alone; whom a playoff compares depends on its answers."""


@dataclass(frozen=True)
class Asking:
    """What a stage asks, and how its answers are read."""

    questions: Questions
    read: Callable[[object], Any]


def asking_of(asset: str, tables: BatchTables, template: StageTemplate) -> Asking:
    """What a stage asks with a template.

    Args:
        asset: one of `ONE_AN_ENTRY`.
        tables: the batch's; a competition's rules are read as they are now.
        template: the profile stage.

    Raises:
        store.errors.MissingTable: a stage before it has not run.
        OutdatedTable: a table of a stage before it knows nothing of an entry.
        imageworks.errors.CompetitionError: the rules cannot be used.
    """
    if asset == "judge/critiques":
        competition = Competition.model_validate(rules_of(tables.batch).content)
        return Asking(critique_questions(tables, competition), read_critique)
    asking = _PHOTO_ASKING[asset](template)
    return Asking(photo_questions(tables, asking), asking.read)
