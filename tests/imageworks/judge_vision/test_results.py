from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from imageworks.judge_vision.competition import Competition, Playoff, default_competition
from imageworks.judge_vision.playoff import Pair
from imageworks.judge_vision.ranking import Comparison
from imageworks.judge_vision.results import Contender, Result, rank

OPEN = default_competition()


def contender(name, score, **changes):
    return Contender(entry_id=name, score=score, weighted=score, **changes)


def test_without_a_playoff_equal_scores_share_a_place_and_that_is_said():
    result = rank([contender("a", 15), contender("b", 19), contender("c", 15), contender("d", 12)], OPEN)
    assert [(row.entry_id, row.place, row.place_high) for row in result.rows] == [
        ("b", 1, 1),
        ("a", 2, 3),
        ("c", 2, 3),
        ("d", 4, 4),
    ]
    assert result.rows[1].tied_with == ("c",)
    assert result.rows[1].tied == 1
    assert [row.award for row in result.rows] == ["Gold", "Bronze", "Bronze", None]
    assert "score alone" in result.explanation[0]
    assert "share a place" in result.explanation[0]


def test_the_playoff_decides_the_first_places_and_the_score_the_rest():
    games = [Comparison("a", "b", "b"), Comparison("a", "c", "a"), Comparison("b", "c", "a")]
    everybody = [
        contender("a", 19),
        contender("b", 18),
        contender("c", 18),
        contender("d", 18),
        contender("e", 9),
    ]
    result = rank(everybody, OPEN, comparisons=games, shortlist=("a", "b", "c"), cut_by_lot=("d",))
    assert [row.entry_id for row in result.rows] == ["b", "a", "c", "d", "e"]
    assert [row.place for row in result.rows] == [1, 2, 3, 4, 5]
    assert [row.decided_by for row in result.rows] == ["playoff"] * 3 + ["score"] * 2
    assert result.rows[0].strength_low < result.rows[0].strength < result.rows[0].strength_high
    assert result.rows[3].strength is None
    assert result.comparisons == 3
    words = " ".join(result.explanation)
    assert "3 pairs, each compared in both orders, which is 6 questions; 0 ended in a draw." in words
    assert "left out: d" in words


def test_an_entry_that_breaks_a_rule_is_listed_without_a_place_or_award():
    result = rank([contender("a", 19, verdict="fail"), contender("b", 12, verdict="query")], OPEN)
    assert [(row.entry_id, row.place, row.award) for row in result.rows] == [
        ("b", 1, None),
        ("a", None, None),
    ]
    assert not result.rows[1].eligible
    assert "rules" in result.rows[1].reason


def test_an_entry_without_a_critique_is_listed_with_its_error():
    result = rank(
        [contender("b", 12), Contender(entry_id="a", error_class="not_json"), Contender(entry_id="c")], OPEN
    )
    assert [row.place for row in result.rows] == [1, None, None]
    assert "not_json" in result.rows[1].reason
    assert result.rows[1].eligible
    assert "yet" in result.rows[2].reason


def test_a_file_that_could_not_be_read_is_told_so_before_any_rule():
    broken = Contender(entry_id="a", error_class="truncated")
    for verdict in ("query", "fail"):
        (row,) = rank([broken.model_copy(update={"verdict": verdict})], OPEN).rows
        assert row.reason == "It could not be read. The file is cut off: part of the picture is missing."


def test_how_sure_the_first_places_are_is_said_of_those_who_are_left():
    names = "abcdef"
    games = [Comparison("a", other, "a") for other in names[1:]] * 6
    games += [Comparison(one, other, "draw") for one, other in pairwise(names[1:])]
    everybody = [contender(name, 15) for name in names]
    assert rank(everybody, OPEN, comparisons=games, shortlist=names).progress.chances[0] > 0.95
    everybody[0] = contender("a", 15, verdict="fail")
    result = rank(everybody, OPEN, comparisons=games, shortlist=names)
    assert result.progress.chances[0] < 0.6
    assert result.progress.asked == 9


