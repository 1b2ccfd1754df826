"""What came of prompt tests: checks make a sample, samples a test, tests a set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["passed", "failed", "incomplete"]
"""Incomplete: nothing failed, and something could not be checked. It proves nothing, and takes no proof away."""


@dataclass(frozen=True, slots=True)
class Check:
    """What came of one assertion.

    Attributes:
        what: The assertion in words.
        holds: Whether it is so; None where it was skipped.
        why: What was found instead, or why it was skipped; empty where it holds.
        weight: How much it counts.
    """

    what: str
    holds: bool | None
    why: str = ""
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer of a model, or one rendered prompt, and its checks.

    Attributes:
        text: The answer, or the prompt.
        checks: What came of each assertion.
        recalled: Whether the answer was known from before.
        answered_by: Id of the request; None where no model was asked.
    """

    text: str
    checks: tuple[Check, ...]
    recalled: bool = False
    answered_by: str | None = None

    @property
    def is_clean(self) -> bool:
        """Whether everything that was checked holds."""
        return all(check.holds is not False for check in self.checks)

    @property
    def rate(self) -> float:
        """Share of its assertions that hold, by weight, skipped ones left out; 1 where all were skipped."""
        counted = [check for check in self.checks if check.holds is not None]
        whole = sum(check.weight for check in counted)
        return sum(check.weight for check in counted if check.holds) / whole if counted else 1.0


@dataclass(frozen=True, slots=True)
class TestOutcome:
    """What came of one test with one profile and one model.

    Attributes:
        test: Its description.
        stage: The profile stage; empty where it is about the whole profile.
        samples: One an asking.
        threshold: The rate that it needs.
    """

    __test__ = False  # its name begins as those of pytest's classes do

    test: str
    stage: str
    samples: tuple[Sample, ...]
    threshold: float = 1.0

    @property
    def rate(self) -> float:
        """Mean of its samples' rates."""
        return sum(sample.rate for sample in self.samples) / len(self.samples)

    @property
    def clean(self) -> int:
        """How many samples have nothing against them."""
        return sum(sample.is_clean for sample in self.samples)

    @property
    def state(self) -> State:
        """Whether its rate reaches what it needs, everything checked."""
        # A mean of thirds is a hair below one.
        if self.rate < self.threshold - 1e-9:
            return "failed"
        skipped = any(check.holds is None for sample in self.samples for check in sample.checks)
        return "incomplete" if skipped else "passed"

    @property
    def recalled(self) -> int:
        """How many samples were known from before."""
        return sum(sample.recalled for sample in self.samples)


@dataclass(frozen=True, slots=True)
class SetOutcome:
    """What came of one set with one profile and one model.

    Attributes:
        reference: The profile as somebody named it, such as `club-judge@staging`.
        profile_id: The profile.
        profile_hash: Its hash.
        set_name: The set.
        set_hash: What was run; empty where it is no set of a file, and is not kept.
        model: The model's name; empty where none was asked.
        model_revision: Its revision; likewise.
        tests: What came of each test.
        doubts: What is only doubtful.
    """

    reference: str
    profile_id: str
    profile_hash: str
    set_name: str
    set_hash: str
    model: str
    model_revision: str
    tests: tuple[TestOutcome, ...]
    doubts: tuple[str, ...] = ()

    @property
    def state(self) -> State:
        """Failed if a test failed; else incomplete if one is."""
        states = {test.state for test in self.tests}
        return "failed" if "failed" in states else "incomplete" if "incomplete" in states else "passed"


def failed(outcomes: tuple[SetOutcome, ...] | list[SetOutcome]) -> int:
    """How many tests failed."""
    return sum(test.state == "failed" for outcome in outcomes for test in outcome.tests)
