"""References: `id` is what the files say now, `id@label` and `id@hash` what the state database keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from prompt_hub.errors import BadReference
from prompt_hub.revisions.labels import is_digits

if TYPE_CHECKING:
    from prompt_hub.revisions.labels import Labels
    from prompt_hub.revisions.revisions import Revision, Revisions

_AT: Final = "@"


@dataclass(frozen=True, slots=True)
class Reference:
    """What somebody wrote to name a prompt.

    Attributes:
        profile_id: The profile.
        label: A label of it, or None.
        digits: The first digits of a revision's hash, or None.
    """

    profile_id: str
    label: str | None = None
    digits: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `id`, `id@label` or `id@hash`.

        Raises:
            BadReference: It is none of them.
        """
        profile_id, at, rest = text.partition(_AT)
        # No database takes a NUL, and no name has one.
        if not profile_id or (at and not rest) or "\0" in text:
            raise BadReference(
                f"{text!r} names no prompt. Write the id of a profile for what the files say, or club-judge@production "
                f"or club-judge@1a2b3c4d5e6f for a revision that is kept."
            )
        if not at:
            return cls(profile_id)
        return cls(profile_id, digits=rest) if is_digits(rest) else cls(profile_id, label=rest)

    @property
    def is_kept(self) -> bool:
        """Whether the state database says what it is, and the files do not."""
        return self.label is not None or self.digits is not None


def kept_revision(reference: Reference, labels: Labels, revisions: Revisions) -> Revision:
    """The revision that a reference with a label or a hash names.

    Raises:
        UnknownLabel, UnknownRevision, AmbiguousRevision: The database has no such one, or several.
        store.errors.DatabaseUnreachable: Nobody can say.
    """
    if reference.digits is not None:
        return revisions.get(reference.profile_id, reference.digits)
    if reference.label is not None:
        return labels.at(reference.profile_id, reference.label)
    raise BadReference(f"{reference.profile_id!r} is what the files say, and no revision that is kept.")
