"""What is put on a terminal: whole words, no markup, and times as people say them."""

from __future__ import annotations

import pytest

from backends.showing import cell, duration


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "0 s"),
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (3725, "1 h 2 min"),
        (90_000, "1 d 1 h"),
        (31 * 86_400, "31 d"),
    ],
)
def test_seconds_are_said_in_the_two_largest_units(seconds, words):
    assert duration(seconds) == words


def test_a_cell_holds_neither_markup_nor_what_moves_the_cursor_and_keeps_its_lines():
    assert cell("[red]a\x1b[2J\r\nb").plain == "[red]a?[2J?\nb"
    assert cell(None).plain == ""
    assert cell(7).plain == "7"
