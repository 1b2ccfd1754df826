"""The tagger's contact sheet: every photo with what was said about it, and what became of it in the file."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from imageworks.page import data_uri, render_page
from photos.metadata.spelling import keyword_key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imageworks.personal_tagger.merging import Merge
    from imageworks.run_facts import RunFacts


@dataclass(frozen=True)
class SheetPhoto:
    """One photo as the sheet shows it.

    Attributes:
        path: Relative to the shoot's folder, as text.
        thumbnail: JPEG, PNG or WebP, some 480 pixels on the long side; None when it could not be opened.
        caption: Empty when there is none.
        keywords: Ours.
        description: Empty when there is none.
        existing_keywords: The photographer's own.
        merge: What writing does or did to the file; None when that is not known.
        written: Whether it stands in the file now.
        shared_from: The file of a burst whose tags it carries; empty for tags of its own.
        problem: Why the photo has no tags, or was not written, in words; empty: nothing went wrong.
    """

    path: str
    thumbnail: bytes | None = None
    caption: str = ""
    keywords: tuple[str, ...] = ()
    description: str = ""
    existing_keywords: tuple[str, ...] = ()
    merge: Merge | None = None
    written: bool = False
    shared_from: str = ""
    problem: str = ""


@dataclass(frozen=True)
class _Frame:
    """A photo ready to print; its number leads to it."""

    number: int
    photo: SheetPhoto
    picture: str | None
    keywords: tuple[str, ...]
    kept: tuple[str, ...]
    keywords_kept: str


def render_contact_sheet(*, photos: Iterable[SheetPhoto], facts: RunFacts) -> str:
    """The contact sheet as HTML, UTF-8 text. It needs no script, no network and no other file.

    Raises:
        ThumbnailRefused: A picture is no JPEG, PNG or WebP.
    """
    frames = [_frame(number, photo) for number, photo in enumerate(photos, 1)]
    in_order = sorted(frames, key=lambda frame: _folder(frame.photo))
    values: dict[str, Any] = {
        "frames": frames,
        "folders": [
            (folder, list(its)) for folder, its in groupby(in_order, lambda frame: _folder(frame.photo))
        ],
        "facts": facts,
        "written": sum(frame.photo.written for frame in frames),
        "tagged": sum(
            bool(frame.photo.caption or frame.keywords or frame.photo.description) for frame in frames
        ),
        "problems": sum(bool(frame.photo.problem) for frame in frames),
    }
    return render_page("personal_tagger/contact_sheet.html", values)


def _folder(photo: SheetPhoto) -> str:
    return photo.path.rpartition("/")[0]


def _frame(number: int, photo: SheetPhoto) -> _Frame:
    own = {keyword_key(keyword) for keyword in photo.existing_keywords}
    return _Frame(
        number=number,
        photo=photo,
        picture=data_uri(photo.thumbnail) if photo.thumbnail is not None else None,
        keywords=tuple(keyword for keyword in photo.keywords if keyword_key(keyword) not in own),
        kept=photo.merge.kept if photo.merge is not None else (),
        keywords_kept=photo.merge.keywords_kept if photo.merge is not None else "",
    )
