"""The words that all reports use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_hub.hashing import short
from prompt_hub.testing.outcomes import failed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prompt_hub.testing.outcomes import SetOutcome, TestOutcome


def summary(outcomes: Sequence[SetOutcome]) -> str:
    """One sentence about all of it."""
    tests = sum(len(outcome.tests) for outcome in outcomes)
    wrong = failed(list(outcomes))
    incomplete = sum(test.state == "incomplete" for outcome in outcomes for test in outcome.tests)
    doubts = sum(len(outcome.doubts) for outcome in outcomes)
    parts = [f"{tests} tests", f"{wrong} failed"]
    if incomplete:
        parts.append(f"{incomplete} incomplete")
    if doubts:
        parts.append(f"{doubts} warnings")
    return ", ".join(parts) + "."


def rate_words(test: TestOutcome) -> str:
    """The rate, and how many samples had nothing against them where there are several."""
    share = f"{test.rate:.0%}"
    return share if len(test.samples) == 1 else f"{share} ({test.clean} of {len(test.samples)} clean)"


def against(test: TestOutcome) -> list[str]:
    """What was found against a test, each once with how often, and what was skipped."""
    counted: dict[tuple[str, str], int] = {}
    for sample in test.samples:
        for check in sample.checks:
            if check.holds is not True:
                said = (f"skipped, {check.what}" if check.holds is None else check.what, check.why)
                counted[said] = counted.get(said, 0) + 1
    return [
        f"{what}: {why}" + (f" ({times} times)" if times > 1 else "")
        for (what, why), times in counted.items()
    ]


def subject(outcome: SetOutcome) -> str:
    """The profile as it was named, with its hash, and the model if one was asked."""
    profile = f"{outcome.reference} ({short(outcome.profile_hash)})"
    return f"{profile} with {outcome.model} ({short(outcome.model_revision)})" if outcome.model else profile