def test_who_fails_after_the_playoff_leaves_it_with_its_comparisons():
    games = [Comparison("a", "b", "a"), Comparison("b", "c", "a")]
    everybody = [contender("a", 19, verdict="fail"), contender("b", 18), contender("c", 18)]
    result = rank(everybody, OPEN, comparisons=games, shortlist=("a", "b", "c"))
    assert [(row.entry_id, row.place) for row in result.rows] == [("b", 1), ("c", 2), ("a", None)]
    assert result.comparisons == 1


def test_a_finalist_without_a_valid_comparison_is_placed_by_score_with_the_rest():
    everybody = [contender("a", 18), contender("b", 17), contender("c", 10), contender("d", 15)]
    games = [Comparison("a", "b", "a")]
    result = rank(everybody, OPEN, comparisons=games, shortlist=("a", "b", "c"))
    assert [(row.entry_id, row.place, row.decided_by) for row in result.rows] == [
        ("a", 1, "playoff"),
        ("b", 2, "playoff"),
        ("d", 3, "score"),
        ("c", 4, "score"),
    ]
    assert result.rows[3].strength is None
    assert result.playoff_entries == 2
    assert any("no pair of theirs has a valid answer: c." in sentence for sentence in result.explanation)


def test_a_pair_that_was_asked_in_vain_is_counted_and_said_to_count_for_nothing():
    everybody = [contender("a", 18), contender("b", 17), contender("c", 10)]
    result = rank(
        everybody,
        OPEN,
        comparisons=[Comparison("a", "b", "a")],
        shortlist=("a", "b", "c"),
        undecided=[Pair(1, "a", "c")],
    )
    assert result.pairs == 2
    assert result.explanation[0].endswith(
        "2 pairs, each compared in both orders, which is 4 questions; 0 ended in a draw."
    )
    assert result.explanation[1].startswith("1 pair of these counts for nothing")


def test_what_undefeated_means_is_said():
    result = rank(
        [contender("a", 18), contender("b", 17)],
        OPEN,
        comparisons=[Comparison("a", "b", "a")],
        shortlist="ab",
    )
    assert any("won at least once and lost never" in sentence for sentence in result.explanation)


def test_after_a_playoff_it_is_said_why_an_award_can_stand_below_a_higher_place():
    played = rank(
        [contender("a", 17), contender("b", 19)],
        OPEN,
        comparisons=[Comparison("a", "b", "a")],
        shortlist="ab",
    )
    assert [row.award for row in played.rows] == ["Silver", "Gold"]
    assert any("an award can stand below a higher place" in sentence for sentence in played.explanation)


def test_those_whom_comparisons_do_not_tell_apart_are_said_to_be_placed_by_their_marks():
    games = [Comparison("a", "b", "draw"), Comparison("a", "c", "draw"), Comparison("b", "c", "draw")]
    everybody = [contender("a", 16), contender("b", 15), contender("c", 15), contender("d", 9)]
    result = rank(everybody, OPEN, comparisons=games, shortlist=("a", "b", "c"))

    assert [(row.entry_id, row.place, row.decided_by) for row in result.rows] == [
        ("a", 1, "score"),
        ("b", 2, "score"),
        ("c", 2, "score"),
        ("d", 4, "score"),
    ]
    assert "Equal by their comparisons, and so placed by their marks: a, b, c." in result.explanation


def test_groups_that_never_met_are_said():
    games = [Comparison("a", "b", "a"), Comparison("c", "d", "a")]
    result = rank([contender(name, 18) for name in "abcd"], OPEN, comparisons=games, shortlist=tuple("abcd"))
    assert any("2 groups that never met" in sentence for sentence in result.explanation)


def test_an_empty_batch_has_an_empty_result():
    assert rank([], OPEN).rows == ()


