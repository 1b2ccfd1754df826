"""What writing tags, or taking them back, came to: words for the terminal, from the rows of tagger/metadata."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from imageworks.counting import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imageworks_dagster.stages import Row

NAMES = 5
"""Files that are named in a line."""

FEW_PHOTOS = 20
"""Photos whose changes a terminal shows one by one; of more it tells the sums and a few examples."""

CHANGES_FILE = "changes.txt"
"""All lines of a diff, beside the report."""

BY_RULE = "These tags were made by rule, from measurements of the pixels: no model has looked at a photo."


def applied_words(rows: Iterable[Row], *, undo: str) -> str:
    """What was written into how many files, which were left alone, and the command that takes it back."""
    states: dict[str, list[Row]] = {}
    for row in rows:
        states.setdefault(row["state"] or "without_tags", []).append(row)
    count = {state: len(some) for state, some in states.items()}
    said = [f"Tags written into {counted(count.get('written', 0), 'file')}."]
    if unchanged := count.get("unchanged"):
        said.append(f"{counted(unchanged, 'file')} had them already.")
    if waiting := count.get("proposed"):
        said.append(f"{counted(waiting, 'file')} left as they are, waiting to be approved.")
    if without := states.get("without_tags"):
        said.append(f"{counted(len(without), 'file')} without tags to write: {names(without)}.")
    said += refused_words(states.get("refused", []))
    if count.get("written") or unchanged:
        said.append(f"Take all back with: {undo}")
    return "\n".join(said)


def proposed_words(rows: Iterable[Row]) -> list[str]:
    """What writing would do to each file, as a diff: a line for the file, and one for each change in it."""
    lines: list[str] = []
    for row in _proposed(rows):
        into = row.get("into")
        name = row["entry_id"].split("/", 1)[1]
        beside = into is not None and into != name
        lines += [f"{name} → {into}" if beside else name, *(f"  {line}" for line in row["changes"])]
    return lines


def _proposed(rows: Iterable[Row]) -> list[Row]:
    # A row that is not yet in its table has only the columns that say something.
    return [row for row in rows if row.get("state") == "proposed" and row.get("changes")]


def shown_words(rows: Iterable[Row], *, whole: str) -> list[str]:
    """What a terminal shows of a proposal: all changes of a few photos; of many the sums, examples, and where all are.

    Args:
        rows: Of tagger/metadata.
        whole: The file with all changes.
    """
    proposed = _proposed(rows)
    if len(proposed) <= FEW_PHOTOS:
        return proposed_words(proposed)
    examples = [proposed[0], proposed[len(proposed) // 2], proposed[-1]]
    return [
        f"{counted(len(proposed), 'photo')} with something proposed:",
        *_sums(proposed),
        "Three of them:",
        *proposed_words(examples),
        f"All of them, line by line: {whole}",
    ]


def _sums(proposed: Iterable[Row]) -> Iterator[str]:
    """In how many photos something comes, goes and stays, by field, and what hinders how many."""
    found = Counter(key for row in proposed for key in {_kind(change) for change in row["changes"]})
    for sign, words in (("+", ""), ("-", ""), ("=", " yours stays:")):
        fields = [f"{field} in {count}" for (of, field), count in sorted(found.items()) if of == sign]
        if fields:
            yield f"  {sign}{words} {', '.join(fields)}"
    for (sign, hindrance), count in sorted(found.items()):
        if sign == "!":
            yield f"  ! in {count}: {hindrance}"


def _kind(change: str) -> tuple[str, str]:
    """The sign of a change and its field; of a hindrance all that it says."""
    sign, _, words = change.partition(" ")
    return sign, words if sign == "!" else words.partition(":")[0]


def refused_words(refused: list[Row]) -> list[str]:
    """Which files were refused, and why the first was; nothing when none was."""
    if not refused:
        return []
    return [
        f"{counted(len(refused), 'file')} refused: {names(refused)}.",
        f"    {refused[0]['error_message']}",
    ]


def names(rows: list[Row]) -> str:
    """The first few files by their paths below the folder, and how many more there are."""
    shown = ", ".join(row["entry_id"].split("/", 1)[1] for row in rows[:NAMES])
    return shown if len(rows) <= NAMES else f"{shown} and {len(rows) - NAMES} more"
