"""What may be written into a photo: ours beside the photographer's own, and never in its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from imageworks.personal_tagger.keywords import normalize_keywords
from imageworks.personal_tagger.vocabulary import SEPARATOR
from imageworks.plain_text import clean_lines, clean_text
from photos.metadata.errors import InvalidFields
from photos.metadata.fields import MetadataFields, PhotoMetadata
from photos.metadata.spelling import keyword_key

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST_KEYWORD: Final = 80
"""Characters; a vocabulary's term and a person's own word may be longer than a model's."""


@dataclass(frozen=True)
class OurTags:
    """Tags of ours: those to be written now, or those that we wrote the last time.

    Attributes:
        caption: For dc:title; empty: none.
        description: For dc:description; empty: none.
        keywords: For dc:subject. As a record of what was written: only those that we added.
        paths: For lr:hierarchicalSubject, each `A|B|C`. As a record: likewise.
    """

    caption: str = ""
    description: str = ""
    keywords: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


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
    (`Animals|cat`): the parts of hierarchical keywords stand among the flat ones too. (A path of one part is only a
    flat keyword in a file whose keywords are all paths.)

    Args:
        existing_keywords: As they stand in the file.
        previously_ours: Those that our last write added.
        hierarchical_keywords: As they stand in the file, each `A|B|C`.

    Returns:
        In their order and spelling, to the letter.
    """
    filed = {keyword_key(part) for path in hierarchical_keywords if "|" in path for part in path.split("|")}
    ours = {keyword for keyword in previously_ours if keyword_key(keyword) not in filed}
    return tuple(keyword for keyword in existing_keywords if keyword not in ours)


def others_paths(hierarchical_keywords: Iterable[str], previously_ours: Iterable[str]) -> tuple[str, ...]:
    """The hierarchical keywords of a file that somebody else put there: all but those that we wrote."""
    ours = frozenset(previously_ours)
    return tuple(path for path in hierarchical_keywords if path not in ours)


def merge(existing: PhotoMetadata, ours: OurTags, previously_ours: OurTags | None = None) -> Merge:
    """Put our tags beside what stands in a photo.

    - `dc:description` and `dc:title` are written when the file has none, or has what we wrote the last time, which is
      taken out where nothing is said any more. Where IPTC or EXIF say otherwise than what we wrote, somebody changed it
      there, and all of it is left alone.
    - `dc:subject` becomes the photographer's own keywords, in their order and to the letter, and then ours. Those
      that we wrote before and no longer give are taken out; of two spellings, the photographer's stays. Where one of
      the photographer's cannot be written as it is, all keywords are left as they are.
    - `lr:hierarchicalSubject` becomes the photographer's own paths, and then ours, of those that stand in `dc:subject`
      with all their levels. It is left alone where the keywords are, and kept in step with them by the writer.
    - Headline, rating, creator and other languages are left alone.

    Args:
        existing: As read from the file now.
        ours: What the stages gave.
        previously_ours: What our last write put there; None when we never wrote.
    """
    before = previously_ours or OurTags()
    title, kept_title = _text("title", existing, clean_text(ours.caption), before.caption)
    description, kept_description = _text(
        "description", existing, clean_lines(ours.description), before.description
    )

    own_paths = others_paths(existing.hierarchical_keywords, before.paths)
    own = photographers_own(existing.keywords, before.keywords, own_paths)
    own_keys = {keyword_key(keyword) for keyword in own}
    wanted = normalize_keywords(ours.keywords, longest=LONGEST_KEYWORD)
    added = tuple(keyword for keyword in wanted if keyword_key(keyword) not in own_keys)
    merged = tuple(dict.fromkeys((*own, *added)))
    # The writer keeps both lists in step: a path of one part may be a keyword of ours that we no longer give.
    own_paths = tuple(path for path in own_paths if path in merged or path not in before.keywords)
    added_paths = tuple(path for path in _whole_paths(ours.paths, merged) if path not in own_paths)
    merged_paths = tuple(dict.fromkeys((*own_paths, *added_paths)))
    problem = _unwritable(merged, merged_paths)
    if problem:
        added = tuple(keyword for keyword in existing.keywords if keyword not in own)
        merged = existing.keywords
        added_paths = tuple(path for path in existing.hierarchical_keywords if path not in own_paths)
        merged_paths = existing.hierarchical_keywords
    here_keys = {keyword_key(keyword) for keyword in existing.keywords}
    merged_keys = {keyword_key(keyword) for keyword in merged}
    return Merge(
        fields=MetadataFields(
            title=title,
            description=description,
            keywords=None if merged == existing.keywords else merged,
            hierarchical=None if merged_paths == existing.hierarchical_keywords else merged_paths,
        ),
        ours=OurTags(
            caption="" if kept_title else _after(existing.title, title),
            description="" if kept_description else _after(existing.description, description),
            keywords=added,
            paths=added_paths,
        ),
        kept=tuple(name for name, kept in (("title", kept_title), ("description", kept_description)) if kept),
        keywords_kept=problem,
        added_keywords=tuple(keyword for keyword in added if keyword_key(keyword) not in here_keys),
        removed_keywords=tuple(
            keyword for keyword in existing.keywords if keyword_key(keyword) not in merged_keys
        ),
    )


def _whole_paths(paths: Iterable[str], keywords: Iterable[str]) -> tuple[str, ...]:
    """The paths all of whose levels are among the keywords: a path is written as a whole or not at all."""
    there = {keyword_key(keyword) for keyword in keywords}
    return tuple(path for path in paths if all(keyword_key(name) in there for name in path.split(SEPARATOR)))


def _unwritable(keywords: tuple[str, ...], paths: tuple[str, ...]) -> str:
    """Why a list of keywords cannot be written; empty: it can."""
    try:
        MetadataFields(keywords=keywords, hierarchical=paths)
    except InvalidFields as problem:
        return str(problem)
    return ""


def _standing(text: str | None) -> str:
    return (text or "").strip()


def _after(existing: str | None, new: str | None) -> str:
    """What stands in a field once it was written."""
    return _standing(existing) if new is None else new


def _text(
    name: Literal["title", "description"], existing: PhotoMetadata, new: str, before: str
) -> tuple[str | None, bool]:
    """What to write (None: nothing, empty: ours is taken out), and whether somebody else's text stands there."""
    standing = _standing(getattr(existing, name))
    if standing and (standing != before.strip() or name in existing.contradicted):
        return None, True
    return (None if new == standing else new), False
