from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imageworks.errors import MarksFileError
from imageworks.spreadsheets import as_written, cell, read_rows, text_of


def rows(text: str, needed: tuple[str, ...] = ("file", "mark")) -> list[tuple[int, dict[str, str]]]:
    return list(read_rows(text, needed, source="t.csv", refused=MarksFileError))


@given(st.text("'=+-@ \N{FULLWIDTH PLUS SIGN}a\u3000", max_size=6))
def test_text_comes_back_from_a_cell_as_it_went_there(text):
    assert text_of(str(cell(text))) == str(cell(f"x{text}"))[1:]


@pytest.mark.parametrize("text", ["=1", "'=1", "''=1", " '+1", "\N{FULLWIDTH EQUALS SIGN}1"])
def test_what_could_be_taken_for_a_formula_is_told_from_what_was_kept_from_being_one(text):
    assert cell(text) == f"'{text}"
    assert text_of(f"'{text}") == text


def test_a_name_is_the_same_in_a_table_whoever_composed_its_accents():
    assert as_written("Cafe\u0301\x07.jpg") == as_written("Café .jpg")


def test_rows_have_their_line_and_columns_in_any_order_and_capitals():
    assert rows("\r\n Mark ;FILE\r\n\r\n9;a\r\n") == [(4, {"mark": "9", "file": "a"})]


def test_columns_that_nobody_needs_may_be_missing_at_a_lines_end():
    assert rows("file,mark,note\na,9\n") == [(2, {"file": "a", "mark": "9"})]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("\n\n", "t.csv is empty: its first line has to name file, mark."),
        ("file\n", "line 1: the header has no column mark; it needs file, mark."),
        ("mark,file,Mark\n", "line 1: the header has mark more than once."),
        ("file,mark\na\n", "line 2: it has 1 cells, fewer than its header."),
        ('file,mark\n"a\n', "line 2: this is no CSV"),
    ],
)
def test_what_is_no_such_table_is_told_with_its_line(text, told):
    with pytest.raises(MarksFileError) as refusal:
        rows(text)
    assert told in str(refusal.value)
