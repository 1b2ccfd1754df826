"""Splits: several kept revisions, each for a share of the photos, such as `library@production:80,library@staging:20`.

Which revision a photo gets follows from its `photo_id` alone: the same in every batch, at every stage and after every
resumption. A share that grows keeps the photos that it had.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final, Self

from prompt_hub.errors import BadReference, BadSplit
from prompt_hub.revisions.references import Reference

if TYPE_CHECKING:
    from collections.abc import Sequence

WHOLE: Final = 100
MOST_SHARES: Final = 10

_SHARE: Final = re.compile(r"([^:,]+):([1-9][0-9]?)")


@dataclass(frozen=True, slots=True)
class Share:
    """One part of a split.

    Attributes:
        reference: The revision, by label or hash.
        text: How it was written.
        percent: Its share of the photos, 1 to 99.
    """

    reference: Reference
    text: str
    percent: int


@dataclass(frozen=True, slots=True)
class Split:
    """Several revisions with their shares, which make 100 together."""

    shares: tuple[Share, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `id@label:share,id@hash:share`.

        Raises:
            BadSplit: It is none, or its shares do not make 100.
        """
        parts = [part.strip() for part in text.split(",")]
        shares = tuple(_share(part, text) for part in parts)
        if not 1 < len(shares) <= MOST_SHARES:
            raise BadSplit(
                f"{text!r} splits nothing: name 2 to {MOST_SHARES} revisions, each with its share."
            )
        if len({share.reference for share in shares}) < len(shares):
            raise BadSplit(f"{text!r} names a revision twice.")
        if (whole := sum(share.percent for share in shares)) != WHOLE:
            raise BadSplit(f"The shares of {text!r} make {whole}, and not {WHOLE}.")
        return cls(shares)


def is_split(text: str) -> bool:
    """Whether somebody wrote a split, and not one reference."""
    return "," in text or ":" in text


def part_of(photo_id: str, percents: Sequence[int]) -> int:
    """The number of the share, from 0, that a photo falls into.

    Args:
        photo_id: The photo.
        percents: All shares in order; together 100.
    """
    place = bucket_of(photo_id)
    return next(number for number, end in enumerate(accumulate(percents)) if place < end)


def bucket_of(photo_id: str) -> int:
    """Where a photo stands from 0 to 99: SHA-256 of its id, so that nothing about the photo decides it."""
    digest = hashlib.sha256(f"prompt split {photo_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % WHOLE


def _share(part: str, text: str) -> Share:
    found = _SHARE.fullmatch(part)
    if found is None:
        raise BadSplit(
            f"{part!r} of {text!r} is no share. Write library@production:80,library@staging:20, shares in percent."
        )
    try:
        reference = Reference.parse(found[1])
    except BadReference as error:
        raise BadSplit(str(error)) from error
    if not reference.is_kept:
        raise BadSplit(
            f"{found[1]!r} of {text!r} is what the files say. A split is between revisions that are kept: name them by "
            f"label or hash, such as {found[1]}@production."
        )
    return Share(reference, found[1], int(found[2]))
