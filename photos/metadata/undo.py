"""Putting back the exact bytes that a photo had before we wrote into it.

A metadata write changes a stretch near the beginning of a file, so the old file is the new one's beginning
and end with another middle. A record holds the lengths of both and the old middle, compressed: some KB for
a JPEG of any size. (A TIFF whose metadata stand behind its picture is as cheap; one that had to be laid out
anew costs up to its own size.)

Record: `IWU1`, the length of the header as 4 bytes, the header as JSON (prefix, suffix, before_sha256,
after_sha256, before_size, after_size), the old middle compressed with zlib.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import zlib
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import Enum
from typing import TYPE_CHECKING

from photos.metadata.errors import FileChanged, UndoRefused
from photos.metadata.replacing import Original, keep_attributes
from photos.metadata.temporary import explaining, hidden_copy, sweep, sync_file, sync_folder
from store.path_text import path_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEADER_BYTES = 512
"""Bytes of a record's beginning that hold its header; `facts_of` needs no more of it."""

_MAGIC = b"IWU1"
_CHUNK = 1 << 20
_FAST_BEYOND = 8 << 20
"""Bytes of middle from which zlib's fastest level is used: pixels do not compress better for waiting."""


class Standing(Enum):
    """What a file is, seen from one write."""

    BEFORE = "before"
    AFTER = "after"
    OTHER = "other"


@dataclass(frozen=True)
class UndoFacts:
    """A record's header.

    Attributes:
        prefix: bytes that both files begin with.
        suffix: bytes that both files end with, not counting those of the prefix.
        before_size: bytes of the old file.
        after_size: bytes of the new file.
        before_sha256: of the old file.
        after_sha256: of the new file.
    """

    prefix: int
    suffix: int
    before_size: int
    after_size: int
    before_sha256: str
    after_sha256: str


@dataclass(frozen=True)
class Undone:
    """What an undo did: `already` says that the old bytes were there before it began."""

    path: Path
    sha256: str
    already: bool


def make_record(before: Path, after: Path) -> tuple[bytes, UndoFacts]:
    """The record that turns `after` into `before` again."""
    with _mapped(before) as old, _mapped(after) as new:
        prefix = _common_prefix(old, new)
        suffix = _common_suffix(old, new, limit=min(len(old), len(new)) - prefix)
        facts = UndoFacts(
            prefix=prefix,
            suffix=suffix,
            before_size=len(old),
            after_size=len(new),
            before_sha256=_sha256(old),
            after_sha256=_sha256(new),
        )
        middle = old[prefix : len(old) - suffix]
    header = json.dumps(asdict(facts)).encode()
    packed = zlib.compress(middle, 1 if len(middle) > _FAST_BEYOND else 6)
    return _MAGIC + len(header).to_bytes(4, "big") + header + packed, facts


def facts_of(record: bytes) -> UndoFacts:
    """A record's header.

    Args:
        record: from `make_record`, or its first `HEADER_BYTES` alone.

    Raises:
        UndoRefused: the record is damaged.
    """
    return _parse(record)[0]


def standing(path: Path, record: bytes) -> Standing:
    """Whether a file is what it was before the write, after it, or something else.

    A write that was recorded as prepared and then killed is settled by this.

    Raises:
        UndoRefused: the record is damaged.
        OSError: the file cannot be read.
    """
    facts = facts_of(record)
    with _mapped(path) as data:
        digest = _sha256(data)
    if digest == facts.after_sha256:
        return Standing.AFTER
    return Standing.BEFORE if digest == facts.before_sha256 else Standing.OTHER


