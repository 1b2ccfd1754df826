"""Rates and states of tests, from what came of their assertions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompt_hub.testing.outcomes import Check, Sample, SetOutcome, TestOutcome

CHECKS = st.builds(
    Check, st.just("made"), st.sampled_from([True, False, None]), st.just(""), st.floats(0.1, 9)
)
SAMPLES = st.lists(CHECKS, min_size=1, max_size=5).map(lambda checks: Sample("", tuple(checks)))
TESTS = st.builds(
    TestOutcome,
    st.just("made"),
    st.just("caption"),
    st.lists(SAMPLES, min_size=1, max_size=4).map(tuple),
    st.floats(0.01, 1),
)


def came_of(*verdicts, threshold=1.0, weights=()):
    weights = weights or [1.0] * len(verdicts)
    checks = tuple(Check("made", holds, "", weight) for holds, weight in zip(verdicts, weights, strict=True))
    return TestOutcome("made", "caption", (Sample("", checks),), threshold)


@given(TESTS)
def test_a_rate_is_a_share_and_a_test_passes_only_if_it_reaches_its_threshold(test):
    assert 0 <= test.rate <= 1 + 1e-9
    if test.state == "failed":
        assert test.rate < test.threshold
    else:
        assert test.rate >= test.threshold - 1e-9


@given(TESTS)
def test_a_test_of_which_something_was_skipped_proves_nothing(test):
    skipped = any(check.holds is None for sample in test.samples for check in sample.checks)
    assert (test.state == "passed") <= (not skipped)


def test_assertions_count_by_their_weight():
    assert came_of(True, False, weights=(3, 1)).rate == 0.75
    assert came_of(True, False, weights=(3, 1), threshold=0.75).state == "passed"
    assert came_of(True, False, weights=(3, 1), threshold=0.76).state == "failed"


def test_samples_count_alike():
    good, bad = came_of(True).samples, came_of(False).samples
    test = TestOutcome("made", "caption", good + good + bad, 0.66)
    assert test.rate == pytest.approx(2 / 3)
    assert (test.clean, test.state) == (2, "passed")


def test_a_set_fails_with_one_of_its_tests():
    def state(*tests):
        return SetOutcome("made", "made", "", "form", "", "", "", tests).state

    assert state(came_of(True)) == "passed"
    assert state(came_of(True), came_of(None)) == "incomplete"
    assert state(came_of(True), came_of(None), came_of(False)) == "failed"
