"""What writing does to a file, in lines that a person reads before it is done: `+` comes, `-` goes, `=` stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageworks.plain_text import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imageworks.personal_tagger.merging import Merge
    from photos.metadata.fields import PhotoMetadata


def changes(existing: PhotoMetadata, merged: Merge) -> tuple[str, ...]:
    """The lines for one file; none that begins with `+` or `-` when nothing is to be written.

    Args:
        existing: What the file says now.
        merged: What is to be written into it.
    """
    return (
        *_text("title", existing.title, merged.fields.title),
        *_text("description", existing.description, merged.fields.description),
        *_listed("-", merged.removed_keywords),
        *_listed("+", merged.added_keywords),
        *(f"= {name}: yours stays" for name in merged.kept),
        *((f"= keywords: they stay as they are: {merged.keywords_kept}",) if merged.keywords_kept else ()),
    )


def _text(name: str, old: str | None, new: str | None) -> Iterator[str]:
    if new is None:
        return
    if old:
        yield f"- {name}: {clean_text(old)}"
    if new:
        yield f"+ {name}: {clean_text(new)}"


def _listed(sign: str, keywords: Iterable[str]) -> Iterator[str]:
    said = ", ".join(map(clean_text, keywords))
    if said:
        yield f"{sign} keywords: {said}"
