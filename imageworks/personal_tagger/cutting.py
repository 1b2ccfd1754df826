"""Cut a photo library into batches: whole folders, none of them larger than it has to be."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Piece:
    """A folder of a library that is handled together.

    Attributes:
        folder: Its path below the library, with ``/`` between the parts; empty for the library itself.
        below: Whether the folders below it belong to it.
        photos: How many photos it has.
    """

    folder: str
    below: bool
    photos: int


def cut(photos: Mapping[str, int], *, most: int, kept: Mapping[str, bool]) -> tuple[Piece, ...]:
    """The pieces of a library, from the top: a folder with all below it where that is not too much.

    Where it is, each folder in it is cut on its own, and photos that lie beside those folders are a piece too. A
    folder that was a piece stays one, whatever it grew to: what was tagged together stays together.

    Args:
        photos: How many photos lie in each folder itself, by its path below the library.
        most: Photos of a piece at most, but where a single folder has more.
        kept: Folders that were pieces before, each with whether those below belonged to it.
    """
    inside: Counter[str] = Counter()
    children: defaultdict[str, set[str]] = defaultdict(set)
    for folder, number in photos.items():
        inside[folder] += number
        for parent, child in _upwards(folder):
            inside[parent] += number
            children[parent].add(child)
    above_kept = {parent for folder in kept for parent, _ in _upwards(folder)}
    pieces: list[Piece] = []
    pending = [""]
    while pending:
        folder = pending.pop()
        below = kept.get(folder, inside[folder] <= most and folder not in above_kept)
        if below or not children[folder]:
            number = inside[folder]
        else:
            number = photos.get(folder, 0)
            pending += sorted(children[folder], reverse=True)
        if number:
            pieces.append(Piece(folder, below or not children[folder], number))
    return tuple(pieces)


def _upwards(folder: str) -> Iterator[tuple[str, str]]:
    """Each folder above, with the one in it that leads to this."""
    while folder:
        parent = folder.rpartition("/")[0]
        yield parent, folder
        folder = parent
