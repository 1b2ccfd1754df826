"""What differs between two versions of a profile, as lines that people read."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prompt_hub.schema import PromptProfile

Kind = Literal["same", "added", "removed", "place"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a difference."""

    kind: Kind
    text: str


def profile_lines(profile: PromptProfile) -> list[str]:
    """A whole profile, part by part, in an order that does not change."""
    lines = [f"description: {profile.description}"]
    for name, stage in profile.stages.items():
        for part in ("system", "user"):
            lines += ["", f"## {name}: {part}", *getattr(stage, part).splitlines()]
        lines += ["", f"## {name}: images", str(stage.images)]
        for part, value in (
            ("parameters", stage.parameters),
            ("variables", {key: one.model_dump(mode="json") for key, one in stage.variables.items()}),
            ("answer's schema", stage.output),
        ):
            lines += ["", f"## {name}: {part}", *_json(value)]
    return lines


def difference(before: PromptProfile, after: PromptProfile) -> list[Line]:
    """The lines that differ, with three around each; none where nothing does."""
    return list(_kinds(difflib.unified_diff(profile_lines(before), profile_lines(after), lineterm="", n=3)))


def _kinds(lines: Iterator[str]) -> Iterator[Line]:
    for number, line in enumerate(lines):
        if number < 2:  # noqa: PLR2004 - the two names, which are empty
            continue
        if line.startswith("@@"):
            yield Line("place", line)
        elif line.startswith("+"):
            yield Line("added", line[1:])
        elif line.startswith("-"):
            yield Line("removed", line[1:])
        else:
            yield Line("same", line[1:])


def _json(value: Any) -> list[str]:
    return json.dumps(value, indent=2, ensure_ascii=False).splitlines()
