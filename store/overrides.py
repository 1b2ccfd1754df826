"""Overrides: what people say of an entry instead of a model, beside the model's word and never over it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, select

from store.errors import BadOverride
from store.tables import overrides as table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from store.batches import Pipeline
    from store.database import StateDatabase

HIGHEST_MARK: Final = 20
MOST_KEYWORDS: Final = 100
LONGEST: Final = {"keywords": 80, "caption": 400, "description": 4000}
"""Characters: of one keyword, of a caption, of a description."""

COLUMNS: Final[Mapping[Pipeline, tuple[str, ...]]] = {
    "judge": ("score",),
    "tagger": ("caption", "keywords", "description"),
}
"""The columns that a person may override, by pipeline."""

LONGEST_REASON: Final = 2000
_BETWEEN: Final = re.compile(r"(?<!\d),|,(?!\d)")
"""What parts keywords; a comma between digits does not: `10,000 steps`."""
_EMPTY_LINES: Final = re.compile(r"\n{3,}")
_UNWRITABLE: Final = frozenset({"Cc", "Cs"})


@dataclass(frozen=True, slots=True)
class Override:
    """One word of a person's.

    Attributes:
        entry_id: The entry.
        photo_id: Its photo as it was then.
        column: Which of the model's words it stands beside.
        value: What the person says; None where the model's word holds again.
        reason: Why.
        who: Whose word it is.
        made_at: When.
    """

    entry_id: str
    photo_id: str
    column: str
    value: Any
    reason: str
    who: str
    made_at: datetime


def read_value(pipeline: Pipeline, column: str, text: str) -> Any:
    """What a person has typed, as a value of the column; None if they typed nothing.

    Args:
        pipeline: `judge` or `tagger`.
        column: One of its `COLUMNS`.
        text: A mark from 0 to 20, a sentence, keywords with commas between, or a description, which keeps its lines.

    Raises:
        BadOverride: The column cannot be overridden, or cannot hold this.
    """
    if column not in COLUMNS[pipeline]:
        known = ", ".join(COLUMNS[pipeline])
        raise BadOverride(f"{column[:80]!r} of a {pipeline} batch cannot be overridden; what can is {known}.")
    text = text.strip()
    if not text:
        return None
    if any(unicodedata.category(char) in _UNWRITABLE and not char.isspace() for char in text):
        raise BadOverride(f"{column.capitalize()} takes no control characters; this is {text[:40]!r}.")
    if column == "score":
        if (
            not (text.isascii() and text.isdigit())
            or len(text) > len(str(HIGHEST_MARK))
            or int(text) > HIGHEST_MARK
        ):
            raise BadOverride(f"A score is a whole number from 0 to {HIGHEST_MARK}; this is {text[:40]!r}.")
        return int(text)
    longest = LONGEST[column]
    if column == "description":
        parts = [_lines(text)]
    else:
        parts = [
            " ".join(part.split()) for part in (_BETWEEN.split(text) if column == "keywords" else [text])
        ]
        parts = list(dict.fromkeys(filter(None, parts)))
    if len(parts) > MOST_KEYWORDS or any(len(part) > longest for part in parts):
        most = f" and at most {MOST_KEYWORDS} keywords" if column == "keywords" else ""
        raise BadOverride(f"A {column.removesuffix('s')} has at most {longest} characters{most}.")
    return parts if column == "keywords" else parts[0]


def _lines(text: str) -> str:
    """The lines of a text that is not empty; between paragraphs one empty line."""
    lines = "\n".join(" ".join(line.split()) for line in text.splitlines())
    return _EMPTY_LINES.sub("\n\n", lines)


def override(db: StateDatabase, *, pipeline: Pipeline, batch: str, made: Override) -> None:
    """Add a word of a person's.

    Args:
        db: The state database.
        pipeline: `judge` or `tagger`.
        batch: The batch of the entry.
        made: The word, its value as `read_value` gives it.

    Raises:
        BadOverride: It has no reason, or too long a one.
    """
    reason = made.reason.strip()
    if not reason:
        raise BadOverride("Whoever overrides a model says why; give a reason.")
    if len(reason) > LONGEST_REASON:
        raise BadOverride(f"A reason has at most {LONGEST_REASON} characters, and this one {len(reason)}.")
    values = {
        "pipeline": pipeline,
        "batch": batch,
        "entry_id": made.entry_id,
        "photo_id": made.photo_id,
        "column": made.column,
        "value": made.value,
        "reason": reason,
        "who": made.who,
        "made_at": made.made_at.astimezone(UTC),
    }
    db.write(lambda connection: connection.execute(insert(table).values(values)))


def overrides_of(db: StateDatabase, pipeline: Pipeline, batch: str) -> dict[str, list[Override]]:
    """All words of people about a batch's entries, by entry, the oldest first."""
    chosen = select(table).where(table.c.pipeline == pipeline, table.c.batch == batch)
    found: dict[str, list[Override]] = {}
    with db.read() as connection:
        for row in connection.execute(chosen.order_by(table.c.override_id)):
            found.setdefault(row.entry_id, []).append(
                Override(row.entry_id, row.photo_id, row.column, row.value, row.reason, row.who, row.made_at)
            )
    return found


def in_force(words: list[Override]) -> dict[str, Override]:
    """Of the words about one entry, the last of each column, unless it gives the column back to the model."""
    last = {word.column: word for word in words}
    return {column: word for column, word in last.items() if word.value is not None}
