"""Reading a review back: what a person decided, line by line. The file is anybody's, and trusted in nothing."""

from __future__ import annotations

import csv
import io
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from imageworks.errors import ReviewFileError
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

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MOST_BYTES: Final = 32 * 1024 * 1024
MOST_ROWS: Final = 100_000
LONGEST_CELL: Final = 32_768
"""Characters; a spreadsheet's cell holds one less."""

_FORMULA: Final = "=+-@"
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
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as problem:
        raise ReviewFileError(f"The review {path} cannot be read: {problem.strerror}.") from problem
    if len(content) > MOST_BYTES:
        raise ReviewFileError(f"The review {path} is larger than 32 MiB; is it a review?")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise ReviewFileError(
            f"The review {path} is not UTF-8 text: save it as 'CSV UTF-8' from the spreadsheet."
        ) from problem
    return read_review(text, source=str(path))


def read_review(text: str, *, source: str = "the review") -> list[Reviewed]:
    """What was decided, from CSV text with commas or semicolons; the order of its columns is free.

    Raises:
        ReviewFileError: A column is missing, a decision is none, or a photo stands there twice; names all such lines.
    """
    reviewed: list[Reviewed] = []
    lines: dict[str, int] = {}
    problems: list[str] = []
    for line, row in _rows(text, source):
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
    texts = {column: _plain(row[column]) for column in FIELDS}
    return problem, Reviewed(
        line=line,
        file=_plain(row["file"]),
        photo_id=marks[0].removeprefix(PHOTO_MARK),
        words=marks[1].removeprefix(WORDS_MARK),
        decisions=decisions,
        texts=texts,
        reason=_plain(row.get("reason", "")).strip(),
    )


def _plain(text: str) -> str:
    """A cell without the apostrophe that kept it from being a formula."""
    # As `imageworks.spreadsheets.cell`, which takes full-width signs for formulas too.
    first = unicodedata.normalize("NFKC", text[1:].lstrip()[:1])
    return text[1:] if text[:1] == "'" and first and first in _FORMULA else text


def _rows(text: str, source: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Numbers of lines with their cells by column; empty lines are passed over."""
    head = text.split("\n", 1)[0]
    separator = ";" if head.count(";") > head.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    columns: list[str] = []
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as problem:
            raise ReviewFileError(f"{source}, line {line}: this is no CSV: {problem}.") from problem
        if cells is None:
            if not columns:
                raise ReviewFileError(f"{source} is empty: its first line has to name {', '.join(NAMES)} …")
            return
        if not any(each.strip() for each in cells):
            continue
        if any(len(each) > LONGEST_CELL for each in cells):
            raise ReviewFileError(f"{source}, line {line}: a cell has more than {LONGEST_CELL:,} characters.")
        if not columns:
            columns = _columns(cells, f"{source}, line {line}")
        elif len(cells) < len(columns):
            raise ReviewFileError(f"{source}, line {line}: it has {len(cells)} cells, fewer than its header.")
        else:
            yield line, dict(zip(columns, cells, strict=False))


def _columns(header: list[str], place: str) -> list[str]:
    names = [name.strip().casefold() for name in header]
    needed = (*NAMES, *DECIDED)
    if missing := [column for column in needed if column not in names]:
        raise ReviewFileError(f"{place}: the header has no column {' and no '.join(missing)}.")
    for column in needed:
        if names.count(column) > 1:
            raise ReviewFileError(f"{place}: the header has {column} more than once.")
    return names
