"""Reading a vocabulary's file: every mistake in it is told at once, with its line."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from imageworks.errors import VocabularyFileError
from imageworks.given_files import Kind, given_text
from imageworks.personal_tagger.keywords import normalize_keyword
from imageworks.personal_tagger.vocabulary import Term, Vocabulary
from photos.metadata.spelling import keyword_key

if TYPE_CHECKING:
    from pathlib import Path

_VOCABULARY: Final = Kind(
    "vocabulary",
    8,
    VocabularyFileError,
    how_to_save="save it as UTF-8; Lightroom exports it so",
    instead="Name another file in IMAGEWORKS_VOCABULARY, or leave it unset.",
)
MOST_TERMS: Final = 100_000
MOST_LEVELS: Final = 20
LONGEST_TERM: Final = 64
"""What IPTC's keywords hold, in bytes."""
_TOLD: Final = 12
"""Mistakes that a message names; the others are counted."""

_IN_BRACES: Final = re.compile(r"\{(.*)\}")
_IN_BRACKETS: Final = re.compile(r"\[(.*)\]")
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_PARTS_A_LIST: Final = re.compile(r"[,;|]")


def load_vocabulary(path: Path) -> Vocabulary:
    """Read a vocabulary from a file of at most 8 MiB, UTF-8; see `read_vocabulary`.

    Raises:
        VocabularyFileError: It cannot be read or used.
    """
    return read_vocabulary(given_text(path, _VOCABULARY), source=str(path))


def read_vocabulary(text: str, *, source: str = "the vocabulary") -> Vocabulary:
    """A vocabulary from text.

    Args:
        text: As `vocabulary` describes it. Windows' line ends are fine.
        source: What to call the text in an error: the file's path.

    Raises:
        VocabularyFileError: Lines that cannot be used, all of them with their numbers; or no keyword at all.
    """
    reading = _Reading()
    for number, line in enumerate(_LINE_END.split(text), 1):
        reading.line(number, line)
    reading.check_forbidden()
    if reading.problems:
        told = [f"{source}, line {number}: {problem}" for number, problem in sorted(reading.problems)[:_TOLD]]
        more = len(reading.problems) - _TOLD
        raise VocabularyFileError("\n".join([*told, *([f"and {more} more lines"] if more > 0 else [])]))
    if not reading.terms:
        raise VocabularyFileError(f"{source} holds no keyword: write one a line.")
    if len(reading.terms) > MOST_TERMS:
        raise VocabularyFileError(
            f"{source} holds {len(reading.terms):,} keywords; at most {MOST_TERMS:,} are read."
        )
    return Vocabulary(
        terms=tuple(reading.terms),
        categories=tuple(reading.categories),
        forbidden=tuple(reading.forbidden.values()),
        digest=hashlib.sha256(text.encode("utf-8")).hexdigest(),
    )


@dataclass(frozen=True, slots=True)
class _Level:
    """A keyword or category that the next lines may lie under; `term` is its place in the list, None for a category."""

    name: str
    term: int | None


@dataclass
class _Reading:
    """What was read so far.

    Attributes:
        forbidden: By line.
        problems: Lines, and what is wrong with each.
        open: The keyword or category of each level that the next line may lie under.
        seen: Lines by what stands there: parents and name.
    """

    terms: list[Term] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    forbidden: dict[int, str] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)
    open: list[_Level] = field(default_factory=list)
    seen: dict[tuple[str, ...], int] = field(default_factory=dict)

    def line(self, number: int, line: str) -> None:
        """Take one line in, or keep what is wrong with it."""
        text = line.strip()
        if not text or text.startswith("#"):
            return
        problem = self._take(number, len(line) - len(line.lstrip("\t")), line.lstrip("\t").rstrip())
        if problem:
            self.problems.append((number, problem))

    def check_forbidden(self) -> None:
        """See that no word is forbidden and a keyword at once."""
        lines = {keyword_key(term.name): term.line for term in self.terms}
        for number, word in self.forbidden.items():
            if line := lines.get(keyword_key(word)):
                self.problems.append((number, f"it forbids {word!r}, which is a keyword in line {line}."))

    def _take(self, number: int, level: int, text: str) -> str:
        if problem := self._wrong_level(level, text):
            return problem
        if text.startswith("!"):
            return self._forbid(number, level, text[1:].strip())
        if braces := _IN_BRACES.fullmatch(text):
            return self._add_synonym(level, braces[1].strip())
        if brackets := _IN_BRACKETS.fullmatch(text):
            return self._add_category(number, level, brackets[1].strip())
        return self._add_term(number, level, text)

    def _wrong_level(self, level: int, text: str) -> str:
        if text != text.lstrip():
            return "it begins with spaces; levels are made with tabs, one for each."
        if level > len(self.open):
            return (
                f"it is {level} tabs deep, below a line that is {max(0, len(self.open) - 1)} deep; "
                "go one tab deeper at a time."
            )
        if level >= MOST_LEVELS:
            return f"it is {level} levels deep; at most {MOST_LEVELS} are read."
        return ""

    def _forbid(self, number: int, level: int, word: str) -> str:
        if level:
            return f"'!{word}' forbids a word, which is done at the edge; take the tabs away."
        if not keyword_key(word):
            return "after '!' comes the word that is never to be written."
        self.forbidden[number] = word
        return ""

    def _add_synonym(self, level: int, word: str) -> str:
        if not keyword_key(word):
            return "the braces are empty; a synonym stands in them."
        parent = self.open[level - 1] if level else None
        if parent is None or parent.term is None:
            return (
                f"the synonym '{{{word}}}' stands under no keyword; put it one tab deeper than its keyword."
            )
        term = self.terms[parent.term]
        self.terms[parent.term] = Term(term.name, term.above, term.line, (*term.synonyms, word))
        return ""

    def _add_category(self, number: int, level: int, name: str) -> str:
        if not name:
            return "the brackets are empty; a category's name stands in them."
        self._enter(number, level, _Level(name, None))
        self.categories.append(name)
        return ""

    def _add_term(self, number: int, level: int, name: str) -> str:
        wrong = _wrong_name(name)
        # It stays open all the same: what lies under it is not wrong for that.
        doubled = self._enter(number, level, _Level(name, len(self.terms)))
        above = tuple(one.name for one in self.open[:level] if one.term is not None)
        self.terms.append(Term(name, above, number))
        return wrong or (f"{name!r} stands at this place already, in line {doubled}." if doubled else "")

    def _enter(self, number: int, level: int, one: _Level) -> int:
        """Open a level; gives the line that has the same name at the same place, or 0."""
        del self.open[level:]
        self.open.append(one)
        place = tuple(keyword_key(each.name) for each in self.open)
        first = self.seen.setdefault(place, number)
        return first if first != number and one.term is not None else 0


def _wrong_name(name: str) -> str:
    """Why a name cannot be written as a keyword; empty: it can."""
    if found := _PARTS_A_LIST.search(name):
        return (
            f"{name!r} holds a {found[0]!r}, which parts keywords from one another; no keyword can hold it."
        )
    if len(name.encode("utf-8")) > LONGEST_TERM:
        return f"{name[:40]!r}… has more than {LONGEST_TERM} bytes, which is all that a keyword holds."
    written = normalize_keyword(name, longest=LONGEST_TERM)
    if written != name:
        return (
            f"{name!r} is no keyword as it stands"
            + (f"; it would be written as {written!r}" if written else "")
            + ". "
            f"Rename it, or put it into brackets, [{name}], which is never written."
        )
    return ""
