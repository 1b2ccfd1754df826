from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imageworks.errors import ComparisonError
from imageworks.judge_vision.comparing import combine
from imageworks.judge_vision.competition import Competition, Playoff, default_competition
from imageworks.judge_vision.playoff import Candidate, Pair, Shortlist, choose_shortlist
from imageworks.judge_vision.playoff_judges import playoff_judges
from imageworks.judge_vision.ranking import Comparison
from imageworks.judge_vision.result_files import results_csv
from imageworks.judge_vision.results import GENERAL, Contender, Result, rank
from imageworks.judge_vision.sections import choose_shortlists, rank_sections, sections_of

OPEN = default_competition()
CLUB = Competition(
    id="club",
    categories=("Colour", "Mono"),
    awards=OPEN.awards,
    score_bands=OPEN.score_bands,
    playoff=Playoff(shortlist=2),
)
CATEGORIES = {"a": "Colour", "b": "Colour", "c": "Colour", "x": "Mono", "y": "Mono", "z": ""}
SCORES = {"a": 15, "b": 17, "c": 12, "x": 20, "y": 19, "z": 9}
EVERYBODY = [Contender(entry_id=name, score=score) for name, score in SCORES.items()]


def places(result):
    return [(row.category, row.entry_id, row.place) for row in result.rows]


def test_sections_stand_in_the_rules_order_and_entries_of_none_last():
    assert sections_of(CATEGORIES, CLUB) == ("Colour", "Mono", "")
    assert sections_of({"x": "Mono"}, CLUB) == ("Mono",)
    assert sections_of({"x": ""}, OPEN) == sections_of({}, OPEN) == ("",)


def test_each_section_has_a_shortlist_of_its_own():
    candidates = [Candidate(each.entry_id, each.score, each.score) for each in EVERYBODY]
    assert choose_shortlists(candidates, CATEGORIES, CLUB) == {
        "Colour": Shortlist(("b", "a")),
        "Mono": Shortlist(("x", "y")),
        "": Shortlist(("z",)),
    }


def test_places_comparisons_and_ties_are_those_of_the_section():
    games = [Comparison("a", "b", "a"), Comparison("x", "y", "b")]
    shortlists = {"Colour": Shortlist(("a", "b")), "Mono": Shortlist(("x", "y"))}
    result = rank_sections(EVERYBODY, CATEGORIES, CLUB, comparisons=games, shortlists=shortlists)
    assert places(result) == [
        ("Colour", "a", 1),
        ("Colour", "b", 2),
        ("Colour", "c", 3),
        ("Mono", "y", 1),
        ("Mono", "x", 2),
        ("", "z", 1),
    ]
    assert [(section.category, section.comparisons) for section in result.sections] == [
        ("Colour", 1),
        ("Mono", 1),
        ("", 0),
    ]
    assert (result.comparisons, result.playoff_entries) == (2, 4)
    assert "3 sections, each by itself" in result.explanation[0]
    assert Result.model_validate(result.model_dump(mode="json")) == result


@given(
    marks=st.lists(st.one_of(st.none(), st.integers(0, 20)), max_size=12),
    category=st.sampled_from(["", "Mono"]),
)
def test_where_all_entries_are_in_one_section_the_ranking_is_not_divided(marks, category):
    everybody = [Contender(entry_id=f"e{index}", score=score) for index, score in enumerate(marks)]
    candidates = [
        Candidate(each.entry_id, each.score, each.score) for each in everybody if each.score is not None
    ]
    categories = {each.entry_id: category for each in everybody}
    shortlist = choose_shortlist(candidates, CLUB.playoff)
    games = [Comparison(*shortlist.entries[:2], "a")] if len(shortlist.entries) > 1 else []
    result = rank_sections(
        everybody,
        categories,
        CLUB,
        comparisons=games,
        shortlists=choose_shortlists(candidates, categories, CLUB),
    )
    together = rank(
        everybody, CLUB, comparisons=games, shortlist=shortlist.entries, cut_by_lot=shortlist.cut_by_lot
    )
    assert result.sections == ()
    assert {row.category for row in result.rows} <= {category}
    unnamed = tuple(row.model_copy(update={"category": ""}) for row in result.rows)
    assert result.model_copy(update={"rows": unnamed}) == together


