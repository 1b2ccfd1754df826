"""Keywords as they should stand in a library: one spelling each, and no word changed into another.

Space, case and doubles are put right; nothing is stemmed, because "trees" would turn into "tre" and "horses"
into "hors".
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from imageworks.plain_text import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_KEYWORD: Final = 40

_QUOTES: Final = "\"'`“”‘’«»"  # noqa: RUF001 - models wrap words in any of these
_NUMBERED = re.compile(r"^\s*(?:[-*•#]+|\d{1,2}[.)])\s*")
_CAMERA_NAME = re.compile(
    r"^(?:img|dsc|dscf|dscn|_?mg|pxl|p|scan|image|photo)?[\W_]*\d[\d\W_]*$", re.IGNORECASE
)


def keyword_key(keyword: str) -> str:
    """What two spellings of one keyword have in common: case, space, hyphen and underscore are ignored."""
    folded = unicodedata.normalize("NFKC", keyword).casefold()
    return " ".join(re.sub(r"[\s_\-]+", " ", folded).split())


def normalize_keyword(keyword: str) -> str:
    """One keyword without list marks, quotes and outer punctuation; may come out empty.

    Capitals are kept (`NASA`, `Lake Garda`, `iPhone`): they may mean something.
    """
    line = _NUMBERED.sub("", clean_text(keyword.replace("_", " ")))
    return line.strip(_QUOTES + " .,;:!?#")[:MAX_KEYWORD].strip()


def normalize_keywords(keywords: Iterable[str], *, most: int | None = None) -> tuple[str, ...]:
    """Keywords in their order, cleaned, each once, at most `most`; the first spelling of one stays.

    An entry that is a list of its own ("sea, sky; clouds") is taken apart.
    """
    seen: dict[str, str] = {}
    for entry in keywords:
        for part in re.split(r"[,;\n|]", entry):
            word = normalize_keyword(part)
            key = keyword_key(word)
            if key and key not in seen:
                seen[key] = word
    return tuple(seen.values())[:most]


def folder_words(relative_path: str, *, most: int = 12) -> tuple[str, ...]:
    """What a photo's folders say, nearest first: context for a tagging model, never for a judging one.

    Numbers, dates and camera folders say nothing about a photo and are left out, and so is the file's name.
    """
    folders = PurePosixPath(relative_path.replace("\\", "/")).parts[:-1]
    words = []
    for folder in reversed(folders):
        name = re.sub(r"\b\d[\d\-_.]*\b", " ", folder.replace("_", " "))
        if (
            folder in {"/", "..", "."}
            or _CAMERA_NAME.match(folder)
            or re.fullmatch(r"\d{3}[A-Z_]{5}", folder)
        ):
            continue
        words.append(name)
    return normalize_keywords(words, most=most)
