"""The pattern that rules give for file names, such as `{title} by {author}`, and every way to cut a name by it.

A name is cut where the pattern's own text stands. That text may stand in a title or an author's name too, so all
places where it can be are found, by one walk from each end: what both walks reach is part of a cut of the whole
name. Each walk looks at every place once, so the time grows with the length of the name and no faster.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from photos.formats import EXTENSIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

FIELDS: Final = ("title", "author", "number", "category")

_FIELD = re.compile(r"\{(\w+)\}")
_DIGITS = re.compile(r"\d+")
_EXTENSION = re.compile(r"\.\w+\Z")


@dataclass(frozen=True, slots=True)
class NamePattern:
    """A pattern taken apart.

    Attributes:
        fields: Names of the fields in their order; `title` is always among them.
        literals: The text before, between and after the fields, so one more than there are fields.
        extension: The extension that files must have, such as `.jpg`; empty: any.
    """

    fields: tuple[str, ...]
    literals: tuple[str, ...]
    extension: str = ""

    def forgiving(self) -> NamePattern:
        """The same for names with underscores made spaces: space around a mere sign does not matter."""
        return replace(self, literals=tuple(map(_forgiving, self.literals)))


@dataclass(frozen=True, slots=True)
class Cuts:
    """All ways to cut one name; there is at least one.

    Attributes:
        text: The name between the pattern's first and last literal.
        starts: By field, where it may begin.
        ends: By field, where it may end.
    """

    text: str
    starts: dict[str, frozenset[int]]
    ends: dict[str, frozenset[int]]

    def only(self, field: str) -> str | None:
        """The field's text, when every cut gives it the same."""
        starts, ends = self.starts[field], self.ends[field]
        return self.text[min(starts) : max(ends)] if len(starts) == len(ends) == 1 else None

    def longest(self, field: str) -> str:
        """The longest text that a cut gives to a field that may hold anything."""
        return self.text[min(self.starts[field]) : max(self.ends[field])]

    def among(self, field: str, words: Iterable[str]) -> str | None:
        """The longest of some words that a cut gives to a field, in any capitals."""
        text = _folded(self.text)
        found = (
            word
            for word in words
            if any(
                text.startswith(_folded(word), start) and start + len(word) in self.ends[field]
                for start in self.starts[field]
            )
        )
        return max(found, key=len, default=None)


@lru_cache(maxsize=64)
def parse_pattern(naming: str) -> NamePattern:
    """Take a pattern apart.

    Raises:
        ValueError: It names files in no way that could be understood; says what is wrong.
    """
    pieces = _FIELD.split(naming)
    fields, literals = tuple(pieces[1::2]), tuple(pieces[::2])
    unknown = sorted(set(fields) - set(FIELDS))
    if unknown:
        allowed = ", ".join("{" + name + "}" for name in FIELDS)
        raise ValueError(f"unknown field {{{unknown[0]}}}; use {allowed}")
    if any("{" in literal or "}" in literal for literal in literals):
        raise ValueError("has a brace without its other half; fields are written {title}")
    if fields.count("title") != 1 or len(fields) != len(set(fields)):
        raise ValueError("must hold {title} once and every other field at most once")
    if not all(literals[1:-1]):
        raise ValueError("needs some text between two fields, such as ' by ' or '_'")
    if "/" in naming or "\\" in naming:
        raise ValueError("is the name of a file, without a folder")
    if "number" in fields:
        at = fields.index("number")
        if _DIGITS.search(literals[at][-1:] + literals[at + 1][:1]):
            raise ValueError("needs something other than a digit beside {number}")
    extension = _EXTENSION.search(literals[-1])
    if extension is None or extension[0].casefold() not in EXTENSIONS:
        return NamePattern(fields, literals)
    return NamePattern(fields, (*literals[:-1], literals[-1][: extension.start()]), extension[0])


def cut_name(
    name: str, pattern: NamePattern, *, categories: Sequence[str] = (), to_the_letter: bool
) -> Cuts | None:
    """Every way to cut a name, without its extension, by a pattern; None when there is none.

    Args:
        name: The name; each field of it holds at least one character, and `number` digits alone.
        pattern: Where to cut.
        categories: What `category` may hold, in any capitals; empty: anything.
        to_the_letter: Whether the pattern's words must be spelled as it spells them; else their capitals do not
            matter, and underscores stand for spaces.
    """
    folded = _folded(name)

    def where(literal: str) -> tuple[str, str]:
        """The text to look for a literal in, and what to look for."""
        as_it_is = to_the_letter or not any(map(str.isalnum, literal))
        return (name, literal) if as_it_is else (folded, _folded(literal))

    (text, first), *between, (_, last) = map(where, pattern.literals)
    begin, end = len(first), len(name) - len(last)
    framed = text.startswith(first) and where(pattern.literals[-1])[0].endswith(last)
    if begin >= end or not framed:
        return None
    inner = [(text[begin:end], literal) for text, literal in between]
    words = [_folded(category) for category in categories]
    places = _places(pattern.fields, inner, folded[begin:end], words)
    if not all(places):
        return None
    starts = (frozenset({0}), *(_behind(at, literal) for at, (_, literal) in zip(places, inner, strict=True)))
    ends = (*places, frozenset({end - begin}))
    return Cuts(
        name[begin:end],
        dict(zip(pattern.fields, starts, strict=True)),
        dict(zip(pattern.fields, ends, strict=True)),
    )


def _folded(text: str) -> str:
    """In lower case and with spaces for underscores, character by character: every place stays where it was."""
    return "".join(low if len(low := char.lower()) == 1 else char for char in text).replace("_", " ")


def _behind(places: Iterable[int], literal: str) -> frozenset[int]:
    return frozenset(at + len(literal) for at in places)


def _places(
    fields: Sequence[str], literals: Sequence[tuple[str, str]], text: str, words: Sequence[str]
) -> list[frozenset[int]]:
    """For each literal between fields, where it stands in some cut of the whole text."""
    there = _reached(fields, literals, text, words)
    mirrored = [(within[::-1], literal[::-1]) for within, literal in reversed(literals)]
    back = _reached(fields[::-1], mirrored, text[::-1], [word[::-1] for word in words])
    return [
        forth & frozenset(len(text) - len(literal) - at for at in other)
        for forth, other, (_, literal) in zip(there, reversed(back), literals, strict=True)
    ]


def _reached(
    fields: Sequence[str], literals: Sequence[tuple[str, str]], text: str, words: Sequence[str]
) -> list[frozenset[int]]:
    """For each literal between fields, where it may stand as far as what is before it tells."""
    reached: list[frozenset[int]] = []
    starts = frozenset({0})
    for field, (within, literal) in zip(fields, literals, strict=False):
        if field == "number":
            ends = {match.end() for at in starts if (match := _DIGITS.match(text, at))}
        elif field == "category" and words:
            ends = {at + len(word) for at in starts for word in words if text.startswith(word, at)}
        else:
            first = min(starts, default=len(within))
            ends = {at for at in _occurrences(within, literal) if at > first}
        reached.append(frozenset(at for at in ends if within.startswith(literal, at)))
        starts = _behind(reached[-1], literal)
    return reached


def _occurrences(text: str, literal: str) -> Iterator[int]:
    at = text.find(literal)
    while at >= 0:
        yield at
        at = text.find(literal, at + 1)


def _forgiving(literal: str) -> str:
    spaced = literal.replace("_", " ")
    core = " ".join(spaced.split())
    if not core:
        return " " if spaced else ""
    if not any(map(str.isalnum, core)):
        return core
    return " " * spaced[0].isspace() + core + " " * spaced[-1].isspace()
