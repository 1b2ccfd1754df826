from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imageworks.errors import AnswerMisread
from imageworks.personal_tagger.tagging import (
    caption_variables,
    description_variables,
    keywords_variables,
    read_caption,
    read_description,
    read_keywords,
    tagging_facts,
    without_opener,
)


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("This image shows a cat.", "A cat."),
        ("The photo depicts two boats", "Two boats"),
        ("A photograph of a dog on a beach", "A dog on a beach"),
        ("In this photo, we can see two boats", "Two boats"),
        ("In the picture there is a horse", "A horse"),
        ("The black and white image depicts a man", "A man"),
        ("This is a photo of a bridge", "A bridge"),
        ("Caption: Boats at dawn", "Boats at dawn"),
        ("Sure! Here's a description: The picture features a lake", "A lake"),
        ("In this image, there are cats", "Cats"),
        ("This image shows iPhone cases", "iPhone cases"),
        ("A photo finish at the races", "A photo finish at the races"),
        ("In the photo booth, two girls laugh", "In the photo booth, two girls laugh"),
        ("In the picture-postcard village", "In the picture-postcard village"),
        ("The scene is calm", "The scene is calm"),
        ("Boats at dawn", "Boats at dawn"),
        ("iPhone on a table", "iPhone on a table"),
        ("This image", "This image"),
    ],
)
def test_openers_go_and_the_rest_stays(text, rest):
    assert without_opener(text) == rest


@given(st.text(min_size=1, max_size=200))
def test_taking_openers_off_never_leaves_nothing(text):
    assert bool(without_opener(text)) == bool(text.strip())


def test_answers_are_read_clean():
    assert read_caption({"caption": '"This photo shows\na lake."'}) == "A lake."
    assert read_keywords({"keywords": ["Sea", "sea", "Sky"]}, max_keywords=2) == ("Sea", "Sky")
    assert (
        read_description({"description": "The image shows a lake.\n\nIt is calm."})
        == "A lake.\n\nIt is calm."
    )


@pytest.mark.parametrize(
    ("read", "data", "named"),
    [
        (read_caption, {"caption": ""}, "caption"),
        (read_caption, {"caption": " \n"}, "nothing but space"),
        (read_caption, {"caption": 5}, "caption"),
        (read_caption, None, "caption"),
        (read_keywords, {"keywords": []}, "keywords"),
        (read_keywords, {"keywords": ["..."]}, "letter or digit"),
        (read_keywords, {"keywords": "sea"}, "keywords"),
        (read_description, {"description": "x", "other": 1}, "other"),
    ],
)
def test_an_answer_that_holds_nothing_is_refused(read, data, named):
    with pytest.raises(AnswerMisread, match=named):
        read(data)


def test_the_variables_are_those_that_the_profiles_declare(signals):
    caption = caption_variables(signals=signals, existing_keywords=["Sea", "sea"], folder_words=("Garda",))
    assert set(caption) == {"signals", "existing_keywords", "folder_words"}
    assert caption["existing_keywords"] == ["Sea"]
    keywords = keywords_variables(caption="A lake", existing_keywords=[], max_keywords=8)
    assert keywords == {"caption": "A lake", "existing_keywords": [], "max_keywords": 8}
    description = description_variables(caption="A lake", keywords=("sea",), existing_keywords=("x",))
    assert description == {"caption": "A lake", "keywords": ["sea"], "existing_keywords": ["x"]}


def test_an_embedded_model_gets_the_task_and_rounded_numbers(signals):
    facts = tagging_facts("keywords", signals=signals, width=3, height=2, max_keywords=5)
    assert (facts["task"], facts["max_keywords"], facts["signals"]["contrast"]) == ("keywords", 5, 0.23)
