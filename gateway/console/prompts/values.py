"""Values for a prompt's variables: those of a test, or of an entry as its batch has measured it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gateway.errors import NotFound
from imageworks.judge_vision.competition import default_competition
from imageworks.judge_vision.competition_file import load_competition
from imageworks.judge_vision.critiquing import critique_variables
from imageworks.judge_vision.naming import category_of
from imageworks.personal_tagger.context import context_variables, told_about
from imageworks.personal_tagger.tagging import (
    caption_variables,
    description_variables,
    keywords_variables,
    most_keywords,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from gateway.console.results.gallery import Card, Gallery
    from prompt_hub.schema import PromptProfile
    from prompt_hub.testing.case_files import Case, CaseSet
    from store.batches import Batch, Pipeline

MOST_ENTRIES: Final = 24
"""Entries of a batch that are offered; the first ones are as good as others to see what a prompt says."""

STAGES: Final[Mapping[Pipeline, tuple[str, ...]]] = {
    "judge": ("critique",),
    "tagger": ("caption", "keywords", "description"),
}
"""The profile stages whose values one entry gives; two entries are compared only in tests."""

PIPELINE_OF: Final[Mapping[str, Pipeline]] = {"judge_vision": "judge", "personal_tagger": "tagger"}
_BEFORE: Final[Mapping[str, tuple[str, ...]]] = {
    "critique": (),
    "caption": (),
    "keywords": ("captions",),
    "description": ("captions", "keywords"),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """Something to choose: what the form sends, and what people read."""

    key: str
    words: str


@dataclass(frozen=True, slots=True)
class Group:
    """Choices that belong together."""

    heading: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Values:
    """Values of a stage's variables.

    Attributes:
        stage: The profile stage.
        variables: The values, by name.
        pictures: Addresses of the photos that go with them.
    """

    stage: str
    variables: Mapping[str, Any]
    pictures: tuple[str, ...]


def case_groups(sets: Iterable[CaseSet]) -> list[Group]:
    """The tests of a profile, by set."""
    return [
        Group(
            f"Tests of the set {one.name}",
            tuple(
                Choice(f"case:{one.name}:{number}", f"{case.stage}: {case.description}")
                for number, case in enumerate(one.written.tests)
            ),
        )
        for one in sets
    ]


def entry_groups(galleries: Iterable[tuple[Batch, Gallery]], profile: PromptProfile) -> list[Group]:
    """Entries of batches, for each stage that one entry gives the values of."""
    groups = []
    for batch, gallery in galleries:
        for stage in STAGES[batch.pipeline]:
            if stage not in profile.stages:
                continue
            usable = [card for card in _cards(gallery) if _has_values(card, stage)][:MOST_ENTRIES]
            choices = tuple(
                Choice(f"entry:{batch.name}:{stage}:{card.entry_id}", f"{stage}: {card.title}")
                for card in usable
            )
            if choices:
                groups.append(Group(f"Entries of {batch.name}, {stage}", choices))
    return groups


def photo_choices(galleries: Iterable[tuple[Batch, Gallery]]) -> list[Group]:
    """Photos to look at beside a prompt."""
    groups = []
    for batch, gallery in galleries:
        usable = [card for card in _cards(gallery) if card.has_picture]
        choices = tuple(
            Choice(f"{batch.pipeline}:{batch.name}:{card.entry_id}", card.title)
            for card in usable[:MOST_ENTRIES]
        )
        if choices:
            groups.append(Group(f"Photos of {batch.name}", choices))
    return groups


def case_values(sets: Sequence[CaseSet], key: str, picture: Callable[[CaseSet, str], str]) -> Values:
    """The values of a test.

    Args:
        sets: Of the profile.
        key: `SET:NUMBER`.
        picture: Gives the address of a photo of a set.

    Raises:
        NotFound: There is no such test.
    """
    one, case = find_case(sets, key)
    return Values(case.stage, case.vars, tuple(picture(one, name) for name in case.photos))


def find_case(sets: Sequence[CaseSet], key: str) -> tuple[CaseSet, Case]:
    """A test by `SET:NUMBER`.

    Raises:
        NotFound: There is no such one.
    """
    name, _, number = key.partition(":")
    for one in sets:
        if (
            one.name == name
            and number.isascii()
            and number.isdigit()
            and int(number) < len(one.written.tests)
        ):
            return one, one.written.tests[int(number)]
    raise NotFound(f"There is no test {key[:80]!r} of this prompt.")


def entry_values(batch: Batch, card: Card, stage: str, profile: PromptProfile) -> dict[str, Any]:
    """The values that an entry gives a stage, as its run would give them.

    Raises:
        NotFound: The entry was not measured, or what the stage reads was not made.
        CompetitionFileError: The rules of the round cannot be read.
    """
    if not _has_values(card, stage):
        raise NotFound(f"{card.entry_id} gives no values for {stage}: what comes before it has to run first.")
    if batch.pipeline == "judge":
        competition = default_competition() if batch.rules is None else load_competition(batch.rules)
        return dict(
            critique_variables(
                title=card.first["title"],
                category=category_of(card.first["relative_path"], competition),
                signals=card.rows["signals"],
                competition=competition,
            )
        )
    row = {"existing_keywords": (), **card.first}
    told, besides = told_about(row), context_variables(row, profile.stage(stage).variables)
    photo = caption_variables(
        signals=card.first, existing_keywords=told["existing_keywords"], folder_words=told["folder_words"]
    )
    if stage == "caption":
        return {**photo, **besides}
    caption = card.rows["captions"].get("caption") or ""
    if stage == "keywords":
        most = most_keywords(profile.stage(stage).output)
        return {**keywords_variables(photo, caption=caption, max_keywords=most), **besides}
    keywords = card.rows["keywords"].get("keywords") or ()
    return {**description_variables(photo, caption=caption, keywords=keywords), **besides}


def _has_values(card: Card, stage: str) -> bool:
    signals = card.rows.get("signals") if stage == "critique" else card.first
    return bool(signals and not signals.get("error_class")) and all(
        name in card.rows for name in _BEFORE[stage]
    )


def _cards(gallery: Gallery) -> Iterator[Card]:
    return (gallery.card(entry_id) for entry_id in sorted(gallery.rows))
