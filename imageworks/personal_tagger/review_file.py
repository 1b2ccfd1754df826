"""Reading a review back: what a person decided, line by line. The file is anybody's, and trusted in nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from imageworks.errors import ReviewFileError
from imageworks.given_files import Kind, given_text
from imageworks.personal_tagger.review import (
    DECIDED,
    DECISIONS,
    FIELDS,
    NAMES,
    PHOTO_MARK,
    WORDS_MARK,
    Decision,
    Field,
)
from imageworks.spreadsheets import read_rows, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_REVIEW: Final = Kind(
    "review", 32, ReviewFileError, how_to_save="save it as 'CSV UTF-8' from the spreadsheet"
)
MOST_ROWS: Final = 100_000
LONGEST_CELL: Final = 32_768
"""Characters; a spreadsheet's cell holds one less."""

_TOLD: Final = 12


@dataclass(frozen=True)
class Reviewed:
    """One line: what a person decided about a photo.

    Attributes:
        line: Of the file, from 1.
        file: Which photo, as its path below the batch's folder.
        photo_id: The picture that was looked at.
        words: Names the words that were proposed then.
        decisions: By field; of those that are left for later, none.
        texts: What stands in each field.
        reason: Why, in the person's words; empty for none.
    """

    line: int
    file: str
    photo_id: str
    words: str
    decisions: Mapping[Field, Decision] = field(default_factory=dict)
    texts: Mapping[Field, str] = field(default_factory=dict)
    reason: str = ""


def load_review(path: Path) -> list[Reviewed]:
    """Read a review from a file of at most 32 MiB, UTF-8; see `read_review`.

    Raises:
        ReviewFileError: It cannot be read or used.
    """
    return read_review(given_text(path, _REVIEW), source=str(path))


def read_review(text: str, *, source: str = "the review") -> list[Reviewed]:
    """What was decided, from CSV text with commas or semicolons; the order of its columns is free.

    Raises:
        ReviewFileError: A column is missing, a decision is none, or a photo stands there twice; names all such lines.
    """
    reviewed: list[Reviewed] = []
    lines: dict[str, int] = {}
    problems: list[str] = []
    for line, row in read_rows(text, (*NAMES, *DECIDED), source=source, refused=ReviewFileError):
        if any(len(each) > LONGEST_CELL for each in row.values()):
            raise ReviewFileError(f"{source}, line {line}: a cell has more than {LONGEST_CELL:,} characters.")
        if len(reviewed) >= MOST_ROWS:
            raise ReviewFileError(f"{source} has more than {MOST_ROWS:,} lines; at most that many are read.")
        problem, one = _one(line, row)
        if (first := lines.setdefault(one.file, line)) != line:
            problem = f"{one.file[:80]!r} stands in line {first} already; keep one of them."
        if problem:
            problems.append(f"{source}, line {line}: {problem}")
        reviewed.append(one)
    if problems:
        more = len(problems) - _TOLD
        raise ReviewFileError(
            "\n".join([*problems[:_TOLD], *([f"and {more} more lines"] if more > 0 else [])])
        )
    if not reviewed:
        raise ReviewFileError(f"{source} holds no photo: it needs lines below its header.")
    return reviewed


def _one(line: int, row: Mapping[str, str]) -> tuple[str, Reviewed]:
    """One line, and what is wrong with it."""
    decisions: dict[Field, Decision] = {}
    problem = ""
    for column in FIELDS:
        said = row[f"{column}_decision"].strip().casefold()
        decision = next((known for known in DECISIONS if known == said), None)
        if decision is not None:
            decisions[column] = decision
        elif said:
            problem = f"{said[:40]!r} is no decision for {column}: write {', '.join(DECISIONS)}, or nothing."
    marks = row["photo"].strip(), row["words"].strip()
    if not (marks[0].startswith(PHOTO_MARK) and marks[1].startswith(WORDS_MARK)):
        problem = problem or "the columns photo and words were changed; they say what was looked at."
    texts = {column: text_of(row[column]) for column in FIELDS}
    return problem, Reviewed(
        line=line,
        file=text_of(row["file"]),
        photo_id=marks[0].removeprefix(PHOTO_MARK),
        words=marks[1].removeprefix(WORDS_MARK),
        decisions=decisions,
        texts=texts,
        reason=text_of(row.get("reason", "")).strip(),
    )
