"""What writing tags, or taking them back, came to: words for the terminal, from the rows of tagger/metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageworks.counting import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imageworks_dagster.stages import Row

NAMES = 5
"""Files that are named in a line."""

CHANGES = 40
"""Lines of a diff that a terminal shows; the whole is in a file."""

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
    for row in rows:
        # A row that is not yet in its table has only the columns that say something.
        changes, into = row.get("changes"), row.get("into")
        if row.get("state") != "proposed" or not changes:
            continue
        name = row["entry_id"].split("/", 1)[1]
        beside = into is not None and into != name
        lines += [f"{name} → {into}" if beside else name, *(f"  {line}" for line in changes)]
    return lines


def first_lines(lines: list[str], *, whole: str) -> list[str]:
    """As many as a terminal shows, and where the ``whole`` is."""
    more = len(lines) - CHANGES
    return [*lines[:CHANGES], f"{counted(more, 'more line')} in {whole}"] if more > 0 else lines


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
