"""The line on who judged."""

from __future__ import annotations

from imageworks.judge_vision.report_judges import ReportJudge, judges_line


def test_one_judge_is_named_by_its_model():
    assert judges_line([ReportJudge("baseline-judge", "baseline-judge")], {"baseline-judge"}) == (
        "Judge: baseline-judge, asked once about each entry."
    )


def test_each_of_several_is_named_with_its_model_and_how_often_it_was_asked():
    several = [ReportJudge("near-vlm", "near-vlm", 2), ReportJudge("far-vlm:club-judge", "far-vlm", 3)]
    assert judges_line(several, {"near-vlm", "far-vlm"}) == (
        "Judges: near-vlm, asked twice about each entry; far-vlm:club-judge (model far-vlm), asked 3 times about each "
        "entry."
    )


def test_a_model_that_compares_alone_is_named_too():
    line = judges_line([ReportJudge("near-vlm", "near-vlm")], {"third"})
    assert line.endswith("about each entry. Pairs compared by third.")


def test_a_round_without_an_answer_has_no_such_line():
    assert judges_line([]) == ""
