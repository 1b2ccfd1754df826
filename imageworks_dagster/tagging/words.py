"""What holds of a photo's words now: a person's where there is one, else the model's; and whether it was approved."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from imageworks.personal_tagger.review import FIELDS, field_digest, words_digest
from store.overrides import in_force

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from imageworks.personal_tagger.review import Field
    from imageworks_dagster.stages import Row
    from store.overrides import Override

TABLES = {"caption": "captions", "keywords": "keywords", "description": "descriptions"}
"""The table of each of a photo's words, by column."""

APPROVED = "approved"
"""The column of an approval among the overrides; its value names the words that were approved, field by field.

Approvals of before they were kept by field are one name for all words."""


@dataclass(frozen=True)
class PhotoWords:
    """A photo's words.

    Attributes:
        caption: Empty for none, as are the others.
        keywords: Beside the photographer's own.
        description: Paragraphs parted by empty lines.
        decided: The fields of which a person has decided that they hold these very words.
    """

    caption: str
    keywords: tuple[str, ...]
    description: str
    decided: frozenset[Field] = frozenset()

    @property
    def is_approved(self) -> bool:
        """Whether a person has decided on all of it."""
        return self.decided.issuperset(FIELDS)

    @property
    def undecided(self) -> tuple[Field, ...]:
        """The fields that wait for a person."""
        return tuple(field for field in FIELDS if field not in self.decided)

    @property
    def digest(self) -> str:
        """Names them by content."""
        return words_digest(self.caption, self.keywords, self.description)


def photo_words(
    photo: Row, answers: Mapping[str, Mapping[str, Row]], said: Sequence[Override]
) -> PhotoWords | None:
    """What holds of a photo; None where some table has no answer for it.

    Args:
        photo: Its row of tagger/photos.
        answers: Rows by entry, by table: captions, keywords, descriptions.
        said: What people say of its entry, the oldest first; of another picture it says nothing.
    """
    mine: dict[str, Any] = {
        column: answers[table].get(photo["entry_id"], {}).get(column) for column, table in TABLES.items()
    }
    own = in_force([word for word in said if word.photo_id == photo["photo_id"]])
    mine |= {column: own[column].value for column in TABLES if column in own}
    if any(value is None for value in mine.values()):
        return None
    words = PhotoWords(mine["caption"], tuple(mine["keywords"]), mine["description"])
    return replace(words, decided=_decided(words, own[APPROVED].value)) if APPROVED in own else words


def approval_of(words: PhotoWords, decided: Iterable[Field]) -> dict[str, str]:
    """An approval of some of a photo's fields, as it is kept among the overrides."""
    return {field: field_digest(getattr(words, field)) for field in decided}


def _decided(words: PhotoWords, approval: object) -> frozenset[Field]:
    """The fields that an approval that was kept is of."""
    if not isinstance(approval, dict):
        return frozenset(FIELDS if approval == words.digest else ())
    digests = approval_of(words, FIELDS)
    return frozenset(field for field in FIELDS if approval.get(field) == digests[field])
