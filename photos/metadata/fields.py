"""The values: what a photo's metadata says, and what is to be written into it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self

from photos.metadata.errors import InvalidFields

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_TEXT = 16_000
"""Characters. A JPEG's XMP packet holds 65,502 bytes in all; nobody writes a caption of a quarter of that."""

LONGEST_KEYWORD = 2_000
MOST_KEYWORDS = 10_000
"""Generous, as the photographer's own keywords are in the list too."""

_IMPOSSIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
"""What XML 1.0 cannot hold, and two that it would alter: carriage return and delete."""
_UNREAD = re.compile("[\udc80-\udcff]")
"""Bytes that no character set explains, as `iptc.decode` keeps them."""


@dataclass(frozen=True)
class PhotoMetadata:
    """What a photo says about itself, XMP before IPTC before EXIF (the Metadata Working Group's order).

    Attributes:
        title: dc:title in the default language, or IPTC ObjectName.
        description: dc:description in the default language, or IPTC Caption-Abstract, or EXIF
            ImageDescription (unless that is only the camera's factory text).
        descriptions: every language of dc:description, `x-default` among them.
        keywords: dc:subject, followed by IPTC keywords that are not there; in order, without doubles.
        hierarchical_keywords: lr:hierarchicalSubject, each `A|B|C`.
        headline: photoshop:Headline, or IPTC Headline.
        rating: xmp:Rating, -1 (rejected) to 5.
        creator: dc:creator, or IPTC By-line, or EXIF Artist. Never for a judging model's eyes.
        copyright: dc:rights in the default language, or IPTC CopyrightNotice, or EXIF Copyright.
        captured: when the shutter opened, ISO 8601, with an offset only where the file has one.
        has_iptc: the file holds an IPTC block, so writers keep it in step.
        sources: where it was read: of "embedded" and the file name of a sidecar.
        contradicted: of `title` and `description`, those that IPTC or EXIF in the same file say otherwise than its
            XMP: somebody changed them there alone.
    """

    title: str | None = None
    description: str | None = None
    descriptions: Mapping[str, str] = field(default_factory=dict)
    keywords: tuple[str, ...] = ()
    hierarchical_keywords: tuple[str, ...] = ()
    headline: str | None = None
    rating: int | None = None
    creator: tuple[str, ...] = ()
    copyright: str | None = None
    captured: str | None = None
    has_iptc: bool = False
    sources: tuple[str, ...] = ()
    contradicted: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, for a table or another process."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The opposite of `as_dict`."""
        listed = {"keywords", "hierarchical_keywords", "creator", "sources", "contradicted"}
        chosen: dict[str, Any] = {
            key: tuple(value) if key in listed else value for key, value in values.items()
        }
        return cls(**chosen)

    def with_fallback(self, other: PhotoMetadata) -> PhotoMetadata:
        """These values, and the other's where these are silent; sources of both.

        What the other file says otherwise of its own is no matter here.
        """
        chosen: dict[str, Any] = {
            each.name: getattr(self, each.name) or getattr(other, each.name) for each in fields(PhotoMetadata)
        }
        if self.rating is not None:
            chosen["rating"] = self.rating
        chosen["contradicted"] = self.contradicted
        chosen["sources"] = (*self.sources, *(each for each in other.sources if each not in self.sources))
        return PhotoMetadata(**chosen)


@dataclass(frozen=True)
class MetadataFields:
    """What is to stand in the file afterwards. None leaves a field alone; empty takes it out.

    Lists are the *full merged* list: the writer replaces, and whoever calls it has put the photographer's
    own keywords in.

    Attributes:
        title: dc:title (default language); other languages stay.
        description: dc:description (default language); other languages stay.
        keywords: dc:subject, flat.
        hierarchical: lr:hierarchicalSubject, each `A|B|C`.
        headline: photoshop:Headline.

    Raises:
        InvalidFields: control characters, lone surrogates, empty or doubled keywords, or absurd lengths.
    """

    title: str | None = None
    description: str | None = None
    keywords: tuple[str, ...] | None = None
    hierarchical: tuple[str, ...] | None = None
    headline: str | None = None

    def __post_init__(self) -> None:
        for name in ("title", "headline"):
            _check_text(name, getattr(self, name), one_line=True)
        _check_text("description", self.description)
        for name in ("keywords", "hierarchical"):
            _check_list(name, getattr(self, name))

    @property
    def is_empty(self) -> bool:
        """Nothing is asked to change."""
        return all(getattr(self, each.name) is None for each in fields(self))

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, None left out."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {key: value for key, value in values.items() if value is not None}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The opposite of `as_dict`."""
        listed = {"keywords", "hierarchical"}
        chosen: dict[str, Any] = {
            key: tuple(value) if key in listed else value for key, value in values.items()
        }
        return cls(**chosen)


def _check_text(name: str, text: str | None, *, one_line: bool = False) -> None:
    if text is None:
        return
    if len(text) > LONGEST_TEXT:
        raise InvalidFields(f"{name} has {len(text)} characters; at most {LONGEST_TEXT} are written")
    bad = _IMPOSSIBLE.search(text) or (re.search(r"[\n\t]", text) if one_line else None)
    if bad is not None:
        raise InvalidFields(f"{name} holds U+{ord(bad[0]):04X}, which has no place in it; remove it")
    if text != text.strip():
        raise InvalidFields(f"{name} begins or ends with white space; strip it")


def _check_list(name: str, values: tuple[str, ...] | None) -> None:
    if values is None:
        return
    if len(values) > MOST_KEYWORDS:
        raise InvalidFields(f"{name} has {len(values)} entries; at most {MOST_KEYWORDS} are written")
    for value in values:
        _check_text(name, value)
        if not value:
            raise InvalidFields(f"{name} holds an empty entry; leave it out")
        if len(value) > LONGEST_KEYWORD:
            raise InvalidFields(
                f"{name} holds an entry of {len(value)} characters; at most {LONGEST_KEYWORD}"
            )
    if len(set(values)) != len(values):
        raise InvalidFields(f"{name} names something twice; pass each once")


def printable(text: str) -> str:
    """A text of an old block without what metadata cannot carry on: padding zeros, stray control characters.

    What could not be read of it is shown as such.
    """
    return _IMPOSSIBLE.sub("", _UNREAD.sub("\N{REPLACEMENT CHARACTER}", text)).strip()
