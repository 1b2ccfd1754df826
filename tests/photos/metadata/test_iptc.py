from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from photos.metadata import iptc

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=120)


@given(texts, st.integers(1, 80))
def test_a_cut_text_fits_and_is_a_beginning_of_the_whole(text, limit):
    cut = iptc.cut(text, limit)
    assert len(cut.encode()) <= limit
    assert text.startswith(cut)


def test_a_text_that_fits_stays_whole():
    assert iptc.cut("Küste", 6) == "Küste"


def test_a_cut_never_tears_a_character_or_takes_its_accent_off():
    assert iptc.cut("Küste", 2) == "K"
    assert iptc.cut("Cafe\u0301", 4) == "Caf"


def test_values_that_become_the_same_are_named_once():
    long = "x" * 70
    assert iptc.cut_all([long, long + "y", "z"], 64) == ("x" * 64, "z")


def test_old_bytes_are_read_as_windows_wrote_them_unless_they_are_utf8():
    assert iptc.decode(b"K\xfcste", declared_utf8=False) == "Küste"
    assert iptc.decode("Küste".encode(), declared_utf8=False) == "Küste"


def test_what_is_said_to_be_utf8_and_is_not_is_read_as_windows_wrote_it():
    assert iptc.decode(b"Z\xfcrich", declared_utf8=True) == "Zürich"


def test_a_last_letter_that_was_torn_apart_is_left_out():
    assert iptc.decode("Zürich, Café".encode()[:-1], declared_utf8=True) == "Zürich, Caf"


def test_bytes_of_no_known_character_set_are_told_and_not_replaced():
    raw = "Françoise".encode("mac_roman")
    read = iptc.decode(raw, declared_utf8=False)
    assert iptc.is_unknown(read)
    assert read.encode("cp1252", errors="surrogateescape") == raw
    assert not iptc.is_unknown("Françoise \N{REPLACEMENT CHARACTER}")
