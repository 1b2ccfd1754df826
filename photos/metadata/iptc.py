"""IPTC's old rules: which character set its bytes are in, and how many bytes a value may have."""

from __future__ import annotations

import codecs
import unicodedata
from contextlib import suppress
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
    """A text value: UTF-8 where it plainly is, less a torn last letter where that is declared, else Windows-1252.

    Bytes that Windows-1252 does not know stay what they are, as halves of surrogate pairs: see `is_unknown`.
    """
    try:
        return raw.decode()
    except UnicodeDecodeError:
        pass
    if declared_utf8:
        with suppress(UnicodeDecodeError):
            # Programs that count bytes cut a value in the middle of its last letter.
            return codecs.getincrementaldecoder("utf-8")().decode(raw)
    return raw.decode("cp1252", errors="surrogateescape")


def is_unknown(text: str) -> bool:
    """Whether some of a decoded value is in no character set that is known here, such as an old Mac's."""
    return any("\udc80" <= char <= "\udcff" for char in text)
