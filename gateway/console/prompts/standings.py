"""How profiles stand with their tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prompt_hub.testing.results import latest_states, results_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prompt_hub.testing.case_files import CaseSet
    from store.database import StateDatabase


@dataclass(frozen=True, slots=True)
class SetStanding:
    """How a profile stands with a set of its tests.

    Attributes:
        name: The set.
        is_live: Whether a model is asked.
        required_for: The labels that require it.
        tests: How many tests it has.
        passed: How many of them have passed with exactly this profile; of a live set, with any model.
        failed: How many have failed.
    """

    name: str
    is_live: bool
    required_for: tuple[str, ...]
    tests: int
    passed: int
    failed: int

    @property
    def state(self) -> str:
        """`failed`, `passed`, or `open` where not all were run."""
        return "failed" if self.failed else "passed" if self.passed == self.tests else "open"


def standing_of(database: StateDatabase, one: CaseSet, profile_hash: str) -> SetStanding:
    """How a revision of a profile stands with one set.

    Args:
        database: Where results are kept.
        one: The set.
        profile_hash: Of the revision.

    Raises:
        DatabaseError: The results cannot be read.
    """
    wanted = {case.description for case in one.written.tests}
    states = _states_of(database, one, profile_hash)
    counted = [state for test, state in states.items() if test in wanted]
    return SetStanding(
        one.name,
        one.is_live,
        tuple(one.written.required_for),
        len(wanted),
        counted.count("passed"),
        counted.count("failed"),
    )


def _states_of(database: StateDatabase, one: CaseSet, profile_hash: str) -> Mapping[str, Any]:
    if not one.is_live:
        return latest_states(database, profile_hash, one.hash)
    states: dict[str, Any] = {}
    for result in results_of(database, profile_hash, one.hash):
        states.update({test: state for test, state in result.states.items() if state != "incomplete"})
    return states