def undo(path: Path, record: bytes) -> Undone:
    """Put the old bytes back, byte for byte, keeping mode and modification time.

    Doing it twice is no mistake: the second time nothing is written.

    Args:
        path: the photo; a link's target is what is written.
        record: from `make_record`.

    Raises:
        UndoRefused: the file is not what we wrote (another program has changed it since), or the record is
            damaged.
        WriteRefused: the file or its folder is read-only, or it changed meanwhile.
        WriteFailed: no room, or the system refuses; the file is as it was.
    """
    facts, packed = _parse(record)
    original = Original.at(path)
    sweep(original.path.parent)
    with _mapped(original.path) as data:
        digest = _sha256(data)
        if digest == facts.before_sha256:
            return Undone(original.path, digest, already=True)
        if digest != facts.after_sha256:
            raise UndoRefused(
                f"{path_text(path)}: it was changed after we wrote into it, so it was left alone; "
                "take the tags out by hand, or restore the photo from a backup",
            )
        old = b"".join(
            (data[: facts.prefix], _unpacked(packed, facts), data[len(data) - facts.suffix :]),
        )
    if hashlib.sha256(old).hexdigest() != facts.before_sha256:
        raise UndoRefused(f"{path_text(path)}: the undo record is damaged; nothing was changed")
    with hidden_copy(original.path) as copy:
        with explaining(copy):
            copy.write_bytes(old)
            keep_attributes(original, copy)
            sync_file(copy)
        if not original.is_unchanged():
            raise FileChanged(f"{path_text(path)}: another program wrote it meanwhile; run the undo again")
        with explaining(copy):
            copy.replace(original.path)
            sync_folder(original.path.parent)
    return Undone(original.path, facts.before_sha256, already=False)


def rebuilds(record: bytes, after: Path) -> bool:
    """Whether a record really gives the old file back; asked before the original is replaced."""
    facts, packed = _parse(record)
    digest = hashlib.sha256()
    with _mapped(after) as new:
        _feed(digest, new, 0, facts.prefix)
        digest.update(_unpacked(packed, facts))
        _feed(digest, new, len(new) - facts.suffix, len(new))
    return digest.hexdigest() == facts.before_sha256


def _unpacked(packed: bytes, facts: UndoFacts) -> bytes:
    expected = facts.before_size - facts.prefix - facts.suffix
    inflater = zlib.decompressobj()
    try:
        middle = inflater.decompress(packed, expected + 1)
    except zlib.error as problem:
        raise UndoRefused(f"the undo record is damaged: {problem}; nothing was changed") from problem
    if len(middle) != expected or not inflater.eof:
        raise UndoRefused("the undo record is damaged: its middle has another length; nothing was changed")
    return middle


def _parse(record: bytes) -> tuple[UndoFacts, bytes]:
    size = int.from_bytes(record[4:8], "big")
    try:
        if not record.startswith(_MAGIC):
            raise ValueError("it does not begin as one")  # noqa: TRY301 - one message for every damage
        facts = UndoFacts(**json.loads(record[8 : 8 + size]))
    except (ValueError, TypeError) as problem:
        raise UndoRefused(f"the undo record is damaged: {problem}; nothing was changed") from problem
    return facts, record[8 + size :]


@contextmanager
def _mapped(path: Path) -> Iterator[bytes | mmap.mmap]:
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            yield b""
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data


def _sha256(data: bytes | mmap.mmap) -> str:
    digest = hashlib.sha256()
    _feed(digest, data, 0, len(data))
    return digest.hexdigest()


def _feed(digest: hashlib._Hash, data: bytes | mmap.mmap, start: int, end: int) -> None:
    for position in range(start, end, _CHUNK):
        digest.update(data[position : min(position + _CHUNK, end)])


def _common_prefix(old: bytes | mmap.mmap, new: bytes | mmap.mmap) -> int:
    limit = min(len(old), len(new))
    for start in range(0, limit, _CHUNK):
        end = min(start + _CHUNK, limit)
        if old[start:end] != new[start:end]:
            return start + _alike(old[start:end], new[start:end])
    return limit


def _common_suffix(old: bytes | mmap.mmap, new: bytes | mmap.mmap, *, limit: int) -> int:
    for start in range(0, limit, _CHUNK):
        size = min(_CHUNK, limit - start)
        first = old[len(old) - start - size : len(old) - start]
        second = new[len(new) - start - size : len(new) - start]
        if first != second:
            return start + _alike(first[::-1], second[::-1])
    return limit


def _alike(first: bytes, second: bytes) -> int:
    """How many leading bytes two stretches of one length share; by bisection, as slices compare fast."""
    low, high = 0, len(first)
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
