"""The result as files for the organizers: CSV for a spreadsheet, JSON for programs.

They are made after judging and name authors and files. Nothing that a judge is asked is made from them.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imageworks.spreadsheets import cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from imageworks.judge_vision.results import Result, ResultRow

_COLUMNS = (
    "category",
    "place",
    "place_low",
    "place_high",
    "entry_id",
    "title",
    "author",
    "file",
    "score",
    "calibrated",
    "score_low",
    "score_high",
    "judges",
    "award",
    "strength",
    "strength_low",
    "strength_high",
    "wins",
    "draws",
    "losses",
    "compared_by",
    "decided_by",
    "eligible",
    "tied",
    "tied_with",
    "reason",
    "findings",
)


@dataclass(frozen=True)
class EntryWords:
    """What an organizer needs to write to a member about an entry.

    Attributes:
        title: As people read it.
        author: None when the file's name does not give it for certain.
        file: As handed in, with its folders.
        findings: What its file breaks or may break of the rules, in words, the worst first.
        calibrated: The score on the scale of the anchors; None without enough of them.
        score_low: The lowest score of several judges; None where there was one, as with the next.
        score_high: The highest.
        judges: What each of several judges gave, such as `near-vlm 16`.
    """

    title: str = ""
    author: str | None = None
    file: str = ""
    findings: tuple[str, ...] = ()
    calibrated: float | None = None
    score_low: int | None = None
    score_high: int | None = None
    judges: tuple[str, ...] = ()


def results_csv(rows: Iterable[ResultRow], words: Mapping[str, EntryWords] | None = None) -> str:
    """The rows as CSV with a header, for a spreadsheet: UTF-8, CRLF, quoted where needed.

    Text that a spreadsheet would take for a formula gets an apostrophe in front of it.

    Args:
        rows: In the order to print.
        words: By entry, when known.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    for row in rows:
        told = (words or {}).get(row.entry_id, EntryWords())
        values = row.model_dump() | vars(told)
        values["findings"] = " ".join(told.findings)
        values["judges"] = "; ".join(told.judges)
        values["compared_by"] = "; ".join(f"{judge} {count}" for judge, count in row.compared_by.items())
        values["tied_with"] = " ".join(row.tied_with)
        values["eligible"] = "yes" if row.eligible else "no"
        writer.writerow({column: cell(values[column]) for column in _COLUMNS})
    return text.getvalue()


def results_json(result: Result, words: Mapping[str, EntryWords]) -> str:
    """The whole result as JSON; its rows have the words of `EntryWords` too.

    Args:
        result: Every row, the sentences and the sections.
        words: By entry.
    """
    told = result.model_dump(mode="json")
    told["rows"] = [row | vars(words[row["entry_id"]]) for row in told["rows"]]
    return json.dumps(told, indent=1)
