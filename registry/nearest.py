"""The names that somebody may have meant."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], *, at_most: int = 3) -> tuple[str, ...]:
    """Give the known names that look like `name`, best first; letter case does not matter."""
    folded: dict[str, str] = {}
    for candidate in known:
        folded.setdefault(candidate.casefold(), candidate)
    wanted = name.casefold()
    close = difflib.get_close_matches(wanted, folded, n=at_most, cutoff=0.6)
    # A shortened name, `qwen` for `qwen2.5-vl-7b`, is not close by letters.
    within = [candidate for candidate in folded if len(wanted) > 2 and wanted in candidate]  # noqa: PLR2004
    return tuple(folded[candidate] for candidate in dict.fromkeys((*close, *sorted(within))))[:at_most]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Write ``did you mean x? `` (with the space), or nothing where no known name looks like it."""
    best = nearest(name, known, at_most=1)
    return f"did you mean {best[0]}? " if best else ""
