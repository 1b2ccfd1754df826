from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imageworks.errors import MarksFileError
from imageworks.judge_vision.agreement import Mark
from imageworks.judge_vision.marks_file import load_marks, read_marks
from imageworks.spreadsheets import cell

ENTRIES = {"Dawn.jpg": "r/Dawn.jpg", "Mono/Fog.jpg": "r/Mono/Fog.jpg", "Colour/Fog.jpg": "r/Colour/Fog.jpg"}


def test_a_line_is_one_persons_mark_of_one_entry():
    text = "Judge,Title,File,Mark\r\nAda,Dawn,Dawn.jpg,17.5\r\n\r\n Ada ,,Mono/Fog.jpg,12\r\n"
    assert read_marks(text, ENTRIES) == [Mark("Ada", "r/Dawn.jpg", 17.5), Mark("Ada", "r/Mono/Fog.jpg", 12)]


def test_semicolons_and_decimal_commas_are_read_as_spreadsheets_write_them():
    assert read_marks("file;judge;mark\nDawn.jpg;Ada;17,5\n", ENTRIES) == [Mark("Ada", "r/Dawn.jpg", 17.5)]


def test_a_name_without_its_folder_is_enough_where_only_one_entry_has_it():
    entries = {"Mono/Mist.jpg": "r/Mono/Mist.jpg"}
    assert read_marks("judge,file,mark\nAda,Mist.jpg,9", entries) == [Mark("Ada", "r/Mono/Mist.jpg", 9)]


def test_a_file_may_be_named_as_the_results_for_a_spreadsheet_name_it():
    entries = {"-Dawn.jpg": "r/-Dawn.jpg", "Cafe\u0301\x07.jpg": "r/Café"}
    text = f"judge,file,mark\nAda,{cell('-Dawn.jpg')},9\nAda,{cell('Café .jpg')},8"
    assert read_marks(text, entries) == [Mark("Ada", "r/-Dawn.jpg", 9), Mark("Ada", "r/Café", 8)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("judge,file,mark\n", "holds no marks"),
        ("judge,file,points\nAda,Dawn.jpg,9", "line 1: the header has no column mark"),
        ("judge,file,mark,Mark\nAda,Dawn.jpg,9,9", "mark more than once"),
        ("judge,file,mark\nAda,Dawn.jpg", "line 2: it has 2 cells"),
        ("judge,file,mark\nAda,Dawn.jpg,21", "line 2: '21' is no mark: give a number from 0 to 20"),
        ("judge,file,mark\nAda,Dawn.jpg,nan", "'nan' is no mark"),
        ("judge,file,mark\n\nAda,Dawn.jpg,good", "line 3: 'good' is no mark"),
        ("judge,file,mark\nAda,Fog.jpg,9", "line 2: 'Fog.jpg' may be Colour/Fog.jpg or Mono/Fog.jpg"),
        (
            "judge,file,mark\nAda,Down.jpg,9",
            "line 2: 'Down.jpg' is no entry of this batch. Did you mean 'Dawn.jpg'",
        ),
        (
            "judge,file,mark\nAda,Dawn.jpg,9\nAda,Dawn.jpg,8",
            "line 3: Ada marked 'Dawn.jpg' in line 2 already",
        ),
        ("judge,file,mark\n,Dawn.jpg,9", "line 2: '' is no judge's name"),
        ('judge,file,mark\n"Ada,Dawn.jpg,9', "line 2: this is no CSV"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_line(text, words):
    with pytest.raises(MarksFileError) as refusal:
        read_marks(text, ENTRIES)
    assert words in str(refusal.value)


@given(text=st.text())
def test_any_text_is_marks_or_is_refused(text):
    try:
        marks = read_marks(f"judge,file,mark\n{text}", ENTRIES)
    except MarksFileError:
        return
    assert all(0 <= mark.mark <= 20 for mark in marks)


def test_a_file_is_named_in_its_errors(tmp_path):
    path = tmp_path / "marks.csv"
    with pytest.raises(MarksFileError, match=r"marks\.csv cannot be read"):
        load_marks(path, ENTRIES)
    path.write_bytes("judge,file,mark\nZoë,Dawn.jpg,9".encode("latin-1"))
    with pytest.raises(MarksFileError, match=r"line 2: this is no UTF-8 text; save it as 'CSV UTF-8'"):
        load_marks(path, ENTRIES)
    path.write_bytes("judge,file,mark\nZoë,Dawn.jpg,x".encode("utf-8-sig"))
    with pytest.raises(MarksFileError, match=r"marks\.csv, line 2: 'x' is no mark"):
        load_marks(path, ENTRIES)
