from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imageworks.errors import CompetitionFileError
from imageworks.judge_vision.anchors import ANCHOR, Anchored, anchor_mark, calibrate
from imageworks.judge_vision.competition import Competition
from imageworks.judge_vision.competition_file import read_competitions
from imageworks.judge_vision.compliance import EntryFacts, check_all
from imageworks.judge_vision.results import Contender, rank

CLUB = Competition(id="club", anchor_marks={"Old Bridge": 12.5}, rules={"max_width": 100})


def anchors(*pairs):
    return [Anchored(str(number), known, score) for number, (score, known) in enumerate(pairs)]


def test_an_anchor_is_known_by_its_files_name():
    assert anchor_mark("Mono/old bridge.JPG", CLUB) == 12.5
    assert anchor_mark("Old Bridge by night.jpg", CLUB) is None
    with pytest.raises(CompetitionFileError, match="anchor_marks"):
        read_competitions("[competition.a]\nanchor_marks = {x = 21}")


def test_an_anchor_is_known_however_its_accents_are_composed():
    club = Competition(id="club", anchor_marks={"Brücke": 12.5})
    assert anchor_mark("old/Bru\u0308cke.jpg", club) == 12.5


def test_no_rule_is_checked_on_an_anchor_and_it_takes_no_place():
    facts = [
        EntryFacts(entry_id=name, file_name=f"{name}.jpg", width=900, height=50)
        for name in ("Old Bridge", "Dawn")
    ]
    assert [one.verdict for one in check_all(facts, CLUB)] == ["pass", "fail"]
    result = rank([Contender(entry_id="a", score=20, anchor=True), Contender(entry_id="b", score=12)], CLUB)
    assert [(row.entry_id, row.place, row.reason) for row in result.rows] == [
        ("b", 1, ""),
        ("a", None, ANCHOR),
    ]


def test_a_stray_anchor_bends_no_line():
    found = calibrate(anchors((10, 12), (12, 13), (14, 14), (16, 15), (18, 16), (11, 20)))
    assert (found.slope, found.intercept) == (0.5, 7.0)
    assert (found.of(20), found.of(12)) == (17.0, 13.0)
    assert "By 6 anchors" in found.words()
    assert "a calibrated mark is 0.50 times the judge's score +7.0." in found.words()


@pytest.mark.parametrize(
    "few",
    [
        anchors((10, 10), (12, 12), (14, 14), (16, 16)),
        anchors((10, 10), (10, 11), (12, 12), (12, 13), (12, 14)),
        anchors((10, 18), (12, 16), (14, 14), (16, 12), (18, 10)),
    ],
    ids=["too few anchors", "too few scores", "falling"],
)
def test_without_a_scale_there_is_none(few):
    assert calibrate(few) is None


@given(st.lists(st.tuples(st.integers(0, 20), st.floats(0, 20)), max_size=12))
def test_a_line_turns_no_order_round_and_stays_on_the_scale(pairs):
    found = calibrate(anchors(*pairs))
    if found is not None:
        marks = [found.of(score) for score in range(21)]
        assert marks == sorted(marks)
        assert 0 <= marks[0] <= marks[-1] <= 20
        assert found.words()
