from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photos.paths import BadPathText, path_text, text_path

names = st.binary(min_size=1, max_size=40).filter(lambda raw: b"\0" not in raw and b"/" not in raw)


@given(names)
def test_any_file_name_survives_as_text(name):
    path = Path(os.fsdecode(name))
    text = path_text(path)
    text.encode("utf-8")
    assert text_path(text) == path


@given(st.text(st.characters(exclude_characters="%\0", exclude_categories=["Cs"]), min_size=1))
def test_a_name_without_oddities_reads_as_it_looks(name):
    assert path_text(name) == name


def test_bytes_that_are_not_utf8_are_percent_encoded():
    assert path_text(Path(os.fsdecode(b"caf\xe9.jpg"))) == "caf%E9.jpg"


def test_a_percent_sign_is_written_so_that_it_cannot_be_mistaken():
    assert path_text("50%41.jpg") == "50%2541.jpg"
    assert text_path("50%2541.jpg") == Path("50%41.jpg")


@pytest.mark.parametrize("text", ["50%", "a%zz", "a%00b", "lone \ud800 surrogate"])
def test_a_text_that_nobody_wrote_is_refused(text):
    with pytest.raises(BadPathText):
        text_path(text)
