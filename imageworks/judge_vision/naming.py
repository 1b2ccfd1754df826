"""What a file's name says: the title, which the judge may read, and the author, which the judge never may."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final, Literal

from imageworks.judge_vision.formats import format_of_name
from imageworks.judge_vision.name_pattern import NamePattern, cut_name, parse_pattern
from imageworks.plain_text import clean_text, one_line

if TYPE_CHECKING:
    from imageworks.judge_vision.competition import Competition
    from imageworks.judge_vision.name_pattern import Cuts

UNTITLED = "Untitled"
"""The title of a file whose name cannot be told apart from its author's."""

Doubt = Literal["where_to_cut", "author_in_title"]
"""Why the judge is shown no title although the name follows the pattern."""

_WORD = re.compile(r"[^\W_]+")
_LONG_ENOUGH: Final = 5
"""Letters of an author's whole name that are looked for inside a title's words: `AnnLee's garden`."""


@dataclass(frozen=True)
class NameParts:
    """The parts of a file name.

    Attributes:
        title: At most 120 characters on one line, never empty; `Untitled` unless it is certain that nothing of the
            author's name is in it.
        author: None when the name or its pattern holds none, or when it is not certain where it begins and ends.
        exact: Whether the name follows the competition's pattern to the letter.
        doubt: Why there is no title, although the name follows the pattern; None: there is one.
        category: The competition's category that the name says; empty when the pattern asks for none.
        foreign_category: Whether the name says a category that the competition does not have.
    """

    title: str
    author: str | None
    exact: bool
    doubt: Doubt | None = None
    category: str = ""
    foreign_category: bool = False


def _composed(file_name: str) -> PurePosixPath:
    """A file's name with its accents composed: some systems, and archives that come from them, take letters apart."""
    return PurePosixPath(unicodedata.normalize("NFC", file_name).replace("\\", "/"))


def name_parts(file_name: str, competition: Competition) -> NameParts:
    """Take a file name apart by the competition's pattern.

    A name that misses the pattern slightly (underscores for spaces, other capitals) is still understood. One
    that misses it altogether gives `Untitled` where the pattern holds an author, because the author's name
    might be anywhere in it. So does one that can be cut in several ways that disagree on the author ("Dawn by Ann
    Lee by night"), and one whose title holds a word of the author's name ("Ann's garden by Ann Lee"). Without a
    pattern every name gives `Untitled`, for the same reason.
    """
    naming = competition.rules.naming
    if not naming:
        return NameParts(UNTITLED, None, exact=True)
    pattern = parse_pattern(naming)
    stem = _composed(file_name).stem
    exact = _has_extension(file_name, pattern)
    found = _cuts(stem, pattern, competition, to_the_letter=True)
    if found is None:
        exact = False
        spaced = " ".join(stem.replace("_", " ").split())
        found = _cuts(spaced, pattern.forgiving(), competition, to_the_letter=False)
    if found is None:
        title = UNTITLED if "author" in pattern.fields else one_line(stem.replace("_", " ")) or UNTITLED
        return NameParts(title, None, exact=False)
    cuts, foreign = found
    listed = competition.categories if "category" in pattern.fields else ()
    category = cuts.among("category", listed) or "" if listed else ""
    title, author, doubt = _title(cuts, pattern)
    return NameParts(title, author, exact, doubt, category, foreign)


def _has_extension(file_name: str, pattern: NamePattern) -> bool:
    """Whether a file has the extension that the pattern asks for; `.jpeg` is as good as `.jpg`."""
    if not pattern.extension:
        return True
    same = PurePosixPath(file_name).suffix.casefold() == pattern.extension.casefold()
    asked = format_of_name("x" + pattern.extension)
    return same or (asked is not None and format_of_name(file_name) == asked)


def _cuts(
    name: str, pattern: NamePattern, competition: Competition, *, to_the_letter: bool
) -> tuple[Cuts, bool] | None:
    """The ways to cut a name, and whether its category is foreign; None when there is no way.

    A name that is right to the letter is cut without regard to capitals all the same: in "Dawn By Ann Lee by night"
    either "by" may be the one that is meant.
    """
    listed = competition.categories if "category" in pattern.fields else ()
    for categories in (listed, ()) if listed else ((),):
        if cut_name(name, pattern, categories=categories, to_the_letter=to_the_letter) is None:
            continue
        cuts = cut_name(name, pattern, categories=categories, to_the_letter=False)
        if cuts is not None:
            return cuts, bool(listed) and not categories
    return None


def _title(cuts: Cuts, pattern: NamePattern) -> tuple[str, str | None, Doubt | None]:
    """The title for the judge, the author, and why there is no title."""
    said = clean_text(cuts.longest("title").replace("_", " "))
    title = one_line(said) or UNTITLED
    if "author" not in pattern.fields:
        return title, None, None
    author = cuts.only("author")
    if author is None:
        return UNTITLED, None, "where_to_cut"
    author = clean_text(author.replace("_", " "))
    if _holds_a_word(said, author):
        return UNTITLED, one_line(author), "author_in_title"
    return title, one_line(author) or None, None


def _holds_a_word(title: str, author: str) -> bool:
    """Whether a title holds a word of an author's name; single letters, such as initials, do not count."""
    title, author = _compared(title), _compared(author)
    words = set(_WORD.findall(title))
    for word in _WORD.findall(author):
        if word in words and (len(word) > 1 or not word.isascii()):
            return True
        # Scripts without capitals often stand without spaces too: 李先生的花园.
        if any(unicodedata.category(char) == "Lo" for char in word) and word in title:
            return True
    together = "".join(_WORD.findall(author))
    return len(together) >= _LONG_ENOUGH and together in "".join(_WORD.findall(title))


def _compared(text: str) -> str:
    """Without capitals and accents."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in parts if not unicodedata.combining(char))


def title_of(file_name: str, competition: Competition) -> str:
    """The title alone, for the judge: the author's name, folders and the extension are gone.

    Returns:
        One line of 1 to 120 characters. Text that looks like an order stays text.
    """
    return name_parts(file_name, competition).title


def category_of(relative_path: str, competition: Competition) -> str:
    """The competition's category that an entry is in, by its name or its first folder; empty when none says.

    A competition with a single category has all its entries in it.
    """
    if len(competition.categories) == 1:
        return competition.categories[0]
    if named := name_parts(relative_path, competition).category:
        return named
    parts = _composed(relative_path).parts
    if len(parts) > 1:
        for category in competition.categories:
            if parts[0].casefold() == category.casefold():
                return category
    return ""
