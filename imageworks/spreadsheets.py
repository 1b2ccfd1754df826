"""Tables that go to a spreadsheet and come back: text stays text, whatever it begins with and whoever saved it."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imageworks.errors import ImageWorksError

_GUARD: Final = "'"
_BEFORE_A_SIGN: Final = re.compile(r"['\s]*")
_FIRST_LINE: Final = re.compile(r"\s*([^\r\n]*)")


def cell(value: object, *, keep_lines: bool = False) -> object:
    """A value for one cell; text that a spreadsheet would take for a formula gets an apostrophe in front of it.

    Args:
        value: Anything that a CSV writer takes.
        keep_lines: Whether text may have several lines; the writer quotes such a cell.
    """
    if isinstance(value, str):
        # Control characters could end the cell or the line; a formula must stay text.
        lines = value.replace("\r\n", "\n").replace("\r", "\n").split("\n") if keep_lines else [value]
        text = "\n".join(map(_printed, lines))
        return _GUARD + text if _is_guarded(text) else text
    return "" if value is None else value


def text_of(cell_text: str) -> str:
    """What stood in a cell before `cell` kept it from being a formula."""
    return cell_text[1:] if cell_text[:1] == _GUARD and _is_guarded(cell_text[1:]) else cell_text


def as_written(name: str) -> str:
    """What a name has in common with itself in a table: without control characters, its accents composed."""
    return unicodedata.normalize("NFC", _printed(name))


def read_rows(
    text: str, needed: Sequence[str], *, source: str, refused: type[ImageWorksError]
) -> Iterator[tuple[int, dict[str, str]]]:
    """Numbers of lines with their cells by column, in small letters; empty lines are passed over.

    Args:
        text: CSV with a header, with commas or semicolons, the columns in any order and capitals.
        needed: Columns that have to be there, each once, and to have a cell in every line.
        source: What to call the text in an error: the file's path.
        refused: The error.

    Raises:
        ImageWorksError: As `refused`: it is no such table; names the line.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator_of(text), strict=True)
    columns: list[str] = []
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as problem:
            raise refused(f"{source}, line {line}: this is no CSV: {problem}.") from problem
        if cells is None:
            if not columns:
                raise refused(f"{source} is empty: its first line has to name {', '.join(needed)}.")
            return
        if not any(each.strip() for each in cells):
            continue
        if not columns:
            columns = [name.strip().casefold() for name in cells]
            if problem_words := _wrong_header(columns, needed):
                raise refused(f"{source}, line {line}: the header has {problem_words}.")
        elif len(cells) <= max(map(columns.index, needed)):
            raise refused(f"{source}, line {line}: it has {len(cells)} cells, fewer than its header.")
        else:
            yield line, dict(zip(columns, cells, strict=False))


def separator_of(text: str) -> str:
    """What stands between cells: spreadsheets of many countries write semicolons."""
    first = _FIRST_LINE.match(text)
    head = first[1] if first else ""
    return ";" if head.count(";") > head.count(",") else ","


def _wrong_header(columns: Sequence[str], needed: Sequence[str]) -> str:
    """What is wrong with a header; empty: nothing is."""
    if missing := [name for name in needed if name not in columns]:
        return f"no column {' and no '.join(missing)}; it needs {', '.join(needed)}"
    return next((f"{name} more than once" for name in needed if columns.count(name) > 1), "")


def _printed(line: str) -> str:
    return "".join(char if char.isprintable() else " " for char in line)


def _is_guarded(text: str) -> bool:
    """Whether it begins as a formula does, or as one that is kept from being one."""
    # Spreadsheets in East Asian locales take full-width signs for formulas too.
    first = unicodedata.normalize("NFKC", _BEFORE_A_SIGN.sub("", text, count=1)[:1])
    return first in {"=", "+", "-", "@"}
