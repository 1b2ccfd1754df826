from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imageworks.personal_tagger.keywords import folder_words, normalize_keywords
from photos.metadata.fields import MetadataFields
from photos.metadata.spelling import keyword_key


def test_words_are_put_right_and_never_changed_into_others():
    given_words = [
        "trees",
        " Horses ",
        "cathedral",
        "cat",
        "NASA",
        "1. sea",
        "#sunset",
        "blue_sky",
        '"quoted"',
    ]
    assert normalize_keywords(given_words) == (
        "trees",
        "Horses",
        "cathedral",
        "cat",
        "NASA",
        "sea",
        "sunset",
        "blue sky",
        "quoted",
    )


@pytest.mark.parametrize(
    "word",
    [
        "3.5mm lens",
        "1.4 aperture",
        "24.5 mm",
        "C#",
        ".NET",
        "U.S.",
        "Washington D.C.",
        "-20 °C",
        "'90s",
        "10,000 steps",
        "x" * 40,
    ],
)
def test_signs_that_belong_to_a_word_stay(word):
    assert normalize_keywords([word]) == (word,)


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("2) sea", "sea"),
        ("1. 2. sea", "sea"),
        ("- sea", "sea"),
        ("-sea", "sea"),
        ("• sea", "sea"),
        ("**sea**", "sea"),
        ("# sunset", "sunset"),
        ("'sea'", "sea"),
        ("sea.", "sea"),
    ],
)
def test_signs_of_a_list_and_around_a_word_go(said, word):
    assert normalize_keywords([said]) == (word,)


def test_what_is_too_long_for_a_keyword_is_left_out_and_not_cut():
    assert normalize_keywords(["x" * 38 + " horses", "sea"]) == ("sea",)


def test_each_word_stands_once_in_its_first_spelling():
    assert normalize_keywords(["Black-and-White", "black and white", "BLACK_AND_WHITE"]) == (
        "Black-and-White",
    )


def test_lists_in_an_entry_are_taken_apart_and_the_number_is_bounded():
    assert normalize_keywords(["sea, sky; clouds", "boat"], most=3) == ("sea", "sky", "clouds")


def test_entries_without_a_word_are_left_out():
    assert normalize_keywords(["", "...", "\x00", " \n", "--"]) == ()


@given(st.lists(st.text(max_size=60), max_size=30))
def test_any_keywords_come_out_writable_and_stable(keywords):
    once = normalize_keywords(keywords)
    assert normalize_keywords(once) == once
    assert len({keyword_key(keyword) for keyword in once}) == len(once)
    MetadataFields(keywords=once)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("2024/2024-05 Lake Garda_trip/100CANON/IMG_1.jpg", ("Lake Garda trip",)),
        ("Family/Anna's wedding/DSC_0001.jpg", ("Anna's wedding", "Family")),
        ("IMG_1.jpg", ()),
        ("../x/IMG_1.jpg", ("x",)),
        ("DCIM/103_PANA/P1.jpg", ("DCIM",)),
    ],
)
def test_folders_give_words_nearest_first(path, words):
    assert folder_words(path) == words
