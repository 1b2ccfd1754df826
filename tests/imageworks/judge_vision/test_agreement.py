"""Coefficients against published examples, and what must hold of them whatever the marks are."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from imageworks.judge_vision.agreement import Mark, agreements, kendall_w, krippendorff_alpha, spearman

NONE = np.nan

KRIPPENDORFF_2011 = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NONE, NONE, NONE],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NONE, 3],
        [NONE, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NONE],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NONE],
    ]
)
"""Four observers, twelve units: the example of "Computing Krippendorff's Alpha-Reliability", section D."""

SIEGEL_EXECUTIVES = np.array([[1, 6, 3, 2, 5, 4], [1, 5, 6, 4, 2, 3], [6, 3, 2, 5, 4, 1]])
SIEGEL_TIED = np.array(
    [
        [1, 4.5, 2, 4.5, 3, 7.5, 6, 9, 7.5, 10],
        [2.5, 1, 2.5, 4.5, 4.5, 8, 9, 6.5, 10, 6.5],
        [2, 1, 4.5, 4.5, 4.5, 4.5, 8, 8, 8, 10],
    ]
)
"""Both from Siegel 1956, "Nonparametric Statistics", chapter 9: W is 0.16 without ties and 0.828 with them."""


def tables(people=(1, 4), entries=(1, 7), *, missing=True):
    marks = st.integers(0, 20).map(float)
    return st.tuples(st.integers(*people), st.integers(*entries)).flatmap(
        lambda shape: arrays(
            np.float64, shape, elements=st.one_of(marks, st.just(NONE)) if missing else marks
        )
    )


@pytest.mark.parametrize(("level", "alpha"), [("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_is_that_of_krippendorffs_own_example(level, alpha):
    assert krippendorff_alpha(KRIPPENDORFF_2011, level) == pytest.approx(alpha, abs=5e-4)


@pytest.mark.parametrize(("ranks", "w"), [(SIEGEL_EXECUTIVES, 0.16), (SIEGEL_TIED, 0.828)])
def test_w_is_that_of_siegels_examples(ranks, w):
    assert kendall_w(ranks) == pytest.approx(w, abs=5e-3)


@given(marks=tables())
def test_alpha_is_one_at_most_and_knows_neither_the_order_of_people_nor_that_of_entries(marks):
    for level in ("ordinal", "interval"):
        alpha = krippendorff_alpha(marks, level)
        assert alpha is None or alpha <= 1 + 1e-12
        assert krippendorff_alpha(marks[::-1, ::-1], level) == pytest.approx(alpha)


@given(marks=tables())
def test_alpha_of_intervals_moves_with_no_change_of_scale_and_that_of_order_with_none_that_keeps_it(marks):
    assert krippendorff_alpha(3 * marks + 7, "interval") == pytest.approx(
        krippendorff_alpha(marks, "interval")
    )
    assert krippendorff_alpha(marks**3, "ordinal") == pytest.approx(krippendorff_alpha(marks, "ordinal"))


@given(marks=tables(people=(1, 1)), people=st.integers(2, 4))
def test_people_who_agree_in_all_have_an_alpha_of_one_or_none(marks, people):
    alpha = krippendorff_alpha(np.repeat(marks, people, axis=0), "interval")
    given_marks = marks[~np.isnan(marks)]
    assert alpha == (pytest.approx(1) if len(set(given_marks.tolist())) > 1 else None)


@given(
    ranks=st.integers(2, 6).flatmap(
        lambda entries: st.lists(st.permutations(range(entries)), min_size=2, max_size=5)
    )
)
def test_w_without_ties_is_the_mean_rank_correlation_of_all_pairs_on_another_scale(ranks):
    people = len(ranks)
    mean = np.mean([np.corrcoef(one, other)[0, 1] for one, other in combinations(ranks, 2)])
    assert kendall_w(np.array(ranks)) == pytest.approx((1 + (people - 1) * mean) / people)


@given(marks=tables(missing=False))
def test_w_lies_between_no_and_full_concordance(marks):
    w = kendall_w(marks)
    assert w is None or -1e-9 <= w <= 1 + 1e-9


def test_what_the_marks_do_not_determine_is_not_a_number_that_looks_like_one():
    assert spearman([1, 2], [1, 2]) is None
    assert spearman([1, 1, 1], [1, 2, 3]) is None
    assert kendall_w(np.array([[1.0, 2.0]])) is None
    assert kendall_w(np.full((3, 4), 7.0)) is None
    assert krippendorff_alpha(np.array([[1, NONE], [NONE, 2]]), "interval") is None
    assert krippendorff_alpha(np.full((3, 4), 7.0), "ordinal") is None


SCORES = {"a": 18, "b": 15, "c": 12, "d": 10}
PLACES = {"a": 1, "b": 2, "c": 3, "d": 4}


def marked(judge, *marks):
    return [Mark(judge, entry, mark) for entry, mark in zip("abcd", marks, strict=False)]


def test_each_person_and_their_mean_are_compared_with_the_judge():
    marks = [*marked("Ada", 17, 14, 11, 9), *marked("Ben", 10, 12, 15, 18)]
    (whole,) = agreements(marks, scores=SCORES, places=PLACES, categories={})
    ada, ben = whole.people
    assert (ada.name, ada.marks, ada.spearman, ada.mean_error, ada.bias) == ("Ada", 4, 1.0, 1.0, 1.0)
    assert ben.spearman == -1.0
    assert whole.panel.bias == pytest.approx(0.5)
    assert whole.concordance == pytest.approx(0)
    assert (whole.entries, whole.marked_by_all) == (4, 4)
    assert whole.places == pytest.approx(spearman([13.5, 13, 13, 13.5], [4, 3, 2, 1]))


def test_a_judge_who_agrees_with_nobody_lowers_the_alpha():
    marks = [*marked("Ada", 9, 11, 14, 17), *marked("Ben", 10, 12, 15, 18)]
    (whole,) = agreements(marks, scores=SCORES, places=PLACES, categories={})
    assert whole.alpha_with_judge["interval"] < 0 < whole.alpha["interval"]


def test_categories_are_told_apart_and_places_only_within_them():
    categories = {"a": "Colour", "b": "Colour", "c": "Mono", "d": "Mono"}
    found = agreements(marked("Ada", 17, 14, 11, 9), scores=SCORES, places=PLACES, categories=categories)
    assert [(one.category, one.entries) for one in found] == [(None, 4), ("Colour", 2), ("Mono", 2)]
    assert found[0].places is None


def test_an_entry_without_a_score_counts_among_people_alone():
    marks = [*marked("Ada", 17, 14, 11, 9), *marked("Ben", 16, 15, 12)]
    (whole,) = agreements(marks, scores={"a": 18, "b": 15, "d": 9}, places={}, categories={})
    assert [each.marks for each in whole.people] == [3, 2]
    assert (whole.entries, whole.marked_by_all, whole.places) == (4, 3, None)
