"""What is known of a photo besides its picture, in words for a prompt: when, where, what its files are called.

All of it is material that others wrote, a camera, a person, a program: short, cleaned, and never an order.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypedDict

from imageworks.personal_tagger.keywords import folder_words
from imageworks.plain_text import clean_text

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

NOTES: Final = "notes.txt"
"""The file in which a photographer writes about the photos beside it and in the folders below."""

LONGEST_NOTES: Final = 1_500
"""Characters of notes that travel in a prompt."""

_FIRST_YEAR: Final = 1990
"""No digital camera is older: what is dated before comes from a clock that was never set."""

_MONTHS: Final = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_DAYS: Final = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_PARTS: Final = (
    (5, "at night"),
    (9, "early in the morning"),
    (12, "in the morning"),
    (14, "around midday"),
    (18, "in the afternoon"),
    (22, "in the evening"),
    (24, "at night"),
)
"""The hours before which a part of the day ends."""


class PhotoContext(TypedDict, total=False):
    """What a tagging prompt may be told besides; what is not there is not told.

    Attributes:
        captured: When, by the camera's clock.
        file_words: What the file's name says.
        notes: What the photographer wrote into a file beside the photos.
        place: The town or village next to the camera, by its position.
        neighbors: Where the photo stands in a burst.
    """

    captured: str
    file_words: list[str]
    notes: str
    place: str
    neighbors: str


def capture_words(captured_at: str | None) -> str:
    """When a photo was taken: `Saturday, 14 June 2025, 19 h, in the evening`; empty where nobody can say.

    To the hour: frames of one burst are told the same, and nobody's keyword is a minute.

    Args:
        captured_at: ISO 8601, by the camera's clock.
    """
    try:
        moment = datetime.fromisoformat(captured_at or "")
    except ValueError:
        return ""
    if moment.year < _FIRST_YEAR:
        return ""
    part = next(name for end, name in _PARTS if moment.hour < end)
    day = f"{_DAYS[moment.weekday()]}, {moment.day} {_MONTHS[moment.month - 1]} {moment.year}"
    return f"{day}, {moment.hour} h, {part}"


def notes_words(text: str) -> str:
    """Notes as they are told: cleaned, at most `LONGEST_NOTES` characters, cut between words."""
    notes = clean_text(text, keep_lines=True)
    if len(notes) <= LONGEST_NOTES:
        return notes
    return notes[:LONGEST_NOTES].rsplit(maxsplit=1)[0] + " …"


def neighbor_words(position: int, count: int, seconds: float) -> str:
    """Where a photo stands in a burst: `frame 3 of 7, taken within 4 seconds`."""
    return f"frame {position} of {count}, taken within {max(1, round(seconds))} s"


def told_about(photo: Mapping[str, Any]) -> Mapping[str, Any]:
    """What prompts are told about a photo besides its signals, from its row of tagger/photos.

    With `existing_keywords` and `folder_words`, which every prompt knows; a row of before there was a column `context`
    has these alone.
    """
    kept = photo.get("context")
    if kept is None:
        return {
            "existing_keywords": list(photo["existing_keywords"] or ()),
            "folder_words": list(folder_words(photo["relative_path"])),
        }
    return {"existing_keywords": [], "folder_words": [], **json.loads(kept)}


def context_variables(photo: Mapping[str, Any], declared: Container[str]) -> dict[str, Any]:
    """What is known of a photo besides, of what a prompt asks to be told.

    Args:
        photo: Its row of tagger/photos.
        declared: Names of the variables that the prompt declares.
    """
    told = told_about(photo)
    return {name: told[name] for name in PhotoContext.__annotations__ if name in told and name in declared}
