from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imageworks.judge_vision.name_pattern import cut_name, parse_pattern

PATTERNS = [
    "{title} by {author}",
    "{title}_{author}",
    "{author}_{title}",
    "{number}_{title}_{author}",
    "{category} - {author} - {title} - {number}",
    "{title} - {number} - {author}",
    "{author}-{number} {title}",
]
PIECES = st.lists(
    st.sampled_from(["a", "B", "7", "42", " ", "_", "-", " - ", " by ", " By ", "_by_"]),
    min_size=1,
    max_size=12,
)


def every_cut(name, naming):
    """All ways to cut a name by a pattern, by trying every one: where each field begins and ends."""
    kinds = {"number": r"\d+"}

    def cut(at, pieces):
        literal, *rest = pieces
        if not name.startswith(literal, at):
            return
        at += len(literal)
        if not rest:
            if at == len(name):
                yield {}
            return
        field, *rest = rest
        for end in range(at + 1, len(name) + 1):
            if re.fullmatch(kinds.get(field, ".+"), name[at:end]):
                for others in cut(end, rest):
                    yield {field: (at, end), **others}

    return list(cut(0, re.split(r"\{(\w+)\}", naming)))


@given(naming=st.sampled_from(PATTERNS), pieces=PIECES)
def test_a_name_is_cut_in_exactly_the_ways_that_there_are(naming, pieces):
    name = "".join(pieces)
    pattern = parse_pattern(naming)
    cuts = cut_name(name, pattern, to_the_letter=True)
    ways = every_cut(name, naming)
    assert (cuts is not None) == bool(ways)
    for field in pattern.fields if cuts else ():
        starts, ends = zip(*(way[field] for way in ways), strict=True)
        assert cuts.starts[field] == set(starts)
        assert cuts.ends[field] == set(ends)
        sure = len(set(starts)) == len(set(ends)) == 1
        assert cuts.only(field) == (name[starts[0] : ends[0]] if sure else None)
    if cuts:
        assert cuts.longest("title") == max((name[slice(*way["title"])] for way in ways), key=len)


@pytest.mark.parametrize("naming", PATTERNS)
def test_a_name_of_any_length_is_cut(naming):
    # Trying one way after the other would not end in a lifetime.
    name = "x - x_x by 7-" * 20_000
    cut_name(name, parse_pattern(naming), to_the_letter=True)
    cut_name(name, parse_pattern(naming), categories=("Colour", "Mono"), to_the_letter=False)


def test_words_may_be_spelled_in_other_capitals_and_with_underscores_but_signs_may_not():
    by, dash = parse_pattern("{title} by {author}"), parse_pattern("{title} - {author}")
    assert cut_name("Dawn_BY_Ann", by, to_the_letter=True) is None
    assert cut_name("Dawn_BY_Ann", by, to_the_letter=False).only("author") == "Ann"
    assert cut_name("Dawn_-_Ann", dash, to_the_letter=False) is None


def test_a_category_is_one_of_those_listed_in_any_capitals():
    pattern = parse_pattern("{category}_{title}_{author}")
    cuts = cut_name("black_and_white_Dawn_Ann", pattern, categories=("Black and White",), to_the_letter=True)
    assert cuts.among("category", ("Mono", "Black and White")) == "Black and White"
    assert cuts.only("author") == "Ann"
    assert cut_name("Sepia_Dawn_Ann", pattern, categories=("Mono",), to_the_letter=True) is None


@pytest.mark.parametrize(
    ("naming", "extension"),
    [
        ("{title} by {author}.jpg", ".jpg"),
        ("{title} by {author}.JPEG", ".JPEG"),
        ("{title} by {author}", ""),
        ("{title} by {author} v.2", ""),
    ],
)
def test_an_extension_at_the_end_is_told_from_the_name(naming, extension):
    pattern = parse_pattern(naming)
    assert pattern.extension == extension
    assert pattern.literals == ("", " by ", " v.2" if "v.2" in naming else "")


@pytest.mark.parametrize(
    ("naming", "words"),
    [
        ("{title} by {author", "brace"),
        ("{title} by author}", "brace"),
        ("{{title}} by {author}", "brace"),
        ("{name}", "unknown field {name}"),
        ("{author}", "{title} once"),
        ("{title}{author}", "between two fields"),
        ("{number}2{title}", "other than a digit"),
        ("entries/{title}", "without a folder"),
    ],
)
def test_a_pattern_that_no_name_could_keep_is_refused_in_words(naming, words):
    with pytest.raises(ValueError, match=words):
        parse_pattern(naming)
