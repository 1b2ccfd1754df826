"""What two effective profiles say differently, field by field, with where each side says it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import rfc8785

from prompt_hub.provenance import Source, source_of
from store.yaml_reading import field_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prompt_hub.schema import PromptProfile
    from store.yaml_reading import FieldPath

Kind = Literal["template", "parameter", "schema", "variable", "images", "profile"]

_KINDS: Final[Mapping[str, Kind]] = {
    "system": "template",
    "user": "template",
    "parameters": "parameter",
    "output": "schema",
    "variables": "variable",
    "images": "images",
}
_LEFT_OUT: Final = frozenset({"id", "extends"})


@dataclass(frozen=True)
class Side:
    """One of two profiles that are compared.

    Attributes:
        reference: How somebody named it, such as `club-judge@production`.
        profile: The effective profile.
        layers: The file of each of its fields, by dotted name; empty where that is not known.
    """

    reference: str
    profile: PromptProfile
    layers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Said:
    """What one side says of a field.

    Attributes:
        value: The value, as JSON has it.
        source: The file that says it; None for a default, and where that is not known.
        partials: For a template, the texts put into it that the other side has from another file, or not at all.
    """

    value: Any
    source: Source | None
    partials: Mapping[str, Source]


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """A field that two profiles say differently; a list is one field, a mapping one for each of its names.

    Attributes:
        field: Its dotted name, such as `stages.critique.parameters.temperature`.
        stage: The profile stage; empty for a field of the whole profile.
        kind: What the field is of.
        before: What the first says; None where it does not have it.
        after: What the second says; likewise.
    """

    field: str
    stage: str
    kind: Kind
    before: Said | None
    after: Said | None

    @property
    def is_text(self) -> bool:
        """Whether its values are texts of lines, which a diff shows better than the two side by side."""
        sides = [said.value for said in (self.before, self.after) if said is not None]
        return self.kind == "template" or any(isinstance(value, str) and "\n" in value for value in sides)

    def diff(self, names: tuple[str, str]) -> str:
        """The unified diff of its two texts; what one side does not have is empty there."""
        texts = ("" if said is None else str(said.value) for said in (self.before, self.after))
        return unified(*texts, names=names)


def field_differences(before: Side, after: Side) -> list[FieldDifference]:
    """The fields of two effective profiles that differ, in the order in which a profile is read.

    The id and what a profile extends are left out: neither is said to a model.
    """
    first, second = (dict(_leaves(side.profile.model_dump(mode="json"))) for side in (before, after))
    return [
        FieldDifference(
            field=field_text(place),
            stage=str(place[1]) if place[0] == "stages" and len(place) > 1 else "",
            kind=_kind(place),
            before=_said(place, first, before, after),
            after=_said(place, second, after, before),
        )
        for place in dict.fromkeys((*first, *second))
        if place[0] not in _LEFT_OUT and not _same(place, first, second)
    ]


def differing_stages(first: PromptProfile, second: PromptProfile) -> Iterator[tuple[str, str, str]]:
    """The stages that ask something else: name, and both hashes; "" where a profile has no such stage."""
    for name in dict.fromkeys((*first.stages, *second.stages)):
        hashes = tuple(
            profile.stage_hash(name) if name in profile.stages else "" for profile in (first, second)
        )
        if hashes[0] != hashes[1]:
            yield name, hashes[0], hashes[1]


def unified(before: str, after: str, *, names: tuple[str, str]) -> str:
    """The unified diff of two texts, without a line end after the last line; empty where they are the same."""
    lines = difflib.unified_diff(
        before.split("\n") if before else [],
        after.split("\n") if after else [],
        fromfile=names[0],
        tofile=names[1],
        lineterm="",
    )
    return "\n".join(lines)


def _leaves(value: Any, place: FieldPath = ()) -> Iterator[tuple[FieldPath, Any]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(inner, (*place, name))
    else:
        yield place, value


def _same(place: FieldPath, first: Mapping[FieldPath, Any], second: Mapping[FieldPath, Any]) -> bool:
    if place not in first or place not in second:
        return False
    # As the hashes see it: 1 is 1.0, and true is not 1.
    return rfc8785.dumps(first[place]) == rfc8785.dumps(second[place])


def _kind(place: FieldPath) -> Kind:
    return _KINDS.get(str(place[2]), "profile") if place[0] == "stages" and place[2:] else "profile"


def _said(place: FieldPath, values: Mapping[FieldPath, Any], own: Side, other: Side) -> Said | None:
    if place not in values:
        return None
    partials = dict(_own_partials(own, other)) if _kind(place) == "template" else {}
    return Said(values[place], source_of(place, own.layers), partials)


def _own_partials(own: Side, other: Side) -> Iterator[tuple[str, Source]]:
    for field, file in own.layers.items():
        if field.startswith("partials.") and other.layers.get(field) != file:
            yield field.removeprefix("partials."), Source.of(file)