def test_entries_that_fail_make_no_section_of_their_own():
    everybody = [Contender(entry_id="a", score=15), Contender(entry_id="z", score=None, verdict="fail")]
    result = rank_sections(everybody, CATEGORIES, CLUB, shortlists={})
    assert result.sections == ()
    assert places(result) == [("Colour", "a", 1), ("", "z", None)]


@pytest.mark.parametrize("game", [Comparison("a", "x", "a"), Comparison("p", "q", "a")])
def test_a_comparison_across_sections_or_of_strangers_is_refused(game):
    shortlists = {"Colour": Shortlist(("a", "b")), "Mono": Shortlist(("x", "y"))}
    categories = {name: category for name, category in CATEGORIES.items() if category}
    everybody = [each for each in EVERYBODY if each.entry_id in categories]
    with pytest.raises(ComparisonError, match="does not take part"):
        rank_sections(everybody, categories, CLUB, comparisons=[game], shortlists=shortlists)


def test_the_csv_has_a_column_for_the_category():
    result = rank_sections(EVERYBODY, CATEGORIES, CLUB, shortlists={})
    read = list(csv.DictReader(io.StringIO(results_csv(result.rows), newline="")))
    assert [(row["category"], row["place"]) for row in read[2:5]] == [
        ("Colour", "3"),
        ("Mono", "1"),
        ("Mono", "2"),
    ]


def test_who_shared_the_comparisons_is_told_by_section_by_entry_and_in_all():
    answers = {
        Pair(1, "a", "b", "near"): ("first", "second"),
        Pair(1, "x", "y", "far"): ("second", "second"),
        Pair(2, "a", "b", "far"): ("first", "second"),
    }
    games = [pair.decided(combine(*told)) for pair, told in answers.items()]
    result = rank_sections(
        EVERYBODY,
        CATEGORIES,
        CLUB,
        comparisons=games,
        shortlists={"Colour": Shortlist(("a", "b")), "Mono": Shortlist(("x", "y"))},
        playoff_judges=playoff_judges(("near", "far"), answers),
    )
    colour, mono, *_ = result.sections
    assert "shared out among 2 judges: near decided 1, far decided 1. No judge was asked" in " ".join(
        colour.explanation
    )
    assert "near decided 0, far decided 1" in " ".join(mono.explanation)
    assert (colour.progress.asked, colour.progress.round_robin) == (2, 2)
    by_entry = {row.entry_id: row.compared_by for row in result.rows}
    assert by_entry["a"] == by_entry["b"] == {"far": 1, "near": 1}
    assert by_entry["c"] == {}
    assert [(one.judge, one.comparisons) for one in result.playoff_judges] == [("near", 1), ("far", 2)]
    assert result.position_bias is None
    told = {row["entry_id"]: row for row in csv.DictReader(io.StringIO(results_csv(result.rows)))}
    assert told["a"]["compared_by"] == "far 1; near 1"
    assert told["c"]["compared_by"] == ""


def test_what_holds_for_every_section_is_explained_once():
    games = [Comparison("a", "b", "a"), Comparison("x", "y", "b")]
    shortlists = {"Colour": Shortlist(("a", "b")), "Mono": Shortlist(("x", "y"))}
    result = rank_sections(EVERYBODY, CATEGORIES, CLUB, comparisons=games, shortlists=shortlists)
    assert [sentence.startswith("Strengths are") for sentence in result.explanation].count(True) == 1
    assert any("an award can stand below" in sentence for sentence in result.explanation)
    for section in result.sections:
        assert not set(section.explanation) & GENERAL
        assert section.explanation
