"""Paths as text and back, without loss, whatever bytes a file name is made of.

Linux file names are bytes. In text, bytes that are not UTF-8 and the percent sign itself are written as
``%XX``; everything else stays as it is, so that ordinary names read as they look.
"""

from __future__ import annotations

import os
import re
from pathlib import Path


class BadPathText(ValueError):
    """A text that `path_text` cannot have made."""


_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})?")


def path_text(path: str | os.PathLike[str]) -> str:
    """Write a path as text that survives JSON, Parquet and a terminal.

    Args:
        path: Any path, also one whose name is not UTF-8.

    Returns:
        Valid Unicode without lone surrogates; `text_path` gives the path back.
    """
    text = os.fspath(path)
    # As nearly all are, and there may be hundreds of thousands.
    if text.isascii() and "%" not in text:
        return text
    text = os.fsencode(text).decode("utf-8", "surrogateescape")
    return "".join(_escaped(character) for character in text)


def text_path(text: str) -> Path:
    """Turn what `path_text` wrote into the path again.

    Raises:
        BadPathText: `text` holds a bare percent sign, a NUL, or is not valid Unicode.
    """

    def byte_of(match: re.Match[bytes]) -> bytes:
        digits = match.group(1)
        if digits is None:
            raise BadPathText(f"{text!r} holds a '%' that no two hexadecimal digits follow; write '%25'")
        return bytes.fromhex(digits.decode("ascii"))

    try:
        raw = _ESCAPE.sub(byte_of, text.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise BadPathText(f"{text!r} is not valid Unicode; give the text that path_text wrote") from error
    if b"\0" in raw:
        raise BadPathText(f"{text!r} holds a NUL, which no path can")
    return Path(os.fsdecode(raw))


def _escaped(character: str) -> str:
    if character == "%":
        return "%25"
    if "\udc80" <= character <= "\udcff":
        return f"%{ord(character) - 0xDC00:02X}"
    return character
