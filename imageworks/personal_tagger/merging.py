"""What may be written into a photo: ours beside the photographer's own, and never in its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imageworks.personal_tagger.keywords import keyword_key, normalize_keywords
from imageworks.plain_text import clean_text
from photos.metadata.errors import InvalidFields
from photos.metadata.fields import MetadataFields, PhotoMetadata

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class OurTags:
    """Tags of ours: those to be written now, or those that we wrote the last time.

    Attributes:
        caption: For dc:title; empty: none.
        description: For dc:description; empty: none.
        keywords: For dc:subject. As a record of what was written: only those that we added.
    """

    caption: str = ""
    description: str = ""
    keywords: tuple[str, ...] = ()


@dataclass(frozen=True)
class Merge:
    """What to write, and what it means.

    Attributes:
        fields: For the metadata writer; a field that needs no change is None.
        ours: What of ours stands in the file afterwards: the record to keep for the next merge.
        kept: Fields where the photographer's own text stood and was left alone: `title`, `description`.
        keywords_kept: Why the keywords are left as they are, in words; empty: they are not.
        added_keywords: Keywords that are new in the file.
        removed_keywords: Keywords that we had written before and now take back.
    """

    fields: MetadataFields
    ours: OurTags
    kept: tuple[str, ...]
    keywords_kept: str
    added_keywords: tuple[str, ...]
    removed_keywords: tuple[str, ...]


def photographers_own(
    existing_keywords: Iterable[str],
    previously_ours: Iterable[str],
    hierarchical_keywords: Iterable[str] = (),
) -> tuple[str, ...]:
    """The keywords of a file that somebody else put there: all but those that we wrote.

    A word of ours that was respelled since is somebody else's now, and so is one that was filed under another
    (`Animals|cat`): the parts of hierarchical keywords stand among the flat ones too.

    Args:
        existing_keywords: As they stand in the file.
        previously_ours: Those that our last write added.
        hierarchical_keywords: As they stand in the file, each `A|B|C`.

    Returns:
        In their order and spelling, to the letter.
    """
    filed = {keyword_key(part) for path in hierarchical_keywords for part in path.split("|")}
    ours = {keyword for keyword in previously_ours if keyword_key(keyword) not in filed}
    return tuple(keyword for keyword in existing_keywords if keyword not in ours)


def merge(existing: PhotoMetadata, ours: OurTags, previously_ours: OurTags | None = None) -> Merge:
    """Put our tags beside what stands in a photo.

    - `dc:description` and `dc:title` are written when the file has none, or has what we wrote the last time.
    - `dc:subject` becomes the photographer's own keywords, in their order and to the letter, and then ours. Those
      that we wrote before and no longer give are taken out; of two spellings, the photographer's stays. Where one of
      the photographer's cannot be written as it is, all keywords are left as they are.
    - Hierarchical keywords, headline, rating, creator and other languages are left alone.

    Args:
        existing: As read from the file now.
        ours: What the stages gave.
        previously_ours: What our last write put there; None when we never wrote.
    """
    before = previously_ours or OurTags()
    title, kept_title = _text(existing.title, clean_text(ours.caption), before.caption)
    new_description = clean_text(ours.description, keep_lines=True)
    description, kept_description = _text(existing.description, new_description, before.description)

    own = photographers_own(existing.keywords, before.keywords, existing.hierarchical_keywords)
    own_keys = {keyword_key(keyword) for keyword in own}
    wanted = normalize_keywords(ours.keywords)
    added = tuple(keyword for keyword in wanted if keyword_key(keyword) not in own_keys)
    merged = tuple(dict.fromkeys((*own, *added)))
    problem = _unwritable(merged)
    if problem:
        added = tuple(keyword for keyword in existing.keywords if keyword not in own)
        merged = existing.keywords
    here_keys = {keyword_key(keyword) for keyword in existing.keywords}
    merged_keys = {keyword_key(keyword) for keyword in merged}
    return Merge(
        fields=MetadataFields(
            title=title,
            description=description,
            keywords=None if merged == existing.keywords else merged,
        ),
        ours=OurTags(
            caption="" if kept_title else title or _standing(existing.title),
            description="" if kept_description else description or _standing(existing.description),
            keywords=added,
        ),
        kept=tuple(name for name, kept in (("title", kept_title), ("description", kept_description)) if kept),
        keywords_kept=problem,
        added_keywords=tuple(keyword for keyword in added if keyword_key(keyword) not in here_keys),
        removed_keywords=tuple(
            keyword for keyword in existing.keywords if keyword_key(keyword) not in merged_keys
        ),
    )


def _unwritable(keywords: tuple[str, ...]) -> str:
    """Why a list of keywords cannot be written; empty: it can."""
    try:
        MetadataFields(keywords=keywords)
    except InvalidFields as problem:
        return str(problem)
    return ""


def _standing(text: str | None) -> str:
    return (text or "").strip()


def _text(existing: str | None, new: str, before: str) -> tuple[str | None, bool]:
    """What to write (None: nothing), and whether somebody else's text stands there."""
    standing = _standing(existing)
    if standing and standing != before.strip():
        return None, True
    if not new or new == standing:
        return None, False
    return new, False
