"""Cells of a CSV that a spreadsheet opens: text stays text."""

from __future__ import annotations

import unicodedata


def cell(value: object) -> object:
    """A value for one cell; text that a spreadsheet would take for a formula gets an apostrophe in front of it."""
    if isinstance(value, str):
        # Control characters could end the cell or the line; a formula must stay text.
        line = "".join(char if char.isprintable() else " " for char in value)
        # Spreadsheets in East Asian locales take full-width signs for formulas too.
        first = unicodedata.normalize("NFKC", line.lstrip()[:1])
        return "'" + line if first in {"=", "+", "-", "@"} else line
    return "" if value is None else value
