from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imageworks.personal_tagger.bursts import Burst, Frame, find_bursts, leads
from imageworks.personal_tagger.context import (
    LONGEST_NOTES,
    capture_words,
    context_variables,
    neighbor_words,
    notes_words,
    told_about,
)
from imageworks.personal_tagger.keywords import file_words
from imageworks.personal_tagger.places import kilometers, place_words


@pytest.mark.parametrize(
    ("captured_at", "words"),
    [
        ("2025-06-14T19:42:11+02:00", "Saturday, 14 June 2025, 19 h, in the evening"),
        ("2025-12-31T00:10:00", "Wednesday, 31 December 2025, 0 h, at night"),
        ("1980-01-01T00:00:00", ""),
        ("yesterday", ""),
        (None, ""),
    ],
)
def test_the_time_is_told_to_the_hour_and_only_where_a_clock_was_set(captured_at, words):
    assert capture_words(captured_at) == words


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("a/DSC_0001.jpg", ()),
        ("IMG_20250614_194211.jpg", ()),
        ("x/2024-05-01 Trawler at dusk-12.jpg", ("Trawler at dusk",)),
        ("heron_03.jpg", ("heron",)),
    ],
)
def test_a_file_name_speaks_where_a_person_gave_it(path, words):
    assert file_words(path) == words


def test_notes_are_cleaned_and_cut_between_words():
    notes = notes_words("First\x00 line\n\n" + "word " * 1000)
    assert notes.startswith("First line\n\nword word")
    assert notes.endswith("word …")
    assert len(notes) <= LONGEST_NOTES + 2


def test_a_prompt_is_told_what_it_declares_and_an_older_row_what_it_always_knew():
    row = {"context": '{"captured":"x","notes":"y","folder_words":["Garda"]}'}
    assert context_variables(row, {"notes", "place", "signals"}) == {"notes": "y"}
    assert told_about(row)["existing_keywords"] == []
    older = {"existing_keywords": ["Anna"], "relative_path": "Garda/a.jpg"}
    assert told_about(older) == {"existing_keywords": ["Anna"], "folder_words": ["Garda"]}
    assert context_variables(older, {"notes"}) == {}


@pytest.mark.parametrize(
    ("position", "words"),
    [
        ((45.7646, 10.8087), "Malcesine, Veneto, Italy"),
        ((46.5, 8.0), "near Grindelwald, Bern, Switzerland"),
        ((0.0, -30.0), ""),
    ],
)
def test_a_position_has_the_name_of_the_town_next_to_it_and_none_at_sea(position, words):
    assert place_words(*position) == words


def test_a_degree_of_latitude_is_111_kilometers():
    assert kilometers((10.0, 20.0), (11.0, 20.0)) == pytest.approx(111.2, abs=0.1)


def frame(number, second, *, folder="a", sharpness=0.0):
    moment = f"2025-06-14T10:00:{second:02d}"
    return Frame(f"b/{folder}/{number}.jpg", f"{folder}/{number}.jpg", moment, sharpness)


def test_a_burst_is_of_one_folder_and_without_a_long_gap():
    frames = [frame(1, 0), frame(2, 1), frame(3, 9), frame(4, 1, folder="c"), Frame("b/x", "a/x.jpg", None)]
    (burst,) = find_bursts(frames, gap_s=2)
    assert [one.relative_path for one in burst.frames] == ["a/1.jpg", "a/2.jpg"]
    assert burst.seconds == 1
    assert neighbor_words(2, 2, burst.seconds) == "frame 2 of 2, taken within 1 s"


def test_the_sharpest_frame_speaks_only_for_those_that_look_like_it():
    one, two, three = frame(1, 0), frame(2, 1, sharpness=9), frame(3, 2)
    alike = {frozenset({one.entry_id, two.entry_id}), frozenset({one.entry_id, three.entry_id})}
    assert leads(Burst((one, two, three), 2), alike) == {one.entry_id: two.entry_id}


@given(st.lists(st.integers(0, 59), max_size=12), st.data())
def test_whoever_carries_an_answer_carries_that_of_one_who_is_asked(seconds, data):
    frames = [frame(number, second) for number, second in enumerate(seconds)]
    for burst in find_bursts(frames, gap_s=3):
        names = [one.entry_id for one in burst.frames]
        pairs = [frozenset({one, other}) for one in names for other in names if one < other]
        alike = data.draw(st.sets(st.sampled_from(pairs)))
        carried = leads(burst, alike)
        assert not carried.keys() & set(carried.values())
        assert all(frozenset(pair) in alike for pair in carried.items())
        moments = [one.moment for one in burst.frames]
        assert all((after - before).total_seconds() <= 3 for before, after in pairwise(moments))