@given(
    marks=st.lists(st.one_of(st.none(), st.integers(0, 20)), max_size=25),
    shuffle=st.randoms(use_true_random=False),
)
def test_every_entry_has_one_row_and_the_order_given_does_not_matter(marks, shuffle):
    everybody = [contender(f"e{index}", score) if score is not None else Contender(entry_id=f"e{index}")
                 for index, score in enumerate(marks)]  # fmt: skip
    result = rank(everybody, OPEN)
    shuffled = list(everybody)
    shuffle.shuffle(shuffled)
    assert rank(shuffled, OPEN) == result
    assert sorted(row.entry_id for row in result.rows) == sorted(each.entry_id for each in everybody)
    places = [row.place for row in result.ranked]
    assert places == sorted(places)
    for row in result.ranked:
        assert row.place_high - row.place_low == row.tied


def test_a_result_survives_a_journey_through_json():
    result = rank([contender("a", 19), contender("b", 12, verdict="fail")], OPEN)
    assert Result.model_validate(result.model_dump(mode="json")) == result


def test_a_score_that_thousands_share_names_a_few_of_them():
    result = rank(
        [Contender(entry_id=f"e{number:04d}", score=12) for number in range(3000)], default_competition()
    )

    assert {row.tied for row in result.rows} == {2999}
    assert {len(row.tied_with) for row in result.rows} == {20}


def played(games, rules, shortlist="abcd"):
    club = OPEN.model_copy(update={"playoff": rules})
    result = rank(
        [contender(name, 18) for name in "abcd"], club, comparisons=games, shortlist=tuple(shortlist)
    )
    return result, " ".join(result.explanation)


def test_it_is_said_why_the_playoff_ended_and_how_sure_its_first_places_are():
    games = [Comparison("a", "b", "a"), Comparison("c", "d", "a"), Comparison("a", "c", "a")]
    games += [Comparison("b", "d", "draw")]
    spent, words = played(games, Playoff(rounds=2))
    assert spent.progress.ending == "spent"
    assert "its 4 pairs were spent. Everybody against everybody takes 6 pairs." in words
    assert "the first is the best: " in words
    assert "the first 2 are the best 2, in any order: " in words
    assert "take them for equals" in words
    everybody = [*games, Comparison("a", "d", "a"), Comparison("b", "c", "draw")]
    assert "because everybody had met everybody" in played(everybody, Playoff(rounds=3))[1]
    assert "has not ended: 4 of 6 pairs were asked" in played(games, Playoff(rounds=3))[1]


def test_a_playoff_that_is_settled_early_says_what_was_saved():
    names = "abcdefghijklmnopqrstuvwxyz"
    club = OPEN.model_copy(update={"playoff": Playoff(rounds=25, shortlist=26, places=1)})
    games = [
        Comparison(one, other, "a" if one == "a" else "draw")
        for index, one in enumerate(names)
        for other in names[index + 1 : index + (26 if one == "a" else 3)]
    ]
    result = rank([contender(name, 18) for name in names], club, comparisons=games, shortlist=tuple(names))
    assert result.progress.ending == "settled"
    words = " ".join(result.explanation)
    assert f"its first places are settled; {325 - len(games)} of 325 pairs were saved" in words
    assert "All are settled, at 95 % or more." in words


def test_awards_by_place_go_to_all_who_share_it():
    club = Competition(id="by-place", place_bands={"Winner": (1,), "Second": (2, 3)})
    games = [Comparison("a", "b", "draw"), Comparison("a", "c", "a"), Comparison("b", "c", "a")]
    result = rank([contender(name, 18) for name in "abc"], club, comparisons=games, shortlist=("a", "b", "c"))
    assert [(row.place, row.award) for row in result.ranked] == [(1, "Winner"), (1, "Winner"), (3, "Second")]
    assert "those that share a place share its award" in " ".join(result.explanation)
