"""What somebody did who wrote no YAML, in words that say how to put it right; libyaml's own are about its scanner."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# As much of a line as fits a message.
_SHOWN = 60
_KEY = re.compile(r"\s*(?:- +)*(?P<key>[^\s:#\"'\[{][^:#]*):\s")


@dataclass(frozen=True)
class Mistake:
    """What libyaml says of a text.

    Attributes:
        problem: What it found.
        context: What it was doing; may be empty.
        lines: The text's lines.
        line: Where it found it, from 0.
        column: In characters, from 0.
        begun: The line on which what it was doing began, from 0; None where it was doing nothing.
    """

    problem: str
    context: str
    lines: Sequence[str]
    line: int
    column: int
    begun: int | None

    @property
    def text(self) -> str:
        """The line it is about."""
        return self.lines[self.line] if self.line < len(self.lines) else ""


def in_words(mistake: Mistake) -> str:
    """What is wrong and what to do; libyaml's words where we have no better ones."""
    for begin, words in _WORDS:
        if mistake.problem.startswith(begin):
            return words(mistake)
    return ", ".join(part for part in (mistake.context, mistake.problem) if part)


def _colon_in_flow(mistake: Mistake) -> str:
    scalar = _around(mistake.text, mistake.column)
    return (
        f"{scalar} has a colon, and stands in brackets without quotes; if it is text, put it in quotes, "
        f'"{scalar}"; if it is a key, put a space after the colon'
    )


def _around(text: str, column: int) -> str:
    """The plain scalar that stands around a place within brackets."""
    begin = max(text.rfind(mark, 0, column) for mark in ",[{") + 1
    end = min((place for mark in ",]}" if (place := text.find(mark, column)) >= 0), default=len(text))
    return _cut(text[begin:end].strip())


def _second_colon(mistake: Mistake) -> str:
    text = mistake.text
    key = _KEY.match(text)
    if key is None or key.end() > mistake.column:
        return (
            "this line goes on with the value of the line above; line it up with its neighbors, and look whether the "
            "line above lacks its colon"
        )
    value = _cut(text[key.end() :].split(" #")[0].strip())
    return f"a second colon stands in this line; put the value in quotes, {key['key'].strip()}: {_in_quotes(value)}"


def _bad_beginning(mistake: Mistake) -> str:
    mark = mistake.text[mistake.column : mistake.column + 1]
    if mark == "\t":
        return _tab(mistake)
    return f"no text without quotes begins with {mark}; put it in quotes"


def _tab(mistake: Mistake) -> str:
    del mistake
    return "a tab stands where the line is indented; use spaces"


def _open_quote(mistake: Mistake) -> str:
    line = mistake.line if mistake.begun is None else mistake.begun
    return f"the quote that opens on line {line + 1} is never closed"


def _lost(mistake: Mistake) -> str:
    text, before = mistake.text, mistake.text[: mistake.column].rstrip()
    if before[-1:] in ("'", '"'):
        mark = before[-1]
        how = "write it twice, ''" if mark == "'" else 'write it \\"'
        return f"something stands after the closing {mark}; if that {mark} belongs to the text, {how}"
    if before[-1:] in ("]", "}"):
        return f"something stands after the closing {before[-1]}; take it away, or put all of it in quotes"
    return f"`{_cut(text.strip())}` lines up with nothing above it; look at how far it is indented"


def _open_bracket(mistake: Mistake) -> str:
    bracket = "[" if "sequence" in mistake.context else "{"
    line = mistake.line if mistake.begun is None else mistake.begun
    if line == mistake.line and mistake.text[: mistake.column].rstrip()[-1:] in ("'", '"'):
        return _lost(mistake)
    return f"the {bracket} that opens on line {line + 1} is not closed, or a comma is missing in it"


def _no_item(mistake: Mistake) -> str:
    shown = _cut(mistake.text.strip())
    return f"`{shown}` stands among the items of a list; begin it with -, or look at how far it is indented"


def _escape(mistake: Mistake) -> str:
    del mistake
    return "a \\ in double quotes means something else; use single quotes, or write it twice"


def _nothing_there(mistake: Mistake) -> str:
    if mistake.line >= len(mistake.lines) or not mistake.text.strip():
        return "a [ or { is never closed"
    return f"no value begins with {mistake.text[mistake.column : mistake.column + 1]}; put it in quotes if it is text"


def _reference(mistake: Mistake) -> str:
    mark = mistake.text[max(0, mistake.column - 1) : mistake.column]
    return f"{mark} begins the name of another value; put the text in quotes if it is none"


def _in_quotes(value: str) -> str:
    return f'"{value}"' if '"' not in value else "'" + value.replace("'", "''") + "'"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


_WORDS: tuple[tuple[str, Callable[[Mistake], str]], ...] = (
    ("found unexpected ':'", _colon_in_flow),
    ("mapping values are not allowed", _second_colon),
    ("found character that cannot start any token", _bad_beginning),
    ("found a tab character", _tab),
    ("found unexpected end of stream", _open_quote),
    ("did not find expected key", _lost),
    ("did not find expected ','", _open_bracket),
    ("did not find expected '-' indicator", _no_item),
    ("found unknown escape character", _escape),
    ("did not find expected node content", _nothing_there),
    ("did not find expected alphabetic or numeric character", _reference),
)
