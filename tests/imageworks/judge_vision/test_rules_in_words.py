from __future__ import annotations

import pytest

from imageworks.judge_vision.competition_file import read_competitions
from imageworks.judge_vision.rules_in_words import in_words

CLUB = """
[competition.club]
categories = ["Colour", "Mono"]
awards = ["Gold", "Silver", "Special"]
score_bands = {Gold = [18, 19], Silver = [15, 16]}
anchors = ["Harbor"]
[competition.club.rules]
max_width = 1600
min_width = 800
max_bytes = 2_000_000
formats = ["JPEG", "PNG"]
color_space = "sRGB"
naming = "{category} {title} by {author}"
entries_per_author = 2
on_borders = "pass"
on_reuse = "fail"
watermark_allowed = false
[competition.club.playoff]
shortlist = 6
places = 1
"""


def told(text):
    (club,) = read_competitions(text).values()
    return {one.about: " ".join(one.sentences) for one in in_words(club)}


def test_each_rule_says_what_it_asks_and_what_it_leads_to():
    words = told(CLUB)

    assert "at least 800 and at most 1600 pixels wide; anything else is kept out." in words["Files"]
    assert "at most 2 MB; a larger one is kept out." in words["Files"]
    assert "a JPEG or a PNG; another format is kept out." in words["Files"]
    assert (
        "at most 2 entries; where there are more, each of them is to be looked at"
        in words["Names and people"]
    )
    seen = words["What is seen in the picture"]
    assert "A border is not looked for." in seen
    assert "More than one tint in Mono is to be looked at by a person." in seen
    assert "earlier round of this home is kept out; one that the detector is less than 85 % sure of" in seen
    assert "its name says, else the one that its first folder says: Colour/… or Mono/…" in words["Categories"]
    assert (
        "at most 12 pairs, 24 questions. It ends earlier when the first place is settled."
        in words["The playoff"]
    )


def test_awards_are_told_by_their_marks_or_places():
    assert "Gold: for 18, 19 marks." in told(CLUB)["Marks and awards"]
    assert "Special: nothing says what earns it" in told(CLUB)["Marks and awards"]
    by_place = told("[competition.a]\nplace_bands = {Winner = 1, Commended = [2, 14]}")
    assert "Winner: for the 1st place" in by_place["Marks and awards"]
    assert "Commended: for the 2nd to the 14th place" in by_place["Marks and awards"]
    assert "beyond the 12 that meet" in by_place["Worth a look"]


def test_what_an_organizer_may_have_overlooked_is_said():
    assert "A signature, a logo's name or a date in the picture" in told(CLUB)["What is seen in the picture"]
    look = told(CLUB)["Worth a look"]
    assert "No award is for 17, 20 marks, though one is for fewer." in look
    assert "`anchors` are a record" in look
    edited = "[competition.a.rules]\nmanipulation = 'none'\nwatermark_allowed = false\non_text = 'pass'"
    look = told(edited)["Worth a look"]
    assert "Editing cannot be measured" in look
    assert "and on_text looks for none" in look


@pytest.mark.parametrize("text", ["[competition.a]", "[competition.a.playoff]\nrounds = 0"])
def test_the_least_that_a_file_can_hold_is_told_too(text):
    words = told(text)
    assert "Files are named anyhow" in words["Names and people"]
    assert "There are no awards" in words["Worth a look"]


@pytest.mark.parametrize("bands", ["score_bands", "place_bands"])
def test_an_award_that_no_mark_and_no_place_earns_is_told(bands):
    assert (
        "Gold: nothing says what earns it" in told(f"[competition.a.{bands}]\nGold = []")["Marks and awards"]
    )
