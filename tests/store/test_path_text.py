"""Paths as text: any path there and back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.path_text import BadPathText, path_text, text_path

names = st.binary(min_size=1).filter(lambda name: b"\0" not in name)


@given(names)
def test_any_path_survives_the_way_there_and_back(name):
    path = Path(os.fsdecode(name))
    assert text_path(path_text(path)) == path


@given(names)
def test_the_text_is_valid_utf_8(name):
    path_text(os.fsdecode(name)).encode("utf-8")


@given(names, names)
def test_different_paths_have_different_texts(one, other):
    assert (path_text(os.fsdecode(one)) == path_text(os.fsdecode(other))) == (one == other)


def test_ordinary_names_stay_as_they_are():
    assert path_text("/Fotos/Äpril 2026/x.jpg") == "/Fotos/Äpril 2026/x.jpg"
    assert path_text("100%.jpg") == "100%25.jpg"
    assert path_text("caf\udce9.jpg") == "caf%E9.jpg"


def test_a_percent_sign_is_written_so_that_it_cannot_be_mistaken():
    assert path_text("50%41.jpg") == "50%2541.jpg"
    assert text_path("50%2541.jpg") == Path("50%41.jpg")


@pytest.mark.parametrize("text", ["50%", "a%zz", "a%00b", "lone \ud800 surrogate"])
def test_a_text_that_nobody_wrote_is_refused(text):
    with pytest.raises(BadPathText):
        text_path(text)
