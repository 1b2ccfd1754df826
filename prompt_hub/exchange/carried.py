"""What was carried over from another tool's file, and what was not."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from prompt_hub.errors import BadReference, ImportRefused
from store.yaml_reading import field_text

if TYPE_CHECKING:
    from store.yaml_reading import FieldPath

TEXT_ANSWER: Final = {
    "type": "object",
    "additionalProperties": False,
    "required": ["text"],
    "properties": {"text": {"type": "string"}},
}
"""The answer that a prompt is given which declares none."""


def id_of(name: str) -> str:
    """The id of a profile, made of what another tool calls it."""
    return re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_")[:60] or "imported"


@dataclass(frozen=True, slots=True)
class Loss:
    """Something that stands in one file and has no counterpart in the other.

    Attributes:
        place: Where it stands, such as `tests[0].assert[1]`; empty where it is about the whole file.
        what: What it is, and what came of it.
    """

    place: str
    what: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}" if self.place else self.what


@dataclass(frozen=True)
class Carried:
    """A prompt of another tool, as this hub writes it.

    Attributes:
        profile: The content of a profile's file.
        cases: The content of a file of prompt tests; None where there are no tests.
        losses: What could not be carried over.
    """

    profile: dict[str, Any]
    cases: dict[str, Any] | None = None
    losses: tuple[Loss, ...] = ()

    def with_stage(self, name: str) -> Carried:
        """The same, its one stage called so.

        Raises:
            BadReference: It has several.
        """
        stages: dict[str, Any] = self.profile["stages"]
        if len(stages) > 1:
            raise BadReference(f"--stage names one stage, and this prompt has {', '.join(stages)}.")
        profile = {**self.profile, "stages": dict.fromkeys([name], *stages.values())}
        if self.cases is None:
            return replace(self, profile=profile)
        sets = {
            set_name: {**one, "tests": [{**case, "stage": name} for case in one["tests"]]}
            for set_name, one in self.cases["sets"].items()
        }
        return replace(self, profile=profile, cases={**self.cases, "sets": sets})


@dataclass
class Account:
    """Gathers what is not carried over while a file is read."""

    source: str
    losses: list[Loss] = field(default_factory=list)

    def lose(self, place: FieldPath | str, what: str) -> None:
        """Note a loss; one that was noted before is not noted again."""
        loss = Loss(place if isinstance(place, str) else field_text(place), what)
        if loss not in self.losses:
            self.losses.append(loss)

    def refused(self, place: FieldPath | str, problem: str) -> ImportRefused:
        """The error for a prompt that would say something else here than there."""
        where = place if isinstance(place, str) else field_text(place)
        return ImportRefused(f"{self.source}: {where}: {problem}" if where else f"{self.source}: {problem}")
