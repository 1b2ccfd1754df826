from __future__ import annotations

from imageworks.judge_vision.agreement import Mark, agreements
from imageworks.judge_vision.agreement_report import number, render_agreement, told

HOSTILE = "<script>alert(1)</script>"


def found():
    marks = [Mark(HOSTILE, entry, mark) for entry, mark in (("a", 17), ("b", 14), ("c", 11))]
    return agreements(
        marks,
        scores={"a": 18, "b": 15, "c": 13},
        places={},
        categories={"a": "Colour", "b": "Mono", "c": "Mono"},
    )


def test_the_lines_tell_every_category_and_dash_what_is_not_known():
    lines = dict(told(found()))
    assert list(lines) == [
        "All entries: 3 entries marked by 1 person",
        "Colour: 1 entry marked by 1 person",
        "Mono: 2 entries marked by 1 person",
    ]
    whole = lines["All entries: 3 entries marked by 1 person"]
    assert "3 entries, Spearman 1.00, mean error 1.33, bias +1.33" in whole[0]
    assert any("Kendall's W - over 3 entries" in line for line in whole)


def test_the_page_has_all_of_it_and_takes_no_name_for_markup():
    page = render_agreement(found(), batch="round", models=["baseline-judge"])
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    for words in ("All entries", "Colour", "Mono", "baseline-judge", "+1.33", "What the numbers mean"):
        assert words in page


def test_numbers_are_short_and_have_no_minus_nothing():
    assert [number(value) for value in (None, -0.001, 0.456)] == ["-", "0.00", "0.46"]
    assert [number(value, signed=True) for value in (-0.001, 2, -1.5)] == ["+0.00", "+2.00", "-1.50"]
