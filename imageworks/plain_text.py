"""Text from file names and models made harmless for a line, a page or a metadata field; what it says is left alone."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_UNWRITABLE: Final = frozenset({"Cc", "Cs", "Cn", "Co", "Zl", "Zp"})
"""Unicode categories that become a space: control characters, halves of pairs, unassigned, private, line ends."""

_JOINERS: Final = "\u200c\u200d"
"""Format characters that belong to scripts and emoji; the others can turn displayed text around."""


def clean_text(text: str, *, keep_lines: bool = False) -> str:
    """Text that metadata can carry: composed, without control characters, single spaces.

    Args:
        text: Anything.
        keep_lines: Whether paragraphs stay apart, by one empty line.
    """
    composed = unicodedata.normalize("NFC", text)
    if keep_lines:
        paragraphs = (clean_text(part) for part in re.split(r"\n\s*\n", composed))
        return "\n\n".join(part for part in paragraphs if part)
    return " ".join("".join(map(_harmless, composed)).split())


def clean_lines(text: str) -> str:
    """As `clean_text`, line by line: all line breaks stay, and of several empty lines one."""
    lines = "\n".join(clean_text(line) for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", lines).strip()


def _harmless(char: str) -> str:
    category = unicodedata.category(char)
    if category in _UNWRITABLE:
        return " "
    return "" if category == "Cf" and char not in _JOINERS else char


def one_line(text: str, limit: int = 120) -> str:
    """Text as one line of at most `limit` characters, the last of them an ellipsis where it was longer."""
    line = clean_text(text)
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
