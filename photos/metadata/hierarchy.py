"""Hierarchical keywords: complete or not at all.

Lightroom takes a photo's keywords from lr:hierarchicalSubject where there is one, and every other program from
dc:subject. So a list of paths `A|B|C` names each flat keyword somewhere, a lone one as a path of one part, and A, B and
C stand among the flat ones.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from photos.metadata.spelling import keyword_key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from photos.metadata.fields import MetadataFields, PhotoMetadata


def completed(wanted: MetadataFields, said: PhotoMetadata) -> MetadataFields:
    """The fields with both lists of keywords in step.

    - Where paths are asked for, their parts are added to the flat keywords.
    - Where there are paths, asked for or there already, each flat keyword that is in none becomes one of its own; one
      that is taken out of the flat keywords goes again.
    - Where there are none, none are begun.

    Args:
        wanted: what was asked for; lists are the full, merged ones.
        said: what the photo says now.

    Raises:
        InvalidFields: a part or keyword cannot be written.
    """
    if wanted.hierarchical is None and wanted.keywords is None:
        return wanted
    flat = said.keywords if wanted.keywords is None else wanted.keywords
    if wanted.hierarchical is None:
        gone = set(said.keywords) - set(flat)
        paths = tuple(path for path in said.hierarchical_keywords if path not in gone)
    else:
        paths = wanted.hierarchical
        flat = (*flat, *_missing(_parts(paths), flat))
    if not paths:
        emptied = wanted.hierarchical is not None or said.hierarchical_keywords
        return replace(wanted, hierarchical=() if emptied else None)
    return replace(wanted, keywords=flat, hierarchical=(*paths, *_missing(flat, _parts(paths))))


def _parts(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for path in paths for part in path.split("|") if part.strip()))


def _missing(wanted: Iterable[str], there: Iterable[str]) -> tuple[str, ...]:
    """Those that are not there, however they are written; a keyword with a bar in it can be no path."""
    known = {keyword_key(each) for each in there}
    return tuple(each for each in wanted if keyword_key(each) not in known and "|" not in each)
