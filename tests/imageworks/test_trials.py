"""Two prompts compared entry by entry: what is counted, and how it is written down."""

from __future__ import annotations

import csv
import io
import json

from hypothesis import given
from hypothesis import strategies as st

from imageworks.trials import (
    Told,
    TrialEntry,
    TrialFacts,
    summary_of,
    trial_csv,
    trial_json,
    trial_page,
)

FACTS = TrialFacts(
    "spring",
    "judge/critiques",
    {"reference": "club-judge@production", "profile_hash": "a" * 64, "stage_hash": "b" * 64},
    {"reference": "club-judge@staging", "profile_hash": "c" * 64, "stage_hash": "d" * 64},
    "some-vlm",
    "e" * 64,
)


def marked(*pairs):
    return [
        TrialEntry(f"spring/{number}.jpg", f"{number}.jpg", Told(score=first), Told(score=second))
        for number, (first, second) in enumerate(pairs)
    ]


def test_marks_are_compared_entry_by_entry():
    summary = summary_of(marked((10, 12), (15, 14), (18, 18), (8, 11)))
    assert (summary.mean_difference, summary.better, summary.worse, summary.same) == (1.0, 2, 1, 1)
    assert summary.spearman == 1.0
    assert (summary.first.mean_score, summary.second.mean_score) == (12.75, 13.75)


def test_no_rank_correlation_is_claimed_of_few_marks_or_of_equal_ones():
    assert summary_of(marked((10, 12), (15, 14))).spearman is None
    assert summary_of(marked((10, 12), (10, 14), (10, 9))).spearman is None


def test_an_entry_that_one_side_could_not_answer_is_compared_by_none():
    entries = [
        *marked((10, 12)),
        TrialEntry("spring/x.jpg", "x.jpg", Told(error="timeout: it took too long"), Told(score=20)),
    ]
    summary = summary_of(entries)
    assert (summary.entries, summary.compared, summary.mean_difference) == (2, 1, 2.0)
    assert (summary.first.errors, summary.second.errors) == (1, 0)


def test_keywords_that_one_side_alone_gives_are_added_or_removed_whatever_their_case():
    one = TrialEntry("a", "a", Told(keywords=("Cat", "garden")), Told(keywords=("cat", "fence", "dusk")))
    assert (one.added, one.removed) == (("fence", "dusk"), ("garden",))
    summary = summary_of([one])
    assert (summary.added, summary.removed, summary.same, summary.mean_difference) == (2, 1, 0, None)


def test_time_is_that_of_answers_that_were_asked_now_and_tokens_are_of_all():
    told = [Told(score=1, tokens=100, ms=40.0), Told(score=2, tokens=50), Told(score=3)]
    entries = [TrialEntry(str(n), str(n), one, one) for n, one in enumerate(told)]
    side = summary_of(entries).first
    assert (side.tokens, side.mean_ms, side.recalled) == (150, 40.0, 2)


marks = st.none() | st.integers(0, 20)


@given(st.lists(st.tuples(marks, marks), max_size=12))
def test_better_worse_and_same_are_all_that_have_marks_on_both_sides(pairs):
    entries = marked(*pairs)
    summary = summary_of(entries)
    both = [one for one in entries if one.difference is not None]
    same = sum(one.difference == 0 for one in both)
    assert summary.better + summary.worse + same == len(both)
    assert summary.spearman is None or -1 <= summary.spearman <= 1 + 1e-9


HOSTILE = "</td><script>alert(1)</script> \u202egnp =1+1"


def test_a_hostile_answer_breaks_neither_page_nor_spreadsheet_nor_json(jpeg):
    told = Told(score=3, text=f"={HOSTILE}", keywords=(HOSTILE,), error=HOSTILE)
    entries = [TrialEntry("spring/a.jpg", HOSTILE, told, told)]
    page = trial_page(FACTS, entries, {"spring/a.jpg": jpeg()})
    assert "<script" not in page
    assert "\u202e" not in page
    assert 'src="data:image/jpeg;base64,' in page
    (row,) = csv.DictReader(io.StringIO(trial_csv(entries)))
    assert row["text_first"].startswith("'=")
    assert trial_json(FACTS, entries).isascii()


def test_the_page_shows_both_sides_and_the_summary():
    page = trial_page(FACTS, marked((10, 12), (15, 14), (8, 11)))
    assert "club-judge@production" in page
    assert "The second marks 1.33 higher on average" in page
    assert "0.jpg · +2" in page
    assert json.loads(trial_json(FACTS, marked((10, 12))))["entries"][0]["difference"] == 2
