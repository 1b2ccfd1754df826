"""Putting back the exact bytes that a photo had before we wrote into it.

A metadata write changes a stretch near the beginning of a file, so the old file is the new one's beginning
and end with another middle. A record holds the lengths of both and the old middle, compressed: some KB for
a JPEG of any size. (A TIFF whose metadata stand behind its picture is as cheap; one that had to be laid out
anew costs up to its own size.)

Record: `IWU1`, the length of the header as 4 bytes, the header as JSON (prefix, suffix, before_sha256,
after_sha256, before_size, after_size, made), the old middle compressed with zlib. A sidecar that we made has no old
bytes: it goes again.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from enum import Enum
from typing import TYPE_CHECKING

from photos.metadata.errors import UndoRefused
from photos.metadata.replacing import Original, put_in_place
from photos.metadata.stretches import common_prefix, common_suffix, mapped, same_bytes
from photos.metadata.temporary import explaining, hidden_copy, sweep, sync_file, sync_folder
from store.path_text import path_text

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from photos.metadata.stretches import Buffer

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
        made: there was no old file.
    """

    prefix: int
    suffix: int
    before_size: int
    after_size: int
    before_sha256: str
    after_sha256: str
    made: bool = False


@dataclass(frozen=True)
class Undone:
    """What an undo did: `already` says that the old bytes were there before it began.

    `sha256` is of no bytes where there is no file any more.
    """

    path: Path
    sha256: str
    already: bool


def make_record(
    before: Path | None, after: Path, *, digests: tuple[str, str] | None = None, alike: int = 0
) -> tuple[bytes, UndoFacts]:
    """The record that turns `after` into `before` again; None: into no file.

    Args:
        before: the old file.
        after: the new one.
        digests: SHA-256 of both, where they are known already.
        alike: bytes at the end of both that are known to be the same; `rebuilds` proves it.
    """
    with _old(before) as old, mapped(after) as new:
        prefix = common_prefix(old, new)
        suffix = common_suffix(old, new, known=alike, limit=min(len(old), len(new)) - prefix)
        facts = UndoFacts(
            prefix=prefix,
            suffix=suffix,
            before_size=len(old),
            after_size=len(new),
            before_sha256=digests[0] if digests else _sha256(old),
            after_sha256=digests[1] if digests else _sha256(new),
            made=before is None,
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

    A write that was recorded as prepared and then killed is settled by this. A sidecar that we made and that is not
    there says that it is as before; whether it was moved, only whoever knows where the photos lie can tell.

    Raises:
        UndoRefused: the record is damaged.
        OSError: the file cannot be read.
    """
    facts = facts_of(record)
    if facts.made and not path.exists():
        return Standing.BEFORE
    with mapped(path) as data:
        digest = _sha256(data)
    if digest == facts.after_sha256:
        return Standing.AFTER
    return Standing.BEFORE if digest == facts.before_sha256 and not facts.made else Standing.OTHER


def undo(path: Path, record: bytes) -> Undone:
    """Put the old bytes back, byte for byte, keeping mode and modification time; remove a file that we made.

    Doing it twice is no mistake: the second time nothing is written.

    Args:
        path: the photo or sidecar; a link's target is what is written.
        record: from `make_record`.

    Raises:
        UndoRefused: the file is not what we wrote (another program has changed it since), or the record is
            damaged.
        WriteRefused: the file or its folder is read-only, or it changed meanwhile.
        WriteFailed: no room, or the system refuses; the file is as it was.
    """
    facts, packed = _parse(record)
    if facts.made and not path.exists():
        return Undone(path, facts.before_sha256, already=True)
    original = Original.at(path)
    sweep(original.path.parent)
    with mapped(original.path) as data:
        digest = _sha256(data)
        if digest == facts.before_sha256 and not facts.made:
            return Undone(original.path, digest, already=True)
        if digest != facts.after_sha256:
            raise UndoRefused(
                f"{path_text(path)}: it was changed after we wrote into it, so it was left alone; "
                "take the tags out by hand, or restore it from a backup",
            )
        old = b"".join(
            (data[: facts.prefix], _unpacked(packed, facts), data[len(data) - facts.suffix :]),
        )
    if hashlib.sha256(old).hexdigest() != facts.before_sha256:
        raise UndoRefused(f"{path_text(path)}: the undo record is damaged; nothing was changed")
    if facts.made:
        return _removed(original, facts)
    with hidden_copy(original.path) as copy:
        with explaining(copy):
            copy.write_bytes(old)
            original.hand_on(copy)
            sync_file(copy)
        put_in_place(copy, original)
    return Undone(original.path, facts.before_sha256, already=False)


def _removed(original: Original, facts: UndoFacts) -> Undone:
    original.check_unchanged()
    with explaining(original.path):
        original.path.unlink()
        sync_folder(original.path.parent)
    return Undone(original.path, facts.before_sha256, already=False)


def rebuilds(record: bytes, before: Path | None, after: Path) -> bool:
    """Whether a record really gives the old file back, byte by byte; asked before the original is replaced."""
    facts, packed = _parse(record)
    with _old(before) as old, mapped(after) as new:
        end = len(old) - facts.suffix
        return (
            len(old) == facts.before_size
            and same_bytes(old, 0, new, 0, facts.prefix)
            and old[facts.prefix : end] == _unpacked(packed, facts)
            and same_bytes(old, end, new, len(new) - facts.suffix, facts.suffix)
        )


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


def _old(path: Path | None) -> AbstractContextManager[Buffer]:
    return nullcontext(b"") if path is None else mapped(path)


def _sha256(data: Buffer) -> str:
    digest = hashlib.sha256()
    _feed(digest, data, 0, len(data))
    return digest.hexdigest()


def _feed(digest: hashlib._Hash, data: Buffer, start: int, end: int) -> None:
    for position in range(start, end, _CHUNK):
        digest.update(data[position : min(position + _CHUNK, end)])
