"""What is kept of a server's output."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backends.services.supervision.output import KEPT_LINES, LONGEST_LINE, Output


def fed(*pieces):
    output = Output()
    for piece in pieces:
        output.feed(piece)
    return output


def test_the_last_lines_are_kept_oldest_first():
    output = fed(b"".join(b"line %d\n" % number for number in range(KEPT_LINES + 10)))

    assert output.last(2) == [f"line {KEPT_LINES + 8}", f"line {KEPT_LINES + 9}"]
    assert len(output.last(10 * KEPT_LINES)) == KEPT_LINES


def test_a_line_that_has_not_ended_is_shown_too():
    assert fed(b"one\ntw").last(5) == ["one", "tw"]
    assert fed(b"one\ntw", b"o\n").last(5) == ["one", "two"]


def test_a_long_line_is_cut_however_it_comes():
    assert fed(b"x" * 10 * LONGEST_LINE, b"x" * 10, b"\nnext\n").last(2) == ["x" * LONGEST_LINE, "next"]


def test_of_a_progress_bar_only_the_last_state_is_kept():
    assert fed(b"\r 0%", b"\r50%", b"\r100%\n").last(5) == ["100%"]
    assert fed(b" 0%\r", b"50%\r100%\r", b"\n").last(5) == ["100%"]
    assert fed(b"".join(b"\r%d%%" % (number % 100) for number in range(10_000)), b"\n").last(1) == ["99%"]


def test_lines_of_windows_end_as_others_do():
    assert fed(b"one\r\ntwo\r", b"\nthree").last(5) == ["one", "two", "three"]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=50), st.integers(0, 60))
def test_where_the_output_is_cut_does_not_matter(text, cut):
    data = f"{text}\n".encode()

    assert fed(data[:cut], data[cut:]).last(5) == [text]


def test_what_is_no_text_does_no_harm():
    assert fed(b"\xff\xfe\n").last(1) == ["��"]
