"""Cells of a CSV that a spreadsheet opens: text stays text."""

from __future__ import annotations

import unicodedata


def cell(value: object, *, keep_lines: bool = False) -> object:
    """A value for one cell; text that a spreadsheet would take for a formula gets an apostrophe in front of it.

    Args:
        value: Anything that a CSV writer takes.
        keep_lines: Whether text may have several lines; the writer quotes such a cell.
    """
    if isinstance(value, str):
        # Control characters could end the cell or the line; a formula must stay text.
        lines = value.replace("\r\n", "\n").replace("\r", "\n").split("\n") if keep_lines else [value]
        text = "\n".join("".join(char if char.isprintable() else " " for char in line) for line in lines)
        # Spreadsheets in East Asian locales take full-width signs for formulas too.
        first = unicodedata.normalize("NFKC", text.lstrip()[:1])
        return "'" + text if first in {"=", "+", "-", "@"} else text
    return "" if value is None else value
