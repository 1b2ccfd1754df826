"""What each profile stage is given, and what is read of its answer: whatever asks otherwise cannot be used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imageworks.judge_vision.comparing import PairwiseAnswer, PairwiseVariables
from imageworks.judge_vision.critiquing import Critique, CritiqueVariables
from imageworks.personal_tagger.tagging import (
    CaptionAnswer,
    CaptionVariables,
    DescriptionAnswer,
    DescriptionVariables,
    KeywordsAnswer,
    KeywordsVariables,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import BaseModel

    from prompt_hub.schema import StageTemplate

_AT_LEAST = ("minimum", "minLength", "minItems")
_AT_MOST = ("maximum", "maxLength", "maxItems")


@dataclass(frozen=True)
class Contract:
    """One profile stage's.

    Attributes:
        variables: Names of the variables that are given.
        answer: What the answer is read as.
        pictures: How many pictures there are to show.
    """

    variables: frozenset[str]
    answer: type[BaseModel]
    pictures: int = 1

    def misfits(self, template: StageTemplate) -> Iterator[str]:
        """What in a profile stage does not fit, in words; nothing if it can be used."""
        declared = template.variables
        known = ", ".join(sorted(self.variables))
        for name in sorted(declared.keys() - self.variables):
            if declared[name].required:
                yield f"it needs the variable {name}, which is not given; given are {known}"
        for name in sorted(self.variables - declared.keys()):
            yield f"it does not declare the variable {name}, which is given"
        if template.images > self.pictures:
            yield f"it shows {template.images} pictures, and there are {self.pictures}"
        asked: Mapping[str, Any] = template.output
        wanted = self.answer.model_json_schema()
        yield from _wrong_fields(asked["properties"], wanted["properties"])


def _wrong_fields(asked: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(wanted.keys() - asked.keys()):
        yield f"its answer has no field {name}, which is read"
    for name in sorted(asked.keys() - wanted.keys()):
        yield f"its answer has the field {name}, which nothing reads"
    for name in sorted(asked.keys() & wanted.keys()):
        yield from _looser(asked[name], wanted[name], name)


def _looser(asked: Mapping[str, Any], wanted: Mapping[str, Any], place: str) -> Iterator[str]:
    """Where a field's schema lets through what cannot be read: such an answer would be asked for again and again."""
    if asked.get("type") != wanted["type"]:
        yield f"its answer's {place} must have the type {wanted['type']}"
        return
    for word in _AT_LEAST:
        if word in wanted and asked.get(word, wanted[word] - 1) < wanted[word]:
            yield f"its answer's {place} needs {word}: {wanted[word]} or more"
    for word in _AT_MOST:
        if word in wanted and asked.get(word, wanted[word] + 1) > wanted[word]:
            yield f"its answer's {place} needs {word}: {wanted[word]} or less"
    if "enum" in wanted and not all(one in wanted["enum"] for one in asked.get("enum", [None])):
        yield f"its answer's {place} needs enum: [{', '.join(wanted['enum'])}] or some of them"
    if "items" in wanted:
        yield from _looser(asked.get("items", {}), wanted["items"], f"{place} items")


CONTRACTS = {
    "critique": Contract(frozenset(CritiqueVariables.__annotations__), Critique),
    "pairwise": Contract(frozenset(PairwiseVariables.__annotations__), PairwiseAnswer, pictures=2),
    "caption": Contract(frozenset(CaptionVariables.__annotations__), CaptionAnswer),
    "keywords": Contract(frozenset(KeywordsVariables.__annotations__), KeywordsAnswer),
    "description": Contract(frozenset(DescriptionVariables.__annotations__), DescriptionAnswer),
}
"""By profile stage."""
