"""Keywords as they should stand in a library: one spelling each, and no word changed into another.

Space, list marks and doubles are put right. Nothing is stemmed, because "trees" would turn into "tre" and "horses"
into "hors", and nothing is cut: what is too long for a keyword is none.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from imageworks.plain_text import clean_text
from photos.metadata.spelling import keyword_key

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_KEYWORD: Final = 40

_LIST_MARK = re.compile(r"[*•#]+|-+(?=\s|[^\W\d_])|\.{2,}|\d{1,2}[.)](?=\s|\Z)")
"""A number needs white space behind it (`3.5mm lens`), and a dash no digit (`-20 °C`)."""

_OUTER: Final = ' ,;:!?"`“”«»'
_PAIRED: Final = (("*", "*"), ("'", "'"), ("‘", "’"))  # noqa: RUF001 - alone, an apostrophe belongs to its word: '90s
_BETWEEN = re.compile(r"(?<!\d),|,(?!\d)|[;\n|]")
"""What parts a list; a comma between digits does not: `10,000 steps`."""
_CAMERA_NAME = re.compile(
    r"^(?:img|dsc|dscf|dscn|_?mg|pxl|p|scan|image|photo)?[\W_]*\d[\d\W_]*$", re.IGNORECASE
)


def normalize_keyword(keyword: str, *, longest: int = MAX_KEYWORD) -> str:
    """One keyword without list marks, quotes and outer punctuation; may come out empty.

    Capitals are kept (`NASA`, `Lake Garda`, `iPhone`): they may mean something. So are signs that belong to the word
    (`C#`, `.NET`, `U.S.`). Text of more than `longest` characters is no keyword and comes out empty.
    """
    line = clean_text(keyword.replace("_", " "))
    while (shorter := _without_outer_signs(line)) != line:
        line = shorter
    return line if len(line) <= longest else ""


def _without_outer_signs(line: str) -> str:
    if len(line) > 1 and (line[0], line[-1]) in _PAIRED:
        line = line[1:-1]
    elif mark := _LIST_MARK.match(line):
        line = line[mark.end() :]
    line = line.strip(_OUTER)
    # A full stop behind a word that holds another one is part of an abbreviation.
    last = line.rpartition(" ")[2]
    return line if "." in last.rstrip(".") else line.rstrip(".")


def normalize_keywords(
    keywords: Iterable[str], *, most: int | None = None, longest: int = MAX_KEYWORD
) -> tuple[str, ...]:
    """Keywords in their order, cleaned, each once, at most `most`; the first spelling of one stays.

    An entry that is a list of its own ("sea, sky; clouds") is taken apart.
    """
    seen: dict[str, str] = {}
    for entry in keywords:
        for part in _BETWEEN.split(entry):
            word = normalize_keyword(part, longest=longest)
            key = keyword_key(word)
            if key and key not in seen:
                seen[key] = word
    return tuple(seen.values())[:most]


def folder_words(relative_path: str, *, most: int = 12) -> tuple[str, ...]:
    """What a photo's folders say, nearest first: context for a tagging model, never for a judging one.

    Numbers, dates and camera folders say nothing about a photo and are left out, and so is the file's name.
    """
    folders = PurePosixPath(relative_path.replace("\\", "/")).parts[:-1]
    named = (folder for folder in reversed(folders) if folder not in {"/", "..", "."})
    return _name_words(named, most=most)


def file_words(relative_path: str, *, most: int = 12) -> tuple[str, ...]:
    """What a photo's file name says; nothing where a camera gave it."""
    return _name_words([PurePosixPath(relative_path.replace("\\", "/")).stem], most=most)


def _name_words(names: Iterable[str], *, most: int) -> tuple[str, ...]:
    """Names of files or folders without numbers and dates, and without those that a camera gives."""
    words = [
        re.sub(r"\b\d[\d\-_.]*\b", " ", name.replace("_", " ")).strip(" -")
        for name in names
        if not (_CAMERA_NAME.match(name) or re.fullmatch(r"\d{3}[A-Z_]{5}", name))
    ]
    return normalize_keywords(words, most=most)
