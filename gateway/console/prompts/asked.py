"""What every page of prompts begins with: the profiles as their files are, and their tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_hub.testing.case_files import CaseSet, load_case_sets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.console.visits import Visit
    from prompt_hub.errors import FileProblem
    from prompt_hub.hub import PromptHub


def hub_of(visit: Visit) -> tuple[PromptHub, Sequence[FileProblem]]:
    """What the files say; where they are broken, what they said last, and what is wrong."""
    now = visit.desk.drafts.now(visit.parts.home.prompts)
    return (now.hub or visit.parts.hub.current), now.problems


def sets_of(visit: Visit, profile_id: str) -> list[CaseSet]:
    """The sets of tests of a profile."""
    return [one for one in all_sets(visit) if one.profile_id == profile_id]


def all_sets(visit: Visit) -> list[CaseSet]:
    """All sets of tests.

    Raises:
        PromptHubError: A file of them is broken.
    """
    return load_case_sets(visit.parts.home.prompts)


def address_of(profile_id: str) -> str:
    """Where a profile's page is."""
    return f"/console/prompts/{profile_id}"
