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
from imageworks_dagster.tagging.knowledge import keyword_rules
from imageworks_dagster.tagging.questions import photo_questions

if TYPE_CHECKING:
    from collections.abc import Callable

    from imageworks_dagster.asking import Questions
    from imageworks_dagster.stages import BatchTables
    from imageworks_dagster.tagging.questions import PhotoAsking
    from prompt_hub.schema import StageTemplate
    from store.settings import Settings

_PHOTO_ASKING: dict[str, Callable[[StageTemplate, Settings], PhotoAsking]] = {
    "tagger/captions": lambda template, _: caption_asking(template),
    "tagger/keywords": lambda template, settings: keywords_asking(template, rules=keyword_rules(settings)),
    "tagger/descriptions": lambda template, _: description_asking(template),
}

ONE_AN_ENTRY = ("judge/critiques", *_PHOTO_ASKING)
"""The stages that ask one question an entry, from tables alone; whom a playoff compares depends on its answers."""


def samples_of(asset: str, settings: Settings) -> int:
    """How many times a stage asks each of its questions."""
    return settings.keyword_samples if asset == "tagger/keywords" else 1


@dataclass(frozen=True)
class Asking:
    """What a stage asks, and how its answers are read."""

    questions: Questions
    read: Callable[[object], Any]


def asking_of(asset: str, tables: BatchTables, template: StageTemplate, settings: Settings) -> Asking:
    """What a stage asks with a template.

    Args:
        asset: one of `ONE_AN_ENTRY`.
        tables: the batch's; a competition's rules are read as they are now.
        template: the profile stage.
        settings: those in force; they say what of the vocabulary is told.

    Raises:
        store.errors.MissingTable: a stage before it has not run.
        OutdatedTable: a table of a stage before it knows nothing of an entry.
        imageworks.errors.ImageWorksError: the competition's rules, or the vocabulary, cannot be used.
    """
    if asset == "judge/critiques":
        competition = Competition.model_validate(rules_of(tables.batch).content)
        return Asking(critique_questions(tables, competition), read_critique)
    asking = _PHOTO_ASKING[asset](template, settings)
    return Asking(photo_questions(tables, asking), asking.read)
