"""People's marks, as organizers keep them: a CSV with a line for each person and entry.

It has the columns `judge`, `file` and `mark`, in any order and capitals; others are left alone. Spreadsheets of
many countries write semicolons, and commas in numbers: these are read too.
"""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from imageworks.errors import MarksFileError
from imageworks.judge_vision.agreement import Mark
from imageworks.judge_vision.competition import HIGHEST_MARK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_MOST_BYTES: Final = 16 * 1024 * 1024
_COLUMNS: Final = ("judge", "file", "mark")
_LONGEST_NAME: Final = 200


def load_marks(path: Path, entries: Mapping[str, str]) -> list[Mark]:
    """Read people's marks from a file of at most 16 MiB of UTF-8; see `read_marks`.

    Raises:
        MarksFileError: It cannot be read or used.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as problem:
        raise MarksFileError(f"The marks file {path} cannot be read: {problem.strerror}.") from problem
    if len(content) > _MOST_BYTES:
        raise MarksFileError(f"The marks file {path} is larger than 16 MiB; is it a file of marks?")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise MarksFileError(
            f"The marks file {path} is not UTF-8 text: save it as 'CSV UTF-8' from the spreadsheet."
        ) from problem
    return read_marks(text, entries, source=str(path))


def read_marks(text: str, entries: Mapping[str, str], *, source: str = "the marks") -> list[Mark]:
    """People's marks from CSV text.

    Args:
        text: With a header.
        entries: Entry by relative path; a `file` is such a path, or a name that only one of them ends with.
        source: What to call the text in an error: the file's path.

    Raises:
        MarksFileError: A column is missing, a value is wrong, or a person marked an entry twice; names the line.
    """
    head = text.split("\n", 1)[0]
    separator = ";" if head.count(";") > head.count(",") else ","
    by_name: dict[str, list[str]] = defaultdict(list)
    for path in entries:
        by_name[PurePosixPath(path).name].append(path)
    marks: list[Mark] = []
    lines: dict[tuple[str, str], int] = {}
    for line, (judge, file, mark) in _lines(text, separator, source):
        place = f"{source}, line {line}"
        if not judge or len(judge) > _LONGEST_NAME or not judge.isprintable():
            raise MarksFileError(
                f"{place}: {judge[:40]!r} is no judge's name: give 1 to {_LONGEST_NAME} letters."
            )
        entry = entries[_path_of(file, entries, by_name, place)]
        if (first := lines.setdefault((judge, entry), line)) != line:
            raise MarksFileError(
                f"{place}: {judge} marked {file!r} in line {first} already; keep one of them."
            )
        marks.append(Mark(judge, entry, _number(mark, place, decimal_comma=separator == ";")))
    if not marks:
        raise MarksFileError(f"{source} holds no marks: it needs lines below its header.")
    return marks


def _lines(text: str, separator: str, source: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Numbers of lines with their judge, file and mark; empty lines are passed over."""
    where: list[int] | None = None
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as problem:
            raise MarksFileError(f"{source}, line {line}: this is no CSV: {problem}.") from problem
        if row is None:
            if where is None:
                raise MarksFileError(f"{source} is empty: its first line has to name {', '.join(_COLUMNS)}.")
            return
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if where is None:
            where = _columns(cells, f"{source}, line {line}")
        elif len(cells) <= max(where):
            raise MarksFileError(f"{source}, line {line}: it has {len(cells)} cells, fewer than its header.")
        else:
            yield line, tuple(cells[column] for column in where)


def _columns(header: list[str], place: str) -> list[int]:
    names = [name.casefold() for name in header]
    missing = [column for column in _COLUMNS if column not in names]
    if missing:
        raise MarksFileError(
            f"{place}: the header has no column {' and no '.join(missing)}; it needs {', '.join(_COLUMNS)}."
        )
    for column in _COLUMNS:
        if names.count(column) > 1:
            raise MarksFileError(f"{place}: the header has {column} more than once.")
    return [names.index(column) for column in _COLUMNS]


def _path_of(file: str, entries: Mapping[str, str], by_name: Mapping[str, list[str]], place: str) -> str:
    if file in entries:
        return file
    same = by_name.get(file, [])
    if len(same) == 1:
        return same[0]
    if same:
        raise MarksFileError(
            f"{place}: {file!r} may be {' or '.join(sorted(same)[:4])}: give its folder too."
        )
    near = get_close_matches(file, [*entries, *by_name], n=1)
    hint = f"Did you mean {near[0]!r}?" if near else "Name files as results.csv does."
    raise MarksFileError(f"{place}: {file!r} is no entry of this batch. {hint}")


def _number(text: str, place: str, *, decimal_comma: bool) -> float:
    try:
        mark = float(text.replace(",", ".") if decimal_comma else text)
    except ValueError:
        mark = math.nan
    if not 0 <= mark <= HIGHEST_MARK:
        raise MarksFileError(f"{place}: {text[:40]!r} is no mark: give a number from 0 to {HIGHEST_MARK}.")
    return mark
