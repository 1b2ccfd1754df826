from __future__ import annotations

import pytest

from imageworks.baseline.tagging import caption, description, keywords
from imageworks.personal_tagger.tagging import read_caption, read_description, read_keywords, tagging_facts


def words(signals, **changes):
    size = {"width": 1600, "height": 1067}
    size.update({key: changes.pop(key) for key in ("width", "height", "max_keywords") if key in changes})
    return read_keywords(keywords(tagging_facts("keywords", signals={**signals, **changes}, **size)))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"colorfulness": 0.0, "saturation": 0.0}, "monochrome"),
        ({}, "vivid color"),
        ({"luma_p50": 210.0}, "high key"),
        ({"luma_p50": 30.0}, "low key"),
        ({}, "landscape format"),
        ({"width": 800, "height": 1200}, "portrait format"),
        ({"width": 1000, "height": 1000}, "square format"),
        ({"width": 3000, "height": 1000}, "panoramic format"),
        ({"sharpness": 12.0}, "soft focus"),
        ({"noise": 14.0}, "grainy"),
        ({"contrast": 0.3}, "high contrast"),
    ],
)
def test_keywords_are_what_was_measured(signals, changes, word):
    assert word in words(signals, **changes)


def test_no_more_keywords_than_asked_for_and_always_one(signals):
    assert len(words(signals, max_keywords=1)) == 1
    assert words(signals, width=0, height=0, colorfulness=10.0, saturation=0.2, luma_p50=120) != ()


def test_captions_and_descriptions_say_that_they_are_a_baseline(signals):
    facts = tagging_facts("caption", signals=signals, width=1600, height=1067)
    assert "baseline by rule" in read_caption(caption(facts))
    text = read_description(description(facts))
    assert "baseline" in text
    assert "1600 by 1067 pixels" in text


def test_a_photo_of_unknown_size_is_described_without_one(signals):
    text = description(tagging_facts("description", signals=signals, width=0, height=0))["description"]
    assert "pixels" not in text
    assert "format" not in text
