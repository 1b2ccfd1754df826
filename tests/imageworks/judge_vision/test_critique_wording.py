from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imageworks.baseline.judging import critique
from imageworks.errors import SignalsMissing
from imageworks.judge_vision.critique_wording import contradictions, stock_phrases
from imageworks.judge_vision.critiquing import critique_facts

CLAIMS = {
    "overexposed": {"clipped_highlights": 0.0, "luma_mean": 100.0},
    "blown-out highlights": {"clipped_highlights": 0.0, "luma_mean": 100.0},
    "underexposed": {"luma_mean": 200.0},
    "tack sharp": {"sharpness": 2.0},
    "sharp throughout": {"sharpness": 2.0},
    "perfectly in focus": {"sharpness": 2.0},
    "sharp from front to back": {"sharpness": 2.0},
    "wholly out of focus": {"sharpness": 2000.0, "noise": 1.0},
    "blocked shadows": {"clipped_shadows": 0.0, "luma_mean": 120.0},
    "high contrast": {"contrast": 0.05},
    "low-contrast": {"contrast": 0.4},
    "visible noise": {"noise": 0.5},
    "obvious compression artefacts": {"blockiness": 1.0},
    "far too dark": {"luma_mean": 200.0},
    "vibrant colours": {"colorfulness": 0.5, "saturation": 0.0},
    "black and white": {"colorfulness": 60.0},
    "noise-free": {"noise": 20.0},
}


@pytest.mark.parametrize(("claim", "measured"), CLAIMS.items())
def test_a_claim_at_the_other_end_of_what_was_measured_is_named(signals, claim, measured):
    (found,) = contradictions(f"A bold frame.\nIt is {claim.title()}, they say.", {**signals, **measured})
    assert claim in found
    assert ", but " in found


@pytest.mark.parametrize(("claim", "measured"), CLAIMS.items())
def test_a_claim_that_is_denied_is_none(signals, claim, measured):
    assert contradictions(f"There are no {claim} parts.", {**signals, **measured}) == ()
    assert contradictions(f"It is not at all {claim}.", {**signals, **measured}) == ()
    assert len(contradictions(f"There is no sky. It is {claim}.", {**signals, **measured})) == 1


def test_what_was_measured_so_contradicts_nothing(signals):
    bright = {**signals, "clipped_highlights": 0.2, "luma_mean": 220.0}
    assert contradictions("The sky is overexposed.", bright) == ()


def test_the_baseline_contradicts_no_measurement_and_uses_no_stock_phrase(signals):
    text = critique(critique_facts(title="x", signals=signals, width=3, height=2))["critique"]
    assert contradictions(text, signals) == ()
    assert stock_phrases(text) == ()


def test_stock_phrases_are_found_in_any_capitals_and_over_line_ends():
    assert stock_phrases("This image\nshows a boat. It Tells a Story.") == (
        "this image shows",
        "tells a story",
    )
    assert stock_phrases("A boat lies low in the frame.") == ()


def test_without_signals_nothing_can_be_contradicted():
    with pytest.raises(SignalsMissing):
        contradictions("Overexposed.", {})


@given(text=st.text())
def test_any_text_is_read(text):
    assert isinstance(stock_phrases(text), tuple)
