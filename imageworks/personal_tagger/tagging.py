"""What the three tagging stages ask about a photo, and what their answers mean."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from imageworks.answers import read_answer
from imageworks.errors import AnswerMisread
from imageworks.personal_tagger.keywords import normalize_keywords
from imageworks.plain_text import clean_text
from imageworks.signal_bands import rounded_signals
from imageworks.signal_words import signal_words

MOST_KEYWORDS = 20
MOST_EXISTING = 50
"""Keywords of the photographer's that travel in a prompt."""

_KIND = r"(?:image|photo|photograph|picture|pic|shot|snapshot|scene)"
_WORDS = r"(?:\w+\s+){0,3}?"
_VERB = (
    r"(?:shows|depicts|features|captures|displays|presents|portrays|illustrates|is showing|is depicting|is of"
    r"|appears to show|seems to show|appears to be|seems to be)"
)
_SEEN = r"(?:(?:we|you|one)(?:\s+can)?\s+see|there\s+(?:is|are))"
_OPENERS = (
    re.compile(rf"^(?:this|the|that)\s+{_WORDS}{_KIND}\s+{_VERB}\s*:?\s+(?:that\s+)?", re.IGNORECASE),
    re.compile(
        rf"^(?:this|it)\s+is\s+(?:an?|the)\s+{_WORDS}{_KIND}\s+(?:of|showing|depicting)\s+",
        re.IGNORECASE,
    ),
    re.compile(rf"^(?:an?|the)\s+{_KIND}\s+(?:of|showing|depicting|featuring|that shows)\s+", re.IGNORECASE),
    re.compile(
        rf"^in\s+(?:this|the)\s+{_WORDS}{_KIND}(?:\s*,\s*(?:{_SEEN}\s+)?|\s+{_SEEN}\s+)",
        re.IGNORECASE,
    ),
    re.compile(r"^(?:sure|certainly|of course|okay)[,!.]\s+(?:here(?:'s| is)[^:]{0,60}:\s*)?", re.IGNORECASE),
    re.compile(r"^here(?:'s| is)\s+(?:an?|the|your)\s+[^:]{0,60}:\s*", re.IGNORECASE),
    re.compile(r"^(?:caption|description|title)\s*:\s*", re.IGNORECASE),
)


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class CaptionAnswer(_Answer):
    """An answer to profile stage `caption`."""

    caption: Annotated[str, Field(min_length=1, max_length=240)]


class KeywordsAnswer(_Answer):
    """An answer to profile stage `keywords`."""

    keywords: Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]


class DescriptionAnswer(_Answer):
    """An answer to profile stage `description`."""

    description: Annotated[str, Field(min_length=1, max_length=1600)]


def caption_variables(
    *, signals: Mapping[str, object], existing_keywords: Sequence[str], folder_words: Sequence[str]
) -> dict[str, Any]:
    """The prompt's variables for profile stage `caption`.

    Args:
        signals: As measured.
        existing_keywords: The photographer's own; see `merging.photographers_own`.
        folder_words: See `keywords.folder_words`.

    Raises:
        SignalsMissing: The photo was not measured.
    """
    return {
        "signals": signal_words(signals),
        "existing_keywords": list(normalize_keywords(existing_keywords, most=MOST_EXISTING)),
        "folder_words": list(folder_words),
    }


def keywords_variables(
    *, caption: str, existing_keywords: Sequence[str], max_keywords: int = 12
) -> dict[str, Any]:
    """The prompt's variables for profile stage `keywords`."""
    return {
        "caption": caption,
        "existing_keywords": list(normalize_keywords(existing_keywords, most=MOST_EXISTING)),
        "max_keywords": max_keywords,
    }


def description_variables(
    *, caption: str, keywords: Sequence[str], existing_keywords: Sequence[str]
) -> dict[str, Any]:
    """The prompt's variables for profile stage `description`."""
    return {
        "caption": caption,
        "keywords": list(keywords),
        "existing_keywords": list(normalize_keywords(existing_keywords, most=MOST_EXISTING)),
    }


def tagging_facts(
    task: str, *, signals: Mapping[str, object], width: int, height: int, max_keywords: int | None = None
) -> dict[str, Any]:
    """The structured variables that an embedded model gets instead of a picture.

    Args:
        task: `caption`, `keywords` or `description`.
        signals: As measured; rounded here.
        width: Pixels, as the photo is seen.
        height: Pixels.
        max_keywords: For `keywords`.

    Raises:
        SignalsMissing: The photo was not measured.
    """
    facts: dict[str, Any] = {
        "task": task,
        "signals": rounded_signals(signals),
        "width": width,
        "height": height,
    }
    return facts if max_keywords is None else {**facts, "max_keywords": max_keywords}


def without_opener(text: str) -> str:
    """Text without the words that models begin with: "This image shows a cat" becomes "A cat".

    Text that is nothing but an opener stays as it is.
    """
    rest = text.strip()
    for _ in range(3):
        shorter = rest
        for opener in _OPENERS:
            shorter = opener.sub("", shorter, count=1)
        if shorter == rest:
            break
        rest = shorter
    if not rest:
        return text.strip()
    # A word with a capital inside is spelled as it is meant: iPhone.
    first = rest.split(maxsplit=1)[0]
    capital = rest != text.strip() and first[1:] == first[1:].lower()
    return rest[0].upper() + rest[1:] if capital else rest


def read_caption(data: object) -> str:
    """The caption of an answer: one line, without an opener, without outer quotes.

    Raises:
        AnswerMisread: The answer holds no caption.
    """
    line = clean_text(read_answer(CaptionAnswer, data, "A caption answer").caption).strip('"“”').strip()
    return _something(without_opener(line), "caption")


def read_keywords(data: object, *, max_keywords: int = MOST_KEYWORDS) -> tuple[str, ...]:
    """The keywords of an answer, cleaned, each once, at most `max_keywords`.

    Raises:
        AnswerMisread: The answer holds no keyword that is a word.
    """
    answer = read_answer(KeywordsAnswer, data, "A keywords answer")
    found = normalize_keywords(answer.keywords, most=max_keywords)
    if not found:
        raise AnswerMisread("A keywords answer cannot be read: none of its keywords holds a letter or digit.")
    return found


def read_description(data: object) -> str:
    """The description of an answer: paragraphs kept, without an opener.

    Raises:
        AnswerMisread: The answer holds no description.
    """
    text = clean_text(
        read_answer(DescriptionAnswer, data, "A description answer").description, keep_lines=True
    )
    return _something(without_opener(text), "description")


def _something(text: str, stage: str) -> str:
    if not text:
        raise AnswerMisread(f"A {stage} answer cannot be read: it holds nothing but space.")
    return text
