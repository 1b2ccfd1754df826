"""A review: what is proposed for each photo, as a table that a person decides on, field by field.

The table is a CSV that a spreadsheet opens. Beside each proposed text stands a decision: `approve`, `edit` (the text
was changed, and the changed one holds), `reject` (nothing is written), or nothing, which leaves it for later.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from imageworks.spreadsheets import cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Field = Literal["caption", "keywords", "description"]
FIELDS: Final[tuple[Field, ...]] = ("caption", "keywords", "description")

Decision = Literal["approve", "edit", "reject"]
DECISIONS: Final[tuple[Decision, ...]] = ("approve", "edit", "reject")

PHOTO_MARK: Final = "photo:"
WORDS_MARK: Final = "words:"
"""In front of digests: without a letter a spreadsheet may take one for a number, and round it."""

PRESENT: Final = ("present_title", "present_keywords", "present_description")
NAMES: Final = ("file", "photo", "words")
DECIDED: Final = tuple(name for field in FIELDS for name in (field, f"{field}_decision"))
MANY_LINES: Final = ("description", "present_description")
"""Columns whose cells have line breaks."""

COLUMNS: Final = (*NAMES, *PRESENT, *DECIDED, "suggestions", "reason")


@dataclass(frozen=True)
class ReviewPhoto:
    """One photo to be decided on.

    Attributes:
        file: Path below the batch's folder, as text.
        photo_id: Its picture.
        caption: Proposed, as are the next two; empty for none.
        keywords: Beside the photographer's own.
        description: Paragraphs parted by empty lines.
        suggestions: Words that a vocabulary does not have.
        present_title: What stands in the file, as do the next two.
        present_keywords: The photographer's own.
        present_description: Empty for none.
        thumbnail: JPEG, PNG or WebP; None when there is none.
        decided: The fields of which a person has decided that they hold these very words.
    """

    file: str
    photo_id: str
    caption: str = ""
    keywords: tuple[str, ...] = ()
    description: str = ""
    suggestions: tuple[str, ...] = ()
    present_title: str = ""
    present_keywords: tuple[str, ...] = ()
    present_description: str = ""
    thumbnail: bytes | None = None
    decided: frozenset[Field] = frozenset()

    @property
    def words(self) -> str:
        """Names the proposed words by content."""
        return words_digest(self.caption, self.keywords, self.description)

    def text(self, field: Field) -> str:
        """What is proposed for a field, as a person edits it."""
        return field_text(getattr(self, field))


def field_text(value: str | Sequence[str]) -> str:
    """What a field holds, as a person edits it: keywords with commas between."""
    return value if isinstance(value, str) else ", ".join(value)


def words_digest(caption: str, keywords: Sequence[str], description: str) -> str:
    """Names a photo's words by content, 16 hex digits: an approval is of these and no others."""
    return _digest([caption, list(keywords), description])


def field_digest(value: str | Sequence[str]) -> str:
    """Names what one field holds by content, 16 hex digits."""
    return _digest(value if isinstance(value, str) else list(value))


def _digest(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def same_text(seen: str, now: str) -> bool:
    """Whether a text that came back from a table is what stands here now, but for its white space."""
    return _on_one_line(seen) == _on_one_line(now)


def _on_one_line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def review_csv(photos: Iterable[ReviewPhoto]) -> str:
    """The table, with a header; text that a spreadsheet would take for a formula stays text."""
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(COLUMNS)
    for photo in photos:
        values: list[str] = [
            photo.file,
            PHOTO_MARK + photo.photo_id,
            WORDS_MARK + photo.words,
            photo.present_title,
            ", ".join(photo.present_keywords),
            photo.present_description,
            *(
                value
                for field in FIELDS
                for value in (photo.text(field), "approve" if field in photo.decided else "")
            ),
            ", ".join(photo.suggestions),
            "",
        ]
        writer.writerow(
            [
                cell(value, keep_lines=column in MANY_LINES)
                for column, value in zip(COLUMNS, values, strict=True)
            ]
        )
    return table.getvalue()
