"""People's marks, as organizers keep them: a CSV with a line for each person and entry.

It has the columns `judge`, `file` and `mark`, in any order and capitals; others are left alone. Spreadsheets of
many countries write semicolons, and commas in numbers: these are read too.
"""

from __future__ import annotations

import math
from collections import defaultdict
from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from imageworks.errors import MarksFileError
from imageworks.given_files import Kind, given_text
from imageworks.judge_vision.agreement import Mark
from imageworks.judge_vision.competition import HIGHEST_MARK
from imageworks.spreadsheets import as_written, read_rows, separator_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_MARKS_FILE: Final = Kind(
    "marks file", 16, MarksFileError, how_to_save="save it as 'CSV UTF-8' from the spreadsheet"
)
_COLUMNS: Final = ("judge", "file", "mark")
_LONGEST_NAME: Final = 200


def load_marks(path: Path, entries: Mapping[str, str]) -> list[Mark]:
    """Read people's marks from a file of at most 16 MiB of UTF-8; see `read_marks`.

    Raises:
        MarksFileError: It cannot be read or used.
    """
    return read_marks(given_text(path, _MARKS_FILE), entries, source=str(path))


def read_marks(text: str, entries: Mapping[str, str], *, source: str = "the marks") -> list[Mark]:
    """People's marks from CSV text.

    Args:
        text: With a header.
        entries: Entry by relative path; a `file` is such a path, or a name that only one of them ends with.
        source: What to call the text in an error: the file's path.

    Raises:
        MarksFileError: A column is missing, a value is wrong, or a person marked an entry twice; names the line.
    """
    decimal_comma = separator_of(text) == ";"
    known = _Known(entries)
    marks: list[Mark] = []
    lines: dict[tuple[str, str], int] = {}
    for line, row in read_rows(text, _COLUMNS, source=source, refused=MarksFileError):
        judge, file, mark = (text_of(row[column].strip()) for column in _COLUMNS)
        place = f"{source}, line {line}"
        if not judge or len(judge) > _LONGEST_NAME or not judge.isprintable():
            raise MarksFileError(
                f"{place}: {judge[:40]!r} is no judge's name: give 1 to {_LONGEST_NAME} letters."
            )
        entry = entries[known.path_of(file, place)]
        if (first := lines.setdefault((judge, entry), line)) != line:
            raise MarksFileError(
                f"{place}: {judge} marked {file!r} in line {first} already; keep one of them."
            )
        marks.append(Mark(judge, entry, _number(mark, place, decimal_comma=decimal_comma)))
    if not marks:
        raise MarksFileError(f"{source} holds no marks: it needs lines below its header.")
    return marks


class _Known:
    """The entries by what a table may call them: a path as it was handed in, one as tables have it, or a name alone."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = frozenset(paths)
        self._written: dict[str, set[str]] = defaultdict(set)
        self._by_name: dict[str, set[str]] = defaultdict(set)
        for path in self._paths:
            self._written[as_written(path)].add(path)
            self._by_name[as_written(PurePosixPath(path).name)].add(path)

    def path_of(self, file: str, place: str) -> str:
        """The path that is meant.

        Raises:
            MarksFileError: None is, or one of several.
        """
        if file in self._paths:
            return file
        called = as_written(file)
        same = sorted(self._written.get(called) or self._by_name.get(called) or ())
        if len(same) == 1:
            return same[0]
        if same:
            raise MarksFileError(f"{place}: {file!r} may be {' or '.join(same[:4])}: give its folder too.")
        near = get_close_matches(called, [*self._written, *self._by_name], n=1)
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
