"""Reading spool files: every whole line that its checksum vouches for, and word of every other."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from zlib import crc32

from telemetry.errors import NewerRecord, RecordFormatError
from telemetry.record_json import from_json
from telemetry.record_kinds import KIND_NAMED, seed_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from telemetry.record_kinds import Record

SPOOL_PATTERN: Final = "spool-*.jsonl"
LONGEST_LINE: Final = 1024 * 1024
"""Bytes after which a line without an end is taken for damage; a record is about one thousand."""

_LINE: Final = re.compile(rb'\{"seq":(\d{1,19}),"crc":(\d{1,10}),"([a-z_]{1,40})":(\{.*\})\}')


@dataclass(frozen=True, slots=True)
class BadLine:
    """A stretch of a spool that holds no record.

    Attributes:
        offset: Its place in the file, in bytes.
        content: The bytes themselves.
        reason: What is wrong with them.
        is_tail: Whether it is the end of the file without a newline: a write that was cut off.
    """

    offset: int
    content: bytes
    reason: str
    is_tail: bool


def spool_files(folder: Path) -> list[Path]:
    """The spool files in a folder, by name."""
    return sorted(folder.glob(SPOOL_PATTERN))


def read_spool(path: Path) -> Iterator[Record | BadLine]:
    """The records of a spool file in order, and what stands between them.

    A tail without its newline is a record all the same when its checksum is right. Memory is bounded by the
    longest line.

    Raises:
        NewerRecord: The file was written by a newer version of this program.
        OSError: The file cannot be read.
    """
    offset = 0
    with path.open("rb") as file:
        while line := file.readline(LONGEST_LINE):
            is_tail = not line.endswith(b"\n") and len(line) < LONGEST_LINE
            yield _read_line(line.removesuffix(b"\n"), offset, is_tail=is_tail)
            offset += len(line)


def _read_line(line: bytes, offset: int, *, is_tail: bool) -> Record | BadLine:
    found = _LINE.fullmatch(line)
    if found is None:
        reason = "the line is cut off" if is_tail else "the line is no spooled record"
        return BadLine(offset, line, reason, is_tail)
    seq, crc, name, body = found.groups()
    word = name.decode("ascii")
    if crc32(body, seed_of(word)) != int(crc):
        return BadLine(offset, line, "the checksum is wrong", is_tail)
    kind = KIND_NAMED.get(word)
    if kind is None:
        # Its checksum vouches for the name, too: it is not damage.
        raise NewerRecord(f"Telemetry of kind {word!r} is not known to this code. Update the software.")
    try:
        return from_json(kind, body, seq=int(seq))
    except NewerRecord:
        raise
    except RecordFormatError as error:
        return BadLine(offset, line, str(error), is_tail)
