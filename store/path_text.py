"""Paths as text that any database and JSON can hold, and back."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote_to_bytes


def path_text(path: str | os.PathLike[str]) -> str:
    """`path` as valid UTF-8 text: bytes that are none, and `%`, are percent-encoded.

    The inverse is `text_path`.
    """
    text = os.fsencode(path).decode("utf-8", "surrogateescape")
    return "".join(_encoded(character) for character in text) if _needs_encoding(text) else text


def text_path(text: str) -> Path:
    """The path that `path_text` made `text` from."""
    return Path(os.fsdecode(unquote_to_bytes(text)))


def _needs_encoding(text: str) -> bool:
    return "%" in text or any("\udc80" <= character <= "\udcff" for character in text)


def _encoded(character: str) -> str:
    if character == "%":
        return "%25"
    if "\udc80" <= character <= "\udcff":
        return f"%{ord(character) - 0xDC00:02X}"
    return character
