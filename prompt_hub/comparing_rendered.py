"""What two profiles would say to a model, side by side: both rendered with the same values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import rfc8785

from prompt_hub.comparing import unified
from prompt_hub.errors import PromptHubError
from prompt_hub.rendering import render

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prompt_hub.schema import PromptProfile
    from prompt_hub.testing.case_files import CaseSet


@dataclass(frozen=True)
class Fixture:
    """Values to render a stage with, and whose they are."""

    stage: str
    name: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RenderedPair:
    """One stage, rendered by two profiles with the same values.

    Attributes:
        fixture: The values.
        before: What the first says; in place of what cannot be rendered, why.
        after: What the second says; likewise.
        problems: Why one of them cannot be rendered, first and second; None where it can.
    """

    fixture: Fixture
    before: str
    after: str
    problems: tuple[str | None, str | None]

    def diff(self, names: tuple[str, str]) -> str:
        """The unified diff; empty where both say the same."""
        return unified(self.before, self.after, names=names)


def fixtures_of(sets: Iterable[CaseSet]) -> list[Fixture]:
    """The values of the tests of some sets; those that several tests give to a stage once, named after the first."""
    found: dict[tuple[str, bytes], Fixture] = {}
    for one in sets:
        for case in one.written.tests:
            name = f"{one.profile_id} {one.name}: {case.description}"
            found.setdefault((case.stage, rfc8785.dumps(case.vars)), Fixture(case.stage, name, case.vars))
    return list(found.values())


def rendered_pairs(
    before: PromptProfile, after: PromptProfile, fixtures: Iterable[Fixture]
) -> list[RenderedPair]:
    """Both profiles rendered with every fixture whose stage one of them has."""
    return [
        _pair(before, after, fixture)
        for fixture in fixtures
        if fixture.stage in before.stages or fixture.stage in after.stages
    ]


def _pair(before: PromptProfile, after: PromptProfile, fixture: Fixture) -> RenderedPair:
    (first, wrong), (second, also_wrong) = _text(before, fixture), _text(after, fixture)
    return RenderedPair(fixture, first, second, (wrong, also_wrong))


def _text(profile: PromptProfile, fixture: Fixture) -> tuple[str, str | None]:
    try:
        rendered = render(profile, fixture.stage, fixture.values)
    except PromptHubError as error:
        return f"(cannot be rendered: {error})", str(error)
    return f"## system\n\n{rendered.system}\n\n## user\n\n{rendered.user}", None
