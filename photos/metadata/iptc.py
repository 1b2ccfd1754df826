"""IPTC's old rules: which character set its bytes are in, and how many bytes a value may have."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

UTF8_ESCAPE = "\x1b%G"
"""ISO 2022's announcement of UTF-8, the value of CodedCharacterSet (IPTC-IIM 4.2, dataset 1:90)."""

CHARACTER_SET = "Iptc.Envelope.CharacterSet"
OBJECT_NAME = "Iptc.Application2.ObjectName"
CAPTION = "Iptc.Application2.Caption"
KEYWORDS = "Iptc.Application2.Keywords"
HEADLINE = "Iptc.Application2.Headline"
BYLINE = "Iptc.Application2.Byline"
COPYRIGHT = "Iptc.Application2.Copyright"
DATE_CREATED = "Iptc.Application2.DateCreated"
TIME_CREATED = "Iptc.Application2.TimeCreated"

BYTE_LIMITS = {OBJECT_NAME: 64, CAPTION: 2000, KEYWORDS: 64, HEADLINE: 256}
"""Largest value in bytes (IPTC-IIM 4.2, section 6)."""


def cut(text: str, limit: int) -> str:
    """The longest beginning of a text that fits into `limit` bytes of UTF-8, never half a character.

    A combining mark is not torn from its letter either: the cut then falls before the letter.
    """
    encoded = text.encode()
    if len(encoded) <= limit:
        return text
    kept = encoded[:limit].decode(errors="ignore")
    while kept and unicodedata.combining(text[len(kept)]):
        kept = kept[:-1]
    return kept.rstrip()


def cut_all(values: Iterable[str], limit: int) -> tuple[str, ...]:
    """Each value cut, those that become the same named once."""
    return tuple(dict.fromkeys(filter(None, (cut(each, limit) for each in values))))


def decode(raw: bytes, *, declared_utf8: bool) -> str:
    """A text value: UTF-8 where that is declared or plainly so, else Windows-1252 as old programs wrote."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("utf-8" if declared_utf8 else "cp1252", errors="replace")
