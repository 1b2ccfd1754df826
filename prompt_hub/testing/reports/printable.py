"""Texts that models and people wrote, as every page and terminal can show them."""

from __future__ import annotations

import re
from typing import Final

# What XML cannot hold, what steers a terminal, and what lets a text read in another order than it is written.
_NOT_SHOWN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def printable(text: str) -> str:
    """The text with U+FFFD for each character that cannot be shown."""
    return _NOT_SHOWN.sub("\ufffd", text.replace("\r\n", "\n"))


def line(text: str, limit: int = 300) -> str:
    """The same in one line, cut where it is long."""
    words = " ".join(printable(text).split())
    return words if len(words) <= limit else f"{words[: limit - 1]}…"
