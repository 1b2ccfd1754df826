from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from imageworks.plain_text import clean_lines, clean_text, one_line
from photos.metadata.fields import MetadataFields


@given(st.text(max_size=300))
def test_any_text_becomes_one_harmless_line(text):
    line = one_line(text)
    assert len(line) <= 120
    assert line == " ".join(line.split())
    assert all(char.isprintable() or char in "\u200c\u200d" for char in line)


@given(st.text(max_size=200))
def test_any_text_comes_out_writable(text):
    MetadataFields(title=clean_text(text), description=clean_text(text, keep_lines=True))
    MetadataFields(description=clean_lines(text))


def test_paragraphs_are_kept_where_they_are_asked_for():
    assert clean_text("one\n two\n\n\nthree ", keep_lines=True) == "one two\n\nthree"


def test_a_persons_line_breaks_are_kept():
    assert clean_lines("one\r\n  two\n\n\n three ") == "one\ntwo\n\nthree"


def test_marks_that_turn_text_around_go_and_joined_emoji_stay():
    assert clean_text("\u202egnp.exe") == "gnp.exe"
    assert clean_text("\U0001f469\u200d\U0001f692") == "\U0001f469\u200d\U0001f692"
