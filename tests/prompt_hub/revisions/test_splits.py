"""Splits: several revisions, each for a share of the photos."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompt_hub.errors import BadSplit
from prompt_hub.revisions.references import Reference
from prompt_hub.revisions.splits import Split, bucket_of, is_split, part_of


def photo(number):
    return hashlib.sha256(str(number).encode()).hexdigest()


def test_a_split_names_revisions_and_their_shares():
    split = Split.parse("library@production:80, library@1a2b3c4d5e6f:20")
    assert [(share.reference, share.text, share.percent) for share in split.shares] == [
        (Reference("library", label="production"), "library@production", 80),
        (Reference("library", digits="1a2b3c4d5e6f"), "library@1a2b3c4d5e6f", 20),
    ]


def test_a_split_is_told_from_a_reference():
    assert is_split("library@production:80,library@staging:20")
    assert is_split("library@production:100")
    assert not is_split("library@production")
    assert not is_split("library")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("library@a:80,library@b:30", "make 110, and not 100"),
        ("library@a:50,library@a:50", "names a revision twice"),
        ("library@a:99", "splits nothing"),
        ("library@a:80,library@b", "is no share"),
        ("library@a:80,", "is no share"),
        ("library@a:100,library@b:0", "is no share"),
        ("library@a:080,library@b:20", "is no share"),
        ("library@a:-5,library@b:20", "is no share"),
        ("library@a:80,library:20", "such as library@production"),
        ("library@a:80,@b:20", "names no prompt"),
        (",".join(f"library@l{number}:9" for number in range(11)), "2 to 10 revisions"),
    ],
)
def test_what_splits_nothing_is_told(text, words):
    with pytest.raises(BadSplit, match=words):
        Split.parse(text)


@given(st.text(max_size=60))
def test_any_text_is_a_split_or_an_error_of_ours(text):
    try:
        split = Split.parse(text)
    except BadSplit:
        return
    assert sum(share.percent for share in split.shares) == 100


@given(st.text(min_size=1, max_size=64), st.integers(1, 98), st.integers(1, 98))
def test_a_share_that_grows_keeps_the_photos_that_it_had(photo_id, before, more):
    after = min(99, before + more)
    if part_of(photo_id, [before, 100 - before]) == 0:
        assert part_of(photo_id, [after, 100 - after]) == 0


@given(st.text(min_size=1, max_size=64))
def test_a_photo_has_one_place_and_falls_into_one_share(photo_id):
    assert 0 <= bucket_of(photo_id) == bucket_of(photo_id) < 100
    assert part_of(photo_id, [30, 30, 40]) in (0, 1, 2)


def test_shares_come_out_as_asked():
    parts = [part_of(photo(number), [80, 20]) for number in range(10_000)]
    assert 0.18 < parts.count(1) / len(parts) < 0.22
